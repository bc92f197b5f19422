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
import type { KernelSource } from "../runtime/kernels.ts";
import type { Gpu } from "../runtime/gpu.ts";

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
  | { readonly kind: "wrong"; readonly name: string; readonly problem: string };

/** Yields the adapter's peaks, then a row at a time; a kernel that is wrong is said to be so instead of timed. */
export async function* benchKernels(
  gpu: Gpu,
  { kernels, check }: { kernels: KernelSource; check: () => void },
): AsyncGenerator<BenchResult, void, undefined> {
  const { device } = gpu;
  const clock = new Clock(gpu);
  const checker = new Checker({ device, kernels });
  const chosen = workloads("small").filter((workload) => SELECTED.some((pattern) => pattern.test(titleOf(workload))));
  const peak = await measurePeak(gpu, clock);
  yield { kind: "peak", peak, rows: chosen.length };
  for (const workload of chosen) {
    const decisions = await decide(gpu, workload);
    const problem = await checker.check(workload, variantServing(workload, decisions), decisions);
    check();
    if (problem !== null) {
      yield { kind: "wrong", name: titleOf(workload), problem };
      continue;
    }
    using _ = gpu.arena();
    const timing = await clock.measure(prepare(gpu, workload, workload.problem).record);
    check();
    const row = toRow(workload, describeDecisions(workload, decisions), timing, peak);
    yield { kind: "row", row, label: workload.label };
  }
  await gpu.trim();
}

async function decide(gpu: Gpu, workload: Workload) {
  using _ = gpu.arena();
  const { record } = prepare(gpu, workload, workload.problem);
  const decisions = decisionsOf(gpu, record);
  await gpu.idle();
  return decisions;
}

const titleOf = ({ name, op, pass }: Workload): string => `${name} ${op.name} ${pass}`;
