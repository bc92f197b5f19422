/** `npm run bench`: how fast the kernels are on this machine, after making sure that they are right. */
import { openForCommand } from "../src/cli/device.ts";
import { runMain } from "../src/cli/main.ts";
import { UserError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/io/files.node.ts";
import { gemmVariant } from "../src/ops/variants.ts";
import type { Gpu } from "../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../src/runtime/source.node.ts";
import { Checker } from "./check.ts";
import { Clock } from "./clock.ts";
import type { Timing } from "./clock.ts";
import { readOptions, title } from "./options.ts";
import { measurePeak } from "./peak.ts";
import { Table, toJson, toRow } from "./report.ts";
import type { Row } from "./report.ts";
import { prepare } from "./workload.ts";
import type { Workload } from "./workload.ts";

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) return 0;
  const { workloads, variants } = options;
  const { gpu, check, close, info, adapter } = await openForCommand({ ...options, profile: false });
  try {
    const inUse = new Map(workloads.map(({ op }) => [op.name, variantInUse(gpu, op.name)]));
    const checker = new Checker({ device: gpu.device, kernels: kernelsOnDisk, variants });
    const clock = new Clock(gpu);
    console.log(adapter);
    const peak = await measurePeak(gpu, clock);
    console.log(`peak: ${peak.gflops.toFixed(1)} GFLOP/s of multiply-adds, ${peak.gbps.toFixed(1)} GB/s copied\n`);

    const table = new Table(workloads);
    console.log(table.header());
    const rows: Row[] = [];
    for (const workload of workloads) {
      const variant = inUse.get(workload.op.name)!;
      const problem = await checker.check(workload, variant);
      check();
      if (problem !== null) {
        console.error(`${title(workload)}: the variant ${variant} is wrong: ${problem}`);
        continue;
      }
      const timing = await measure(gpu, clock, workload);
      check();
      const row = toRow(workload, variant, timing, peak);
      console.log(table.row(workload, row, timing));
      rows.push(row);
    }
    if (options.json !== undefined) await writeFileAtomic(options.json, toJson(info, peak, rows));
    return rows.length === workloads.length ? 0 : 1;
  } finally {
    close();
  }
}

/** "auto" stands for the choice of an op that decides by shape. */
function variantInUse(gpu: Gpu, op: string): string {
  if (op !== "conv2d" && op !== "matmul") return gpu.variants[op] ?? "auto";
  try {
    return gemmVariant(gpu, op);
  } catch (cause) {
    throw new UserError(`--variant ${op}=${gpu.variants[op]}: ${(cause as Error).message}`);
  }
}

async function measure(gpu: Gpu, clock: Clock, workload: Workload): Promise<Timing> {
  try {
    using _arena = gpu.arena();
    return await clock.measure(prepare(gpu, workload, workload.problem).record);
  } finally {
    await gpu.trim();
  }
}

await runMain(main);
