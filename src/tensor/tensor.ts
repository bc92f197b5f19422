import type { Node } from "../autograd/tape.ts";
import type { Bindable, Gpu } from "../runtime/gpu.ts";
import type { Storage } from "../runtime/memory.ts";
import { showShape, sizeOf } from "./shape.ts";
import type { Shape } from "./shape.ts";

/** Type of an element, 4 bytes each. */
export type DType = "f32" | "i32" | "u32";
/** Elements as an array of their type. */
export type TypedData = Float32Array | Int32Array | Uint32Array;

/**
 * Shape, element type and GPU memory, contiguous and row-major, plus a place in the autograd graph. Operations are
 * functions (src/ops). Memory is released by the arena in which the tensor was made, by backward, or by `dispose`; any use
 * after that throws.
 */
export class Tensor implements Bindable {
  readonly gpu: Gpu;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly storage: Storage;
  /** Whether backward should leave a gradient here. Set on leaves: parameters and inputs. */
  requiresGrad = false;
  grad: Tensor | null = null;
  /** The operation that made this tensor, where it was recorded. */
  node: Node<Tensor> | null = null;
  #disposed = false;
  #kept = false;

  constructor(gpu: Gpu, shape: Shape, dtype: DType, storage: Storage) {
    this.gpu = gpu;
    this.shape = shape;
    this.dtype = dtype;
    this.storage = storage;
    gpu.own(this);
  }

  /** Uninitialised memory: for the output of a kernel that writes all of it. */
  static empty(gpu: Gpu, shape: Shape, dtype: DType = "f32"): Tensor {
    return new Tensor(gpu, shape, dtype, gpu.allocate(sizeOf(shape) * 4));
  }

  /** Filled with zeros. */
  static zeros(gpu: Gpu, shape: Shape, dtype: DType = "f32"): Tensor {
    const tensor = Tensor.empty(gpu, shape, dtype);
    gpu.clear(tensor);
    return tensor;
  }

  /**
   * Uploads `data`; numbers become f32.
   *
   * @throws Error where `data` does not fill the shape
   */
  static from(gpu: Gpu, data: TypedData | readonly number[], shape: Shape): Tensor {
    const typed = ArrayBuffer.isView(data) ? data : Float32Array.from(data);
    if (typed.length !== sizeOf(shape)) {
      throw new Error(`${typed.length} values do not fill the shape ${showShape(shape)}`);
    }
    const dtype = typed instanceof Int32Array ? "i32" : typed instanceof Uint32Array ? "u32" : "f32";
    return new Tensor(gpu, shape, dtype, gpu.upload(typed));
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** True where backward reaches this tensor. */
  get tracksGrad(): boolean {
    return this.requiresGrad || this.node !== null;
  }

  /** Marks a leaf whose gradient is wanted. */
  requireGrad(): this {
    if (this.dtype !== "f32") throw new Error(`Only f32 tensors can require gradients; this one is ${this.dtype}`);
    if (this.node) throw new Error("Only leaf tensors can require gradients; this one was made by an operation");
    this.requiresGrad = true;
    return this;
  }

  /** Same memory, no history. */
  detach(): Tensor {
    return this.view(this.shape);
  }

  /** Same memory under another shape of the same size, without history (ops/reshape records one). */
  view(shape: Shape): Tensor {
    if (sizeOf(shape) !== this.size) {
      throw new Error(`shape ${showShape(shape)} is invalid for input of size ${this.size} (${showShape(this.shape)})`);
    }
    return new Tensor(this.gpu, shape, this.dtype, this.storage.retain());
  }

  /** `shape` of the elements from `first` on, in the same memory, without history. */
  part(first: number, shape: Shape): Tensor {
    return new Tensor(this.gpu, shape, this.dtype, this.storage.part(first * 4, sizeOf(shape) * 4));
  }

  /** Outlives its arena and backward, until `dispose`. */
  keep(): this {
    this.#kept = true;
    this.gpu.disown(this);
    return this;
  }

  /** Releases the memory now rather than with the arena, unless the tensor is kept. */
  release(): void {
    if (!this.#kept) this.dispose();
  }

  /** Releases the memory, kept or not, with that of the gradient. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.gpu.disown(this);
    this.storage.release();
    this.grad?.dispose(); // kept out of arenas for the optimiser's sake, and of no use without its tensor
    this.grad = null;
  }

  /** Reads the values back. Submits what was recorded. */
  async data(): Promise<TypedData> {
    const bytes = await this.gpu.read(this, this.size * 4);
    if (this.dtype === "f32") return new Float32Array(bytes);
    return this.dtype === "i32" ? new Int32Array(bytes) : new Uint32Array(bytes);
  }

  /** The value of a tensor with one element. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new Error(`item() needs one element; this tensor has shape ${showShape(this.shape)}`);
    return (await this.data())[0];
  }
}
