/** What an operation is, how applying it records it on the tape, and the backward pass over tensors. */
import { backward as runBackward, createNode, isGradEnabled, noGrad } from "../autograd/tape.ts";
import type { Leaf, Node } from "../autograd/tape.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { DType } from "../tensor/tensor.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { addInto, sum } from "./accumulate.ts";
import type { NdArray } from "./ndarray.ts";

/** Operands of an op; null for one that is left out, such as a bias. */
export type Inputs = readonly (Tensor | null)[];

/** What backward will find again: which inputs want gradients, and what forward saved. */
export interface Context {
  readonly needsGrad: readonly boolean[];
  /** Tensors that backward reads: inputs or the output. In-place changes to them until then are reported. */
  save(...tensors: Tensor[]): void;
  /** As `save`, for tensors that exist only for backward (statistics, indices, masks): freed with the node. */
  own(...tensors: Tensor[]): void;
  /** What was saved and owned, in that order. */
  readonly saved: readonly Tensor[];
}

/** One input of a sample: a shape, or a shape with its own values. Plain shapes get normal numbers with some exact zeros. */
export interface SampleInput {
  readonly shape: Shape;
  readonly dtype?: DType;
  readonly values?: (index: number, random: () => number) => number;
}

/** A small case that tests run an op on. */
export interface Sample<O> {
  readonly inputs: readonly (Shape | SampleInput | null)[];
  readonly options: O;
  readonly note?: string;
}

/** Arithmetic, and bytes read and written. */
export interface Cost {
  readonly flops: number;
  readonly bytes: number;
}

/** An operation: how it and its gradient are computed, and how that is checked. */
export interface Op<I extends Inputs = Inputs, O = unknown> {
  readonly name: string;
  /** Checks shapes, allocates the output, records the kernels. */
  forward(ctx: Context, inputs: I, options: O): Tensor;
  /** One gradient per input, null where none is defined or none is wanted. Leave out for ops without gradient. */
  backward?(ctx: Context, grad: Tensor, inputs: I, options: O): readonly (Tensor | null)[];
  /** The same in plain f64 loops: the readable specification. Its finite differences check `backward`. */
  reference(inputs: readonly (NdArray | null)[], options: O): NdArray;
  /** Gradients where finite differences are not the convention (kinks and ties). */
  referenceBackward?(inputs: readonly (NdArray | null)[], grad: NdArray, options: O): readonly (NdArray | null)[];
  /** Small inputs that tests run; they include borders, ones, primes, zeros and ties. */
  readonly samples: readonly Sample<O>[];
  /** Kernel variants that every sample is to run with, besides the automatic choice. */
  readonly variants?: readonly string[];
  /** The variant that serves inputs of these shapes. Throws, as `forward` does, where a forced one cannot. */
  variant?(gpu: Gpu, shapes: readonly (Shape | null)[], options: O): string;
}

/** Every op defined so far, by name. */
export const registry = new Map<string, Op>();

/**
 * Registers an op, which tests then find.
 *
 * @throws Error for a name that is taken
 */
export function defineOp<I extends Inputs, O>(op: Op<I, O>): Op<I, O> {
  if (registry.has(op.name)) throw new Error(`op ${op.name} is defined twice`);
  registry.set(op.name, op as unknown as Op);
  return op;
}

class RecordingContext implements Context {
  readonly needsGrad: readonly boolean[];
  readonly saved: Tensor[] = [];
  readonly owned: Tensor[] = [];
  readonly #versions: number[] = [];

  constructor(needsGrad: readonly boolean[]) {
    this.needsGrad = needsGrad;
  }

  save(...tensors: Tensor[]): void {
    for (const tensor of tensors) {
      this.saved.push(tensor);
      this.#versions.push(tensor.storage.version);
    }
  }

  own(...tensors: Tensor[]): void {
    this.save(...tensors);
    this.owned.push(...tensors);
  }

  check(name: string): void {
    this.saved.forEach((tensor, i) => {
      if (tensor.storage.version === this.#versions[i]) return;
      throw new Error(
        `one of the variables needed for gradient computation has been modified by an inplace operation: ` +
          `a tensor of shape ${showShape(tensor.shape)} that ${name} saved is at version ` +
          `${tensor.storage.version}, expected version ${this.#versions[i]}. Write to a copy, or after backward.`,
      );
    });
  }
}

/** Sees every op that is applied, but for those that other ops apply within their own forward. */
export type Tracer = (op: string, inputs: Inputs, options: unknown, output: Tensor) => void;

let tracer: Tracer | null = null;

/** Runs `fn` with a tracer, or without one. Synchronous code only, as for `noGrad`. */
export function traced<T>(by: Tracer | null, fn: () => T): T {
  const before = tracer;
  tracer = by;
  try {
    return fn();
  } finally {
    tracer = before;
  }
}

/** Runs an op and records it where an input tracks gradients. */
export function apply<I extends Inputs, O>(op: Op<I, O>, inputs: I, options: O): Tensor {
  const records = isGradEnabled() && op.backward !== undefined;
  const needsGrad = inputs.map((t) => records && t !== null && t.tracksGrad);
  const ctx = new RecordingContext(needsGrad);
  const output = traced(null, () => op.forward(ctx, inputs, options));
  tracer?.(op.name, inputs, options, output);
  if (!needsGrad.includes(true)) {
    ctx.owned.forEach((tensor) => tensor.release());
    return output;
  }
  const edges = inputs.map((t, i) => (needsGrad[i] ? edgeOf(t!) : null));
  output.node = createNode<Tensor>(
    op.name,
    edges,
    (grad) => noGrad(() => op.backward!(ctx, grad, inputs, options)).map((g, i) => (needsGrad[i] ? g : null)),
    [output, ...ctx.owned],
    { check: () => ctx.check(op.name) },
  );
  return output;
}

const leaves = new WeakMap<Tensor, Leaf<Tensor>>();

/** Where the gradient of a tensor that tracks one goes. */
export function edgeOf(tensor: Tensor): Node<Tensor> | Leaf<Tensor> {
  if (tensor.node) return tensor.node;
  let leaf = leaves.get(tensor);
  if (!leaf) {
    leaf = { kind: "leaf", accumulate: (grad) => addInto(tensor, grad) };
    leaves.set(tensor, leaf);
  }
  return leaf;
}

/**
 * Leaves the gradient of `output` in every leaf below it that requires one, added to what is there.
 * `grad` has the output's shape; without it the output must have one element and the gradient is 1.
 * Frees what the graph saved (and the outputs of its operations, unless kept) as it goes; `retainGraph` keeps it.
 *
 * @throws Error where nothing recorded leads to `output`, the shape of `grad` is another, a saved tensor was written to
 * since, or the graph was freed by a backward before
 */
export function backward(output: Tensor, options: { grad?: Tensor; retainGraph?: boolean } = {}): void {
  if (output.node === null) {
    throw new Error("element 0 of tensors does not require grad and does not have a grad_fn: nothing recorded leads here");
  }
  if (options.grad === undefined && output.size !== 1) {
    throw new Error(`grad can be implicitly created only for scalar outputs; this one has shape ${showShape(output.shape)}`);
  }
  const seed = options.grad ?? Tensor.from(output.gpu, Float32Array.of(1), output.shape);
  if (!sameShape(seed.shape, output.shape)) {
    throw new Error(`the gradient has shape ${showShape(seed.shape)}, the output ${showShape(output.shape)}`);
  }
  const flowing = options.grad ? seed.detach() : seed; // the caller's gradient stays the caller's
  runBackward(output.node, flowing, {
    add: (a, b) => noGrad(() => sum(a, b)),
    release: (tensor) => tensor.release(),
    retainGraph: options.retainGraph,
  });
}
