/** Whether a kernel computes the right thing; nothing is timed before that. */
import type { Choice, Decision, Tuned } from "../src/runtime/choice.ts";
import type { NdArray } from "../src/ops/ndarray.ts";
import { ndarray } from "../src/ops/ndarray.ts";
import { Gpu } from "../src/runtime/gpu.ts";
import type { GpuOptions } from "../src/runtime/gpu.ts";
import { operands, prepare } from "./workload.ts";
import type { Problem, Workload } from "./workload.ts";

/** The variant that every op of the matrix-product family has and that the others are measured by. */
const BASE = "tiled";

/** f32 against f64 at the size of the small problems: 2^-24 per operation, some tens of operations deep. */
const FORWARD = { relative: 2e-5, absolute: 2e-6 };
/** Against finite differences. */
const GRADIENT = { relative: 1e-4, absolute: 1e-5 };
const STEP = 1e-5;

/**
 * Rounding errors of a sum of random terms grow with sqrt(terms), relative to the result: two orders of summation are
 * half a ROUNDING apart per sqrt(term) in the mean, and never this many. A missing or foreign term is an error of
 * 1 / sqrt(terms), far more.
 */
const ROUNDINGS = 16;
const ROUNDING = 2 ** -24;

/** Answers whatever the shape is: problems are checked at other sizes than they are timed. */
class Prescribed implements Tuned {
  decisions: readonly Decision[] = [];

  get(kernel: string): Choice | undefined {
    return this.decisions.find((decision) => decision.kernel === kernel)?.choice;
  }
}

/** Runs workloads on memory full of NaN, and with the base kernels beside the chosen ones. */
export class Checker {
  readonly #chosen: Gpu;
  readonly #base: Gpu;
  readonly #prescribed = new Prescribed();

  constructor({ device, kernels, variants }: Pick<GpuOptions, "device" | "kernels" | "variants">) {
    this.#chosen = new Gpu({ device, kernels, variants, guarded: true, tuned: this.#prescribed });
    const tuned: Tuned = { get: () => undefined };
    this.#base = new Gpu({ device, kernels, variants: { conv2d: BASE, matmul: BASE }, guarded: true, tuned });
  }

  /**
   * Null where the kernels that `variant` stands for are right, else what is wrong. A variant beside the base kernel is
   * compared with that on the problem itself (on a CPU adapter: the reduced one); a base kernel, and ops without
   * variants, with the f64 reference and its finite differences on the small problem.
   *
   * @param decisions kernels and tiles to check; where nothing is said of a kernel, those of the heuristics
   */
  async check(workload: Workload, variant: string, decisions: readonly Decision[] = []): Promise<string | null> {
    this.#prescribed.decisions = decisions;
    if (!workload.reduced || variant === BASE) return this.#againstReference(workload);
    const isSlow = this.#chosen.capabilities.isSoftware;
    return this.#againstBase(workload, isSlow ? workload.reduced : workload.problem);
  }

  async #againstBase(workload: Workload, problem: Problem): Promise<string | null> {
    const got = await results(this.#chosen, workload, problem);
    const want = await results(this.#base, workload, problem);
    return firstProblem(want, (values, i) => sumsDiffer(got[i]!, values, "the base kernel", problem.depth!));
  }

  async #againstReference(workload: Workload): Promise<string | null> {
    const { op, pass, needsGrad, small } = workload;
    const inputs = operands(small).map((data, i) => data && ndarray(small.inputs[i]!.shape, data));
    const { dy, values } = await this.#runSmall(workload);
    const within =
      ({ relative, absolute }: typeof FORWARD) =>
      (want: number): number =>
        absolute + relative * Math.abs(want);
    if (pass === "forward") {
      const want = op.reference(inputs, small.options).data;
      return differs(values[0]!, want, "the f64 reference", within(FORWARD));
    }
    const seed = ndarray(op.reference(inputs, small.options).shape, dy!);
    const exact = op.referenceBackward?.(inputs, seed, small.options);
    const want = inputs.map((input, i) => {
      if (!input || !needsGrad[i]) return null;
      return exact ? exact[i]!.data : finiteDifferences(workload, inputs, i, seed);
    });
    return firstProblem(want, (gradient, i) =>
      differs(values[i]!, gradient, `the f64 reference (gradient of input ${i})`, within(GRADIENT)),
    );
  }

  async #runSmall(workload: Workload) {
    const gpu = this.#chosen;
    using _arena = gpu.arena();
    const run = prepare(gpu, workload, workload.small);
    const values = await Promise.all(run.record().map((tensor) => tensor && tensor.data()));
    return { dy: run.dy && (await run.dy.data()), values };
  }
}

async function results(gpu: Gpu, workload: Workload, problem: Problem) {
  using _arena = gpu.arena();
  const tensors = prepare(gpu, workload, problem).record();
  return Promise.all(tensors.map((tensor) => tensor && tensor.data()));
}

type Numbers = Float64Array | Float32Array | Int32Array | Uint32Array;

/** The first of many sums of so many terms each that is further from another one's than its rounding explains. */
export function sumsDiffer(got: Numbers, want: Numbers, source: string, terms: number): string | null {
  const bound = ROUNDINGS * ROUNDING * Math.sqrt(terms);
  const size = rootMeanSquare(want);
  return differs(got, want, source, (value) => bound * Math.max(Math.abs(value), size));
}

function firstProblem<T>(
  values: readonly (T | null)[],
  problemOf: (value: T, index: number) => string | null,
): string | null {
  for (const [i, value] of values.entries()) {
    const problem = value && problemOf(value, i);
    if (problem) return problem;
  }
  return null;
}

function rootMeanSquare(values: Numbers): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum / values.length);
}

/** The first element that is further from what it should be than the tolerance there. NaN is far from everything. */
function differs(got: Numbers, want: Numbers, source: string, tolerance: (want: number) => number): string | null {
  if (got.length !== want.length) return `${got.length} values, ${source} has ${want.length}`;
  for (let i = 0; i < want.length; i++) {
    if (Math.abs(got[i] - want[i]) <= tolerance(want[i])) continue;
    return `element ${i} is ${got[i]}, ${source} has ${want[i]} (tolerance ${tolerance(want[i]).toPrecision(2)})`;
  }
  return null;
}

/** Central differences of <seed, reference> by every element of one input. */
function finiteDifferences(
  { op, small }: Workload,
  inputs: readonly (NdArray | null)[],
  which: number,
  seed: NdArray,
): Float64Array {
  const { shape, data } = inputs[which]!;
  return data.map((value, i) => {
    const shifted = (delta: number): number => {
      const moved = inputs.map((x, j) => (j === which ? { shape, data: data.with(i, value + delta) } : x));
      return op.reference(moved, small.options).data.reduce((sum, y, j) => sum + y * seed.data[j], 0);
    };
    return (shifted(STEP) - shifted(-STEP)) / (2 * STEP);
  });
}
