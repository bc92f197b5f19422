/** The command line of the benchmark. */
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseVariants } from "../src/cli/device.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "../src/cli/options.ts";
import { UserError } from "../src/errors.ts";
import type { ProgressLine } from "../src/train/progress.ts";
import { LOADER, LOADER_PASSES, loaderTasks } from "./loader.ts";
import type { LoaderTask } from "./loader.ts";
import { title } from "./measured.ts";
import { scalingSeries, seriesTitle } from "./scaling.ts";
import type { Series } from "./scaling.ts";
import { SETS, workloads } from "./sets.ts";
import type { SetName } from "./sets.ts";
import { STEP } from "./step.ts";
import type { StepTask } from "./step.ts";
import { stepTasks } from "./steps.ts";
import type { Workload } from "./workload.ts";

/** The table that comes with the ops. */
export const CHECKED_IN = fileURLToPath(new URL("../src/ops/tuned.json", import.meta.url));

const COMMAND = {
  call: "npm run bench --",
  summary: "Times the kernels on the layers of the MCIBI networks, after checking each of them.",
  options: {
    set: {
      value: "NAME",
      help: "small (default): preset tiny, and R50 on 128x256; minutes on 2 CPU cores. full: R50 on 512x1024, for GPUs.",
    },
    filter: { value: "RE", help: 'Only rows where this regular expression matches "NAME OP PASS".' },
    json: {
      value: "PATH",
      help: "Also writes all of it as JSON: into this file, or in a folder such as bench/results/ under the adapter's name.",
    },
    roofline: { value: "FILE", help: "Also draws the kernels' rows under the measured roof, as SVG." },
    against: { value: "FILE", help: "Compares with such a file: what became slower or faster by more than the noise." },
    tune: { help: "Instead of timing, searches kernels and tile sizes for this adapter, and writes what is faster." },
    "tune-out": { value: "FILE", help: "The table to write into. Default: the one that comes with the ops." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    recompute: { help: "Training steps with train.recompute, as rows NAME-recompute." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant, such as conv2d=tiled." },
    ...OUTPUT_OPTIONS,
  },
  notes: `The peaks are measured first: multiply-adds out of registers, and a copy of a buffer larger than the caches.

A row is timed only if its kernels are right. Variants are compared with the base kernel "tiled" on the same operands;
where shaders run on the CPU, which makes the base kernel slow, on a smaller map with the same channels, window, stride
and dilation. Base kernels and ops without variants are compared with an f64 reference at a small size. The column
"variant" shows the choice for each row; a row that a forced variant cannot run is left out with the reason.

Times are wall time from submit to completion, of at least 20 ms of repetitions and at least 5 samples. "median" says
how far the median lies above the minimum, that is, how disturbed the machine was. Rates are those of the minimum.
GB/s counts every operand and every result once. "% peak" is of the peak that the row is nearer to; operands that fit
into caches can bring it above 100.

Whole training steps, "NAME train step", run in processes of their own, from a cold start. Rows named "... scaling" show
how time and memory grow with one number, and those named "NAME loader decode" whether images are loaded faster than a
training step uses them.

--tune tries, for every row, the kernels that can run and the constants marked @tune in their WGSL. What is wrong is named
and not timed; the others are timed in turn with the choice of the heuristics. The table keeps, by adapter family and
class of shapes (sizes rounded to powers of two), what is faster by more than the noise, twice; what it had for the same
classes is replaced. In later runs the column "variant" shows such tiles, as in "panel LANES=4".

Exit code 0: everything was right; 1: a row was not, and was left out; 2: an option has to be put right.`,
} as const;

export interface BenchOptions {
  readonly workloads: readonly Workload[];
  readonly steps: readonly StepTask[];
  readonly scaling: readonly Series[];
  readonly loader: readonly LoaderTask[];
  readonly variants: Readonly<Record<string, string>>;
  readonly adapter: string | undefined;
  readonly json: string | undefined;
  /** Of the drawing. */
  readonly roofline: string | undefined;
  /** The file to compare with. */
  readonly against: string | undefined;
  /** The table of tile sizes to write; undefined where nothing is to be tuned. */
  readonly tune: string | undefined;
  readonly output: ProgressLine;
}

/**
 * Null when help was asked for.
 *
 * @throws UserError naming the option that cannot be used
 */
export function readOptions(args: readonly string[]): BenchOptions | null {
  const options = parseOptions(COMMAND, args);
  if (!options) return null;
  const { set = "small", filter, adapter, json, roofline, against } = options;
  const name = parseSet(set);
  const all = {
    workloads: workloads(name),
    steps: stepTasks(name, options.recompute),
    scaling: scalingSeries(name),
    loader: loaderTasks(name),
  };
  const matches = parseFilter(filter);
  const selected = {
    workloads: all.workloads.filter((workload) => matches(workloadTitle(workload))),
    steps: all.steps.filter(({ name }) => matches(title({ name, ...STEP }))),
    scaling: all.scaling.filter((series) => matches(title(seriesTitle(series)))),
    loader: all.loader.filter(({ name }) => LOADER_PASSES.some((pass) => matches(title({ name, op: LOADER, pass })))),
  };
  if (Object.values(selected).every(({ length }) => length === 0)) {
    const count = Object.values(all).reduce((sum, { length }) => sum + length, 0);
    const example = workloadTitle(all.workloads[0]);
    throw new UserError(`--filter ${filter}: none of the ${count} rows of the ${set} set, such as "${example}"`);
  }
  if (roofline !== undefined && selected.workloads.length === 0) {
    throw new UserError(`--roofline ${roofline}: --filter ${filter} selects no kernel, and only kernels are drawn`);
  }
  const given = { variants: parseVariants(options.variant), tune: parseTune(options, selected.workloads) };
  return { ...selected, ...given, adapter, json, roofline, against, output: openOutput(options) };
}

function parseTune(
  options: Readonly<Record<"tune" | "tune-out" | "json" | "roofline" | "against" | "variant", unknown>>,
  { length }: readonly Workload[],
): string | undefined {
  const { tune, "tune-out": out, json, roofline, against, variant } = options;
  if (!tune && out !== undefined) throw new UserError("--tune-out names the table that --tune writes, which is not given");
  if (!tune) return undefined;
  const others = { json, roofline, against, variant: (variant as readonly string[])[0] };
  const other = Object.entries(others).find(([, value]) => value !== undefined)?.[0];
  if (other) throw new UserError(`--${other} does not go with --tune, which chooses variants itself and times no rows`);
  if (length === 0) throw new UserError("--tune: the filter selects training steps only, expected rows of kernels");
  return resolve((out as string | undefined) ?? CHECKED_IN);
}

/** What the filter sees of a kernel's row, and what names it in messages. */
export function workloadTitle({ name, op, pass }: Workload): string {
  return title({ name, op: op.name, pass });
}

/** @throws UserError for the value of --set that is none */
export function parseSet(name: string): SetName {
  const set = SETS.find((known) => known === name);
  if (!set) throw new UserError(`--set ${name}: there is no such set, expected ${SETS.join(" or ")}`);
  return set;
}

/**
 * Which titles the value of --filter selects.
 *
 * @throws UserError where it is no regular expression
 */
export function parseFilter(source: string | undefined): (title: string) => boolean {
  if (source === undefined) return () => true;
  try {
    const expression = new RegExp(source);
    return (title) => expression.test(title);
  } catch (cause) {
    throw new UserError(`--filter ${source}: ${(cause as Error).message}`);
  }
}
