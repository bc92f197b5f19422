/** Measuring on one open device, with a line for every row as soon as it is there. */
import type { CommandDevice } from "../src/cli/device.ts";
import type { Gpu } from "../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../src/runtime/source.node.ts";
import type { Decision } from "../src/runtime/choice.ts";
import type { ProgressLine } from "../src/train/progress.ts";
import { Checker } from "./check.ts";
import { Clock } from "./clock.ts";
import { decisionsOf, describeDecisions, variantServing } from "./decide.ts";
import type { Timing } from "./clock.ts";
import { describeLoader, measureLoader } from "./loader.ts";
import type { LoaderRow, LoaderTask } from "./loader.ts";
import { workloadTitle } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { measurePeak } from "./peak.ts";
import type { Peak } from "./peak.ts";
import { Table, toRow } from "./report.ts";
import type { Row } from "./report.ts";
import { describeSeries, measureSeries } from "./scaling.ts";
import type { ScalingRow, Series } from "./scaling.ts";
import type { StepRow, StepTask } from "./step.ts";
import { describeStep } from "./step_report.ts";
import { runStep } from "./steps.ts";
import { prepare } from "./workload.ts";
import type { Workload } from "./workload.ts";

export class Session {
  readonly #opened: CommandDevice;
  readonly #options: BenchOptions;
  readonly #clock: Clock;

  constructor(opened: CommandDevice, options: BenchOptions) {
    this.#opened = opened;
    this.#options = options;
    this.#clock = new Clock(opened.gpu);
  }

  async peak(): Promise<Peak> {
    this.#options.output.show("measuring the peaks");
    const peak = await measurePeak(this.#opened.gpu, this.#clock);
    const inWords = `peak: ${peak.gflops.toFixed(1)} GFLOP/s of multiply-adds, ${peak.gbps.toFixed(1)} GB/s copied`;
    this.#options.output.print(inWords, { peak });
    return peak;
  }

  /** Rows of the workloads whose kernels are right; the others are named on stderr. */
  async kernels(workloads: readonly Workload[], peak: Peak): Promise<Row[]> {
    if (workloads.length === 0) return [];
    const { gpu, check } = this.#opened;
    const { output, variants } = this.#options;
    const checker = new Checker({ device: gpu.device, kernels: kernelsOnDisk, variants });
    const table = new Table(workloads);
    output.print(`\n${table.header()}`, null);
    const show = output.task("checking and timing kernels", "rows");
    const rows: Row[] = [];
    for (const [i, workload] of workloads.entries()) {
      show(i, workloads.length);
      if (!canRun(gpu, workload, output)) continue;
      const decisions = await this.#decide(workload);
      const variant = describeDecisions(workload, decisions);
      const problem = await checker.check(workload, variantServing(workload, decisions), decisions);
      check();
      if (problem !== null) {
        output.warn(`${workloadTitle(workload)}: the variant ${variant} is wrong: ${problem}`);
        continue;
      }
      const row = toRow(workload, variant, await this.time(workload), peak);
      output.print(table.row(workload, row), row);
      rows.push(row);
    }
    return rows;
  }

  async #decide(workload: Workload): Promise<Decision[]> {
    const { gpu } = this.#opened;
    using _arena = gpu.arena();
    const { record } = prepare(gpu, workload, workload.problem);
    const decisions = decisionsOf(gpu, record);
    await gpu.idle();
    return decisions;
  }

  async time(workload: Workload): Promise<Timing> {
    const { gpu, check } = this.#opened;
    try {
      using _arena = gpu.arena();
      return await this.#clock.measure(prepare(gpu, workload, workload.problem).record);
    } finally {
      await gpu.trim();
      check();
    }
  }

  async steps(tasks: readonly StepTask[]): Promise<StepRow[]> {
    const { adapter, variants, output } = this.#options;
    const profile = this.#opened.info.features.includes("timestamp-query");
    const show = output.task("timing whole training steps", "steps");
    const rows: StepRow[] = [];
    for (const task of tasks) {
      show(rows.length, tasks.length);
      const row = await runStep(task, { adapter, variants, profile });
      output.print(`\n${describeStep(row)}`, row);
      if (row.latePipelines > 0) {
        output.warn(`${task.name}: ${row.latePipelines} pipelines were compiled after the first two steps`);
      }
      rows.push(row);
    }
    return rows;
  }

  async scaling(series: readonly Series[]): Promise<ScalingRow[]> {
    const { gpu, check } = this.#opened;
    const { variants, output } = this.#options;
    const show = output.task("measuring how time and memory grow", "series");
    const all: ScalingRow[] = [];
    for (const [i, each] of series.entries()) {
      show(i, series.length);
      const rows = await measureSeries({ device: gpu.device, kernels: kernelsOnDisk, variants }, each);
      check();
      output.print(`\n${describeSeries(each, rows)}`, { scaling: rows });
      all.push(...rows);
    }
    return all;
  }

  /** @param steps what to compare with */
  async loader(tasks: readonly LoaderTask[], steps: readonly StepRow[]): Promise<LoaderRow[]> {
    const { output } = this.#options;
    const show = output.task("timing the loader", "presets");
    const all: LoaderRow[] = [];
    for (const [i, task] of tasks.entries()) {
      show(i, tasks.length);
      const rows = await measureLoader(task, steps);
      output.print(`\n${rows.map(describeLoader).join("\n")}`, { loader: rows });
      all.push(...rows);
    }
    return all;
  }
}

/** False, with the reason on stderr, for a forced variant that cannot. */
function canRun(gpu: Gpu, workload: Workload, output: ProgressLine): boolean {
  const { op, problem } = workload;
  try {
    const shapes = problem.inputs.map((input) => input && input.shape);
    op.variant?.(gpu, shapes, problem.options);
    return true;
  } catch (cause) {
    output.warn(`${workloadTitle(workload)}: ${(cause as Error).message}`);
    return false;
  }
}
