/** What a module remembers: tensors (parameters and buffers) and plain counts. */
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { initialValues } from "./init.ts";
import type { Initializer } from "./init.ts";

/** How a variable's axes are ordered in memory; state dicts always have PyTorch's order (see state.ts). */
export type Layout = "plain" | "HWIO";

/** What a variable is before it has memory. */
export interface VariableOptions {
  /** As in memory. */
  readonly shape: Shape;
  readonly layout?: Layout;
  /** Parameters are trained, buffers are not. Default true. */
  readonly trainable?: boolean;
  readonly initializer: Initializer;
}

/** A parameter or buffer: known by its shape at once, in GPU memory once its module is on a device. */
export class Variable {
  readonly shape: Shape;
  readonly layout: Layout;
  readonly trainable: boolean;
  readonly #initializer: Initializer;
  #tensor: Tensor | null = null;

  constructor(options: VariableOptions) {
    this.shape = options.shape;
    this.layout = options.layout ?? "plain";
    this.trainable = options.trainable ?? true;
    this.#initializer = options.initializer;
  }

  /** Number of values. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether it has memory. */
  get isAllocated(): boolean {
    return this.#tensor !== null;
  }

  /** @throws Error before `initialize` */
  get tensor(): Tensor {
    if (this.#tensor === null) throw new Error("This module is not on a device yet: call initialize(gpu, seed) first");
    return this.#tensor;
  }

  /** Allocates and, with a seed, fills with the initial values of the stream `name`. */
  initialize(gpu: Gpu, seed: number | null, name: string): void {
    this.dispose();
    const tensor =
      seed === null
        ? Tensor.empty(gpu, this.shape)
        : Tensor.from(gpu, initialValues(this.size, this.#initializer, seed, name), this.shape);
    this.#tensor = tensor.keep();
    if (this.trainable) this.#tensor.requireGrad();
  }

  /** Overwrites the values in place, so that whoever holds the tensor sees them. */
  assign(values: Float32Array): void {
    const source = Tensor.from(this.tensor.gpu, values, this.shape);
    this.tensor.gpu.copy(source, this.tensor, this.size * 4);
    source.dispose();
  }

  /** Exchanges the tensor and returns the former one, which the caller now owns. */
  replace(tensor: Tensor): Tensor {
    const former = this.tensor;
    this.#tensor = tensor.keep();
    return former;
  }

  /** Releases the memory. */
  dispose(): void {
    this.#tensor?.grad?.dispose();
    this.#tensor?.dispose();
    this.#tensor = null;
  }
}

/** A number that a module counts on the CPU and saves with its state, as an int64 scalar. */
export class Counter {
  value = 0;
}
