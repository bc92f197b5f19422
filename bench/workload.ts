/** What a row of the benchmark runs: one pass of one op on operands of given shapes. */
import { noGrad } from "../src/autograd/tape.ts";
import type { Context, Op, SampleInput } from "../src/ops/define.ts";
import type { Gpu } from "../src/runtime/gpu.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { Tensor } from "../src/tensor/tensor.ts";

export type Pass = "forward" | "backwardInput" | "backwardWeight";

/** What an op is applied to. */
export interface Problem {
  readonly inputs: readonly (SampleInput | null)[];
  readonly options: unknown;
  /** Terms in each sum, where that is all the pass computes. */
  readonly depth?: number;
}

export interface Workload {
  readonly name: string;
  readonly op: Op;
  readonly pass: Pass;
  /** Inputs whose gradients a backward pass computes. */
  readonly needsGrad: readonly boolean[];
  /** As it goes into the JSON, and shorter for the table. */
  readonly shape: Readonly<Record<string, unknown>>;
  readonly label: string;
  /** Additions and multiplications in the formula. */
  readonly flops: number;
  /** Of every operand and every result, once. */
  readonly bytes: number;
  /** What is timed. */
  readonly problem: Problem;
  /** The same kernels on operands that the f64 reference and its finite differences can manage. */
  readonly small: Problem;
  /**
   * Of ops that have a base kernel to compare with: same channels and window on a smaller map, for adapters on which
   * the base kernel would take minutes.
   */
  readonly reduced?: Problem;
}

/** What `Op.backward` reads: here the runtime's tape is not needed, since one op runs alone. */
class SavedTensors implements Context {
  readonly needsGrad: readonly boolean[];
  readonly saved: Tensor[] = [];

  constructor(needsGrad: readonly boolean[]) {
    this.needsGrad = needsGrad;
  }

  save(...tensors: Tensor[]): void {
    this.saved.push(...tensors);
  }

  own(...tensors: Tensor[]): void {
    this.saved.push(...tensors);
  }
}

export interface Prepared {
  readonly inputs: readonly (Tensor | null)[];
  /** Gradient of the output; null in a forward pass. */
  readonly dy: Tensor | null;
  /** Records the pass once. Results, and what else it allocates, belong to the innermost arena. */
  record(): readonly (Tensor | null)[];
}

/** Uploads the operands into the innermost arena. */
export function prepare(gpu: Gpu, { op, pass, needsGrad }: Workload, problem: Problem): Prepared {
  const { options } = problem;
  const tensors = operands(problem).map((data, i) => data && Tensor.from(gpu, data, problem.inputs[i]!.shape));
  const apply = (context: Context): Tensor => noGrad(() => op.forward(context, tensors, options));
  if (pass === "forward") {
    return { inputs: tensors, dy: null, record: () => [apply(new SavedTensors(needsGrad))] };
  }
  const context = new SavedTensors(needsGrad);
  const { shape } = apply(context);
  const dy = Tensor.from(gpu, operand({ shape }, 0), shape);
  return { inputs: tensors, dy, record: () => noGrad(() => op.backward!(context, dy, tensors, options)) };
}

/** The values of the inputs; the same ones for the same problem. */
export function operands({ inputs }: Problem): (Float32Array | Int32Array | null)[] {
  return inputs.map((input, i) => input && operand(input, i + 1));
}

/** Numbers between -1 and 1, or what the input prescribes; a function of the input and the seed. */
function operand({ shape, dtype, values }: SampleInput, seed: number): Float32Array | Int32Array {
  const count = sizeOf(shape);
  const random = uniform(seed);
  const data = dtype === "i32" ? new Int32Array(count) : new Float32Array(count);
  for (let i = 0; i < count; i++) data[i] = values ? values(i, random) : 2 * random() - 1;
  return data;
}

/** Uniform over [0, 1): xorshift32 of Marsaglia, "Xorshift RNGs" (2003), fast enough for large operands. */
function uniform(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1);
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

export function bytesOf(...shapes: readonly Shape[]): number {
  return shapes.reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
}
