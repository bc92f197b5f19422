/** The runtime over one GPUDevice: dispatch by kernel name, memory, arenas, one submit per step, reading back. */
import { UserError } from "../errors.ts";
import { adapterFamily, capabilities } from "../device/capabilities.ts";
import type { Capabilities } from "../device/capabilities.ts";
import { Arena } from "./arena.ts";
import type { Ownable } from "./arena.ts";
import type { Decision, Tuned } from "./choice.ts";
import { MAX_GROUPS, foldElements, toGrid } from "./grid.ts";
import type { BindingName, ConstantValues, KernelName, KernelSource, ParamValues } from "./kernels.ts";
import { BufferPool, align } from "./memory.ts";
import type { MemoryUse, Storage } from "./memory.ts";
import { Profile } from "./profile.ts";
import { Programs } from "./programs.ts";
import type { Tune } from "./programs.ts";
import { Recorder } from "./recorder.ts";
import { Scratch, ScratchOwner } from "./scratch.ts";

/** Anything that occupies GPU memory: tensors, above all. */
export interface Bindable {
  readonly storage: Storage;
}

/** What a dispatch takes besides buffers: its size, and values for params, overrides and `@tune` constants by name. */
export interface DispatchOptions<K extends KernelName> {
  /** Workgroups per axis, or `elements` for kernels with one invocation per element and a folded linear index. */
  readonly grid?: number | readonly [number, number, number?];
  readonly elements?: number;
  readonly params?: ParamValues<K>;
  readonly constants?: ConstantValues<K>;
  readonly tune?: Tune;
}

/** What a runtime is made of. */
export interface GpuOptions {
  readonly device: GPUDevice;
  readonly kernels: KernelSource;
  /** Guard bands around every allocation, filled with a NaN pattern like the content itself: for tests. */
  readonly guarded?: boolean;
  /** Measures every dispatch; the device needs `timestamp-query`. */
  readonly profile?: boolean;
  /** Forces a variant by op name, such as `{ conv2d: "tiled" }`. */
  readonly variants?: Readonly<Record<string, string>>;
  /** Bytes of the largest binding to make, where that is not to be what the device allows. */
  readonly maxBinding?: number;
  /** Measured choices in place of those that come with the ops for this family of adapters. */
  readonly tuned?: Tuned;
}

/** Work done so far, for tests that pin how a step uses the device. */
export interface Counters {
  dispatches: number;
  submits: number;
  readbacks: number;
}

/** Bytes on their way out of the device. */
export interface Readback {
  /**
   * Waits until the submit with the copy has run, that one only, and hands over the bytes. Once, and after `submit`.
   * While it waits on a software adapter a core is busy with nothing else.
   */
  fetch(): Promise<ArrayBuffer>;
}

/**
 * The runtime: kernels dispatched by name, pooled memory, and one submit for all that was recorded since the last.
 * Calls that record return at once; an Error thrown by them names the kernel and what it was given or lacks. A pipeline
 * that does not compile rejects the submit that needs it, with the lines of WGSL at fault.
 */
export class Gpu {
  readonly device: GPUDevice;
  readonly capabilities: Capabilities;
  /** Bytes that a kernel can see of a tensor at a time; ops/parts.ts cuts what is larger. */
  readonly maxBinding: number;
  /** See `adapterFamily`. */
  readonly family: string;
  readonly variants: Readonly<Record<string, string>>;
  readonly tuned: Tuned | null;
  /** Collects the choices of kernels that ops make, while there is a list. */
  decisions: Decision[] | null = null;
  readonly counters: Counters = { dispatches: 0, submits: 0, readbacks: 0 };
  /** Measures the dispatches of the submits to come, while there is one. */
  profile: Profile | null;
  /**
   * Told how many of the kernels asked for so far are compiled, whenever one is. On an adapter that runs on the CPU that
   * is when it has run once, since the driver compiles then; submits are split for it.
   */
  onCompile: ((done: number, total: number) => void) | null = null;
  readonly #pool: BufferPool;
  readonly #scratch: ScratchOwner;
  readonly #programs: Programs;
  readonly #recorder: Recorder;
  readonly #arenas: Arena[] = [];
  #tail: Promise<void> | null = null;

  constructor(options: GpuOptions) {
    this.device = options.device;
    this.capabilities = capabilities(options.device);
    this.maxBinding = options.maxBinding ?? this.capabilities.maxStorageBinding;
    this.family = adapterFamily(options.device.adapterInfo);
    this.variants = options.variants ?? {};
    this.tuned = options.tuned ?? null;
    this.profile = options.profile ? new Profile(options.device) : null;
    this.#pool = new BufferPool(options.device, options.guarded ?? false);
    this.#scratch = new ScratchOwner(options.device);
    this.#programs = new Programs(options.device, options.kernels, () => {
      if (!this.capabilities.isSoftware) this.#reportCompiled(this.#programs.ready);
    });
    this.#recorder = new Recorder(options.device);
  }

  /** In bytes: of tensors, and of all that is held for them. */
  get memory(): MemoryUse {
    const { live, peak, reserved } = this.#pool.use;
    return { live, peak, reserved: reserved + this.#scratch.bytes };
  }

  /** Pipelines compiled or compiling. */
  get pipelines(): number {
    return this.#programs.count;
  }

  /** Bind groups kept for the next dispatch of the same kernel with the same buffers. */
  get bindGroups(): number {
    return this.#recorder.groups;
  }

  /**
   * Records one dispatch. Buffers are named as in the WGSL; nothing runs before `submit`. A dispatch of no workgroups
   * is left out.
   *
   * @throws Error where a binding, param or override is missing, or there are more than 65535 workgroups along an axis
   */
  run<K extends KernelName>(
    name: K,
    resources: Readonly<Record<BindingName<K>, Bindable | Scratch>>,
    options: DispatchOptions<K>,
  ): void {
    const constants = (options.constants ?? {}) as Record<string, number | boolean>;
    const program = this.#programs.get(name, constants, options.tune ?? {});
    const { kernel } = program;
    const storages = program.storage.map((binding) => {
      const bindable = (resources as Record<string, Bindable | Scratch | undefined>)[binding];
      if (!bindable) throw new Error(`${name}: nothing given for binding ${binding}`);
      const isTexture = kernel.bindings[binding].access === "texture";
      if (bindable instanceof Scratch !== isTexture) {
        throw new Error(`${name}: binding ${binding} takes ${isTexture ? "what asTexels() returns" : "a buffer"}`);
      }
      if (bindable instanceof Scratch) return bindable;
      if (bindable.storage.bytes > this.maxBinding) throw new UserError(this.#tooLarge(name, binding, bindable.storage));
      if (kernel.bindings[binding].access === "read_write") bindable.storage.version++;
      return bindable.storage;
    });
    const values = (options.params ?? {}) as Record<string, number>;
    const words = Object.entries(kernel.params).map(([id, type]) => {
      if (values[id] === undefined) throw new Error(`${name}: param ${id} is missing`);
      return { type, value: values[id] };
    });
    const { elements } = options;
    const grid = elements === undefined ? toGrid(options.grid ?? 1) : foldElements(name, kernel, constants, elements);
    for (const groups of grid) {
      if (!Number.isInteger(groups) || groups < 0 || groups > MAX_GROUPS) {
        throw new Error(`${name}: ${grid.join(" x ")} workgroups; WebGPU allows at most ${MAX_GROUPS} per axis`);
      }
    }
    if (grid[0] * grid[1] * grid[2] === 0) return;
    this.counters.dispatches++;
    this.#recorder.dispatch(program, storages, words, grid);
  }

  /** Starts compiling a pipeline ahead of its first use. */
  warm<K extends KernelName>(name: K, constants: ConstantValues<K>, tune: Tune = {}): Promise<void> {
    return this.#programs.get(name, constants as Record<string, number | boolean>, tune).ready;
  }

  /**
   * Records a copy of the first `count` floats, a multiple of 4, as texels of four: float i goes into texel i / 4, and that
   * to (texel % 4096, texel / 4096). Valid for dispatches recorded before the next call.
   */
  asTexels({ storage }: Bindable, count: number): Scratch {
    const scratch = this.#scratch.acquire(count / 4);
    this.#recorder.copyToTexels(storage, scratch, count / 4);
    return scratch;
  }

  /**
   * Memory with undefined content: the kernel that writes it must write all of it.
   *
   * @throws Error beyond the device's limit for storage bindings
   */
  allocate(bytes: number): Storage {
    return this.#pool.acquire(Math.max(bytes, 4), false);
  }

  /** Memory holding `data`, written before anything recorded from now on runs. */
  upload(data: ArrayBufferView): Storage {
    const storage = this.#pool.acquire(Math.max(data.byteLength, 4), true);
    const bytes = align(data.byteLength, 4);
    const source = new Uint8Array(bytes);
    source.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    if (bytes > 0) this.device.queue.writeBuffer(storage.buffer, storage.offset, source);
    return storage;
  }

  /** Records a copy of the first `bytes` of one storage over another. */
  copy(from: Bindable, to: Bindable, bytes: number, fromOffset = 0, toOffset = 0): void {
    to.storage.version++;
    this.#recorder.copy(from.storage, to.storage, bytes, fromOffset, toOffset);
  }

  /** Records filling with zeros. */
  clear(target: Bindable): void {
    target.storage.version++;
    this.#recorder.clear(target.storage);
  }

  /** Sends what was recorded, in one submit. Resolves when it is on the queue, not when it has run. */
  submit(): Promise<void> {
    const earlier = this.#tail ?? Promise.resolve();
    const run = async (): Promise<void> => {
      const free = [this.#pool.seal(), this.#scratch.seal()];
      const isWatched = this.onCompile !== null && this.capabilities.isSoftware;
      const onFirstRun = isWatched ? (kernels: number) => this.#reportCompiled(kernels) : null;
      this.counters.submits += await this.#recorder.submit(this.profile, onFirstRun);
      free.forEach((release) => release());
    };
    const mine = this.#tail === null ? run() : earlier.then(run);
    this.#tail = mine;
    const done = (): void => {
      if (this.#tail === mine) this.#tail = null;
    };
    mine.then(done, done);
    return mine;
  }

  /** Bytes of a storage as the commands recorded so far leave it. Submits. */
  async read(source: Bindable, bytes: number): Promise<ArrayBuffer> {
    const readback = this.snapshot(source, bytes);
    await this.submit();
    return readback.fetch();
  }

  /** Records copying the first `bytes` of a storage out, to be fetched whenever the caller likes. */
  snapshot(source: Bindable, bytes: number): Readback {
    if (bytes === 0) return { fetch: async () => new ArrayBuffer(0) };
    const size = align(bytes, 4);
    const staging = this.device.createBuffer({ size, usage: 0x1 | 0x8 }); // MAP_READ | COPY_DST
    this.#recorder.copyOut(source.storage, staging, size);
    return {
      fetch: async () => {
        this.counters.readbacks++;
        await staging.mapAsync(1); // GPUMapMode.READ
        const data = staging.getMappedRange().slice(0, bytes);
        staging.destroy();
        return data;
      },
    };
  }

  /** Resolves when everything submitted has run. On a software adapter every pending promise costs a core: do not hurry. */
  async idle(): Promise<void> {
    await this.submit();
    await this.device.queue.onSubmittedWorkDone();
  }

  /** `using arena = gpu.arena()`: tensors created until the end of the block are released there, unless kept. */
  arena(): Arena {
    const arena = new Arena((ended) => this.#endArena(ended));
    this.#arenas.push(arena);
    return arena;
  }

  /** Called by values that own memory when they are created. */
  own(value: Ownable): void {
    this.#arenas.at(-1)?.own(value);
  }

  /** Takes a value out of whichever arena has it. */
  disown(value: Ownable): void {
    for (const arena of this.#arenas) if (arena.disown(value)) return;
  }

  /** Gives pooled memory that nothing uses back to the device. */
  async trim(): Promise<void> {
    this.#scratch.drop();
    await this.submit();
    this.#pool.trim();
    this.#recorder.forgetGroups();
  }

  #endArena(arena: Arena): void {
    const index = this.#arenas.lastIndexOf(arena);
    if (index >= 0) this.#arenas.splice(index, 1);
  }

  #tooLarge(kernel: string, binding: string, { bytes }: Storage): string {
    return (
      `${kernel}: ${binding} has ${bytes} bytes, this device shows a kernel at most ${this.maxBinding} at a time, and ` +
      "nothing smaller can be computed by itself. Use a smaller crop or resolution."
    );
  }

  #reportCompiled(done: number): void {
    this.onCompile?.(done, this.#programs.count);
  }
}
