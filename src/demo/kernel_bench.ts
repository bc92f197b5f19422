/** The benchmark in the page: a selection of its rows, checked and timed by the same code as `npm run bench`. */
import { Checker } from "../../bench/check.ts";
import { Clock } from "../../bench/clock.ts";
import { decisionsOf, describeDecisions, variantServing } from "../../bench/decide.ts";
import { measurePeak } from "../../bench/peak.ts";
import type { Peak } from "../../bench/peak.ts";
import { toRow } from "../../bench/report.ts";
import type { Row } from "../../bench/report.ts";
import { workloads } from "../../bench/sets.ts";
import { prepare } from "../../bench/workload.ts";
import type { Workload } from "../../bench/workload.ts";
import { DeviceLostError } from "../device/watch.ts";
import type { KernelSource } from "../runtime/kernels.ts";
import { Gpu } from "../runtime/gpu.ts";

/** Of the `tiny` preset: what a training step spends its time on, each with its gradients; and a square product. */
const SELECTED = [
  /^tiny backbone_net\.(layer1\.0\.conv1|layer3\.0\.conv2|layer4\.1\.conv1) /,
  /^tiny memory (attention|update_memory) /,
  /^tiny layer1 batch_norm /,
  /^tiny labels upsampled_cross_entropy /,
  /^tiny largest weight sgd /,
  /^square 512 matmul /,
];

export type BenchResult =
  | { readonly kind: "peak"; readonly peak: Peak; readonly rows: number }
  | { readonly kind: "row"; readonly row: Row; readonly label: string }
  | { readonly kind: "wrong"; readonly row: Pick<Row, "name" | "op" | "pass">; readonly problem: string };

export interface BenchOptions {
  readonly kernels: KernelSource;
  /** Throws what the device has reported since the last call. */
  readonly check: () => void;
}

/**
 * Yields the adapter's peaks, then a row at a time; of a kernel that is wrong or cannot run, what is the matter. It has
 * a runtime of its own: its arenas stay open while others use the device.
 *
 * @throws DeviceLostError
 */
export async function* benchKernels(
  device: GPUDevice,
  { kernels, check }: BenchOptions,
): AsyncGenerator<BenchResult, void, undefined> {
  const gpu = new Gpu({ device, kernels });
  const clock = new Clock(gpu);
  const checker = new Checker({ device, kernels });
  const chosen = workloads("small").filter((workload) => SELECTED.some((pattern) => pattern.test(titleOf(workload))));
  const peak = await measurePeak(gpu, clock);
  yield { kind: "peak", peak, rows: chosen.length };

  const measure = async (workload: Workload): Promise<BenchResult> => {
    const decisions = await decide(gpu, workload);
    const problem = await checker.check(workload, variantServing(workload, decisions), decisions);
    check();
    if (problem !== null) return wrong(workload, problem);
    using _ = gpu.arena();
    const timing = await clock.measure(prepare(gpu, workload, workload.problem).record);
    check();
    const row = toRow(workload, describeDecisions(workload, decisions), timing, peak);
    return { kind: "row", row, label: workload.label };
  };
  for (const workload of chosen) {
    forgetErrors(check);
    yield await measure(workload).catch((cause: Error) => {
      if (cause instanceof DeviceLostError) throw cause;
      return wrong(workload, cause.message);
    });
  }
  await gpu.trim();
}

/** What the device has reported so far is not the fault of the row to come. */
function forgetErrors(check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (cause instanceof DeviceLostError) throw cause;
  }
}

function wrong({ name, op, pass }: Workload, problem: string): BenchResult {
  return { kind: "wrong", row: { name, op: op.name, pass }, problem };
}

async function decide(gpu: Gpu, workload: Workload) {
  using _ = gpu.arena();
  const { record } = prepare(gpu, workload, workload.problem);
  const decisions = decisionsOf(gpu, record);
  await gpu.idle();
  return decisions;
}

const titleOf = ({ name, op, pass }: Workload): string => `${name} ${op.name} ${pass}`;
