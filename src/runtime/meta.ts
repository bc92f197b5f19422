/** A runtime without a device, as PyTorch's device "meta": tensors have shapes and no numbers, kernels do not run. */
import { Gpu } from "./gpu.ts";
import { Scratch } from "./scratch.ts";
import type { Bindable, GpuOptions } from "./gpu.ts";
import type { Storage } from "./memory.ts";

/** As much of a device as shapes need: buffers by their size, and no limit to it. */
const NO_DEVICE = {
  adapterInfo: {},
  features: new Set<string>(),
  limits: {
    maxStorageBufferBindingSize: Infinity,
    maxBufferSize: Infinity,
    minStorageBufferOffsetAlignment: 256,
  },
  createBuffer: ({ size }: GPUBufferDescriptor) => ({ size, destroy() {} }),
} as unknown as GPUDevice;

export class MetaGpu extends Gpu {
  readonly #uploads = new WeakMap<Storage, ArrayBufferView>();

  constructor(options: Pick<GpuOptions, "maxBinding"> = {}) {
    const kernels = (file: string): string => {
      throw new Error(`the meta device has no use for ${file}`);
    };
    super({ device: NO_DEVICE, kernels, variants: { conv2d: "tiled", matmul: "tiled" }, ...options });
  }

  /** What a storage was uploaded with; undefined where a kernel or a copy would have written it. */
  uploaded(storage: Storage): ArrayBufferView | undefined {
    return storage.version === 0 ? this.#uploads.get(storage) : undefined;
  }

  override upload(data: ArrayBufferView): Storage {
    const storage = this.allocate(data.byteLength);
    this.#uploads.set(storage, data);
    return storage;
  }

  override run(): void {}

  override copy(_from: Bindable, to: Bindable): void {
    to.storage.version++;
  }

  override clear(target: Bindable): void {
    target.storage.version++;
  }

  override asTexels(): Scratch {
    throw new Error("the meta device has no textures: its products are tiled");
  }
}
