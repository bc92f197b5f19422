/**
 * GPU memory: a pool of buffers, and Storage, the handle of one tenancy of a pooled buffer. A buffer is reused, a
 * Storage never is: after its release every use throws, so a stale tensor cannot read somebody else's numbers.
 */
import { UserError } from "../errors.ts";

const USAGE = 0x80 | 0x04 | 0x08; // STORAGE | COPY_SRC | COPY_DST, as numbers because not every host defines GPUBufferUsage

/** Floats of NaN pattern on either side of a buffer in guarded mode, where tests look for stray writes. */
export const GUARD_FLOATS = 256;
export const GUARD_PATTERN = 0x7fc0dead;

/** The tenancy of a pooled buffer: released once, and of no use after that. */
export class Storage {
  readonly bytes: number;
  readonly offset: number;
  #buffer: GPUBuffer | null;
  #references = 1;
  readonly #giveBack: () => void;
  readonly #writes: { count: number };

  /** @param giveBack called when the last owner has released it */
  constructor(buffer: GPUBuffer, offset: number, bytes: number, giveBack: () => void, writes = { count: 0 }) {
    this.#buffer = buffer;
    this.offset = offset;
    this.bytes = bytes;
    this.#giveBack = giveBack;
    this.#writes = writes;
  }

  /** Counts in-place writes, so that autograd can tell that a saved value has changed; one count for all parts. */
  get version(): number {
    return this.#writes.count;
  }

  set version(count: number) {
    this.#writes.count = count;
  }

  /** @throws Error once it is released */
  get buffer(): GPUBuffer {
    if (this.#buffer === null) {
      throw new Error(
        "This tensor's memory has been released (its arena ended, backward consumed it, or it was disposed). " +
          "Call keep() on a tensor that must outlive its step.",
      );
    }
    return this.#buffer;
  }

  /** Whether the memory is gone. */
  get isReleased(): boolean {
    return this.#buffer === null;
  }

  /** One more holder, which has to release it too. */
  retain(): this {
    if (this.#buffer === null) throw new Error("Cannot share memory that has been released");
    this.#references++;
    return this;
  }

  /** The `bytes` of this memory from `offset` on. They keep all of it. */
  part(offset: number, bytes: number): Storage {
    return new Storage(this.retain().buffer, this.offset + offset, bytes, () => this.release(), this.#writes);
  }

  /** The last holder's call gives the memory back. */
  release(): void {
    if (this.#buffer === null || --this.#references > 0) return;
    this.#giveBack();
    this.#buffer = null;
  }
}

/** In bytes. */
export interface MemoryUse {
  /** Bytes of tensors alive now, the most there ever were, and bytes held in total. */
  readonly live: number;
  readonly peak: number;
  readonly reserved: number;
}

export class BufferPool {
  readonly #device: GPUDevice;
  readonly #guarded: boolean;
  readonly #free = new Map<number, GPUBuffer[]>();
  /** Released since the last submit: commands recorded before may still use them, so an upload must not. */
  #recent = new Map<number, GPUBuffer[]>();
  /** Place in the order of creation. */
  readonly #serials = new WeakMap<GPUBuffer, number>();
  #created = 0;
  #live = 0;
  #peak = 0;
  #reserved = 0;

  constructor(device: GPUDevice, guarded: boolean) {
    this.#device = device;
    this.#guarded = guarded;
  }

  get use(): MemoryUse {
    return { live: this.#live, peak: this.#peak, reserved: this.#reserved };
  }

  /** `forUpload`: the content will be written by the queue ahead of the commands recorded so far. */
  acquire(bytes: number, forUpload: boolean): Storage {
    const limit = this.#device.limits.maxBufferSize;
    if (sizeClass(bytes) > limit) {
      throw new UserError(
        `A tensor of ${bytes} bytes exceeds this device's buffers of ${limit} bytes. ` +
          "Use a smaller batch, crop or resolution.",
      );
    }
    this.#live += bytes;
    this.#peak = Math.max(this.#peak, this.#live);
    if (this.#guarded) return this.#acquireGuarded(bytes);
    const size = sizeClass(bytes);
    const found = (forUpload ? undefined : this.#takeOldest(this.#recent, size)) ?? this.#takeOldest(this.#free, size);
    const buffer = found ?? this.#create(size);
    return new Storage(buffer, 0, bytes, () => this.#giveBack(buffer, bytes));
  }

  /**
   * The buffer created first: then a step that does the same as the one before gets the same buffers for it, whatever
   * the order in which they were given back, and the bind groups of the one before serve it again.
   */
  #takeOldest(lists: ReadonlyMap<number, GPUBuffer[]>, size: number): GPUBuffer | undefined {
    const list = lists.get(size);
    if (!list || list.length === 0) return undefined;
    const serial = (i: number): number => this.#serials.get(list[i])!;
    let oldest = 0;
    for (let i = 1; i < list.length; i++) if (serial(i) < serial(oldest)) oldest = i;
    const buffer = list[oldest];
    const last = list.pop()!;
    if (oldest < list.length) list[oldest] = last;
    return buffer;
  }

  #giveBack(buffer: GPUBuffer, bytes: number): void {
    this.#live -= bytes;
    const list = this.#recent.get(buffer.size);
    if (list) list.push(buffer);
    else this.#recent.set(buffer.size, [buffer]);
  }

  /**
   * Call when the commands recorded so far are about to be submitted, and the returned function once they are: what
   * was released before them is then free for any use.
   */
  seal(): () => void {
    const sealed = this.#recent;
    this.#recent = new Map();
    return () => {
      for (const [size, buffers] of sealed) {
        if (this.#guarded) {
          buffers.forEach((buffer) => this.#destroy(buffer)); // every tenancy gets fresh guards
          continue;
        }
        const list = this.#free.get(size);
        if (list) list.push(...buffers);
        else this.#free.set(size, buffers);
      }
    };
  }

  /** Returns the free buffers to the device. */
  trim(): void {
    [...this.#free.values()].flat().forEach((buffer) => this.#destroy(buffer));
    this.#free.clear();
  }

  #destroy(buffer: GPUBuffer): void {
    this.#reserved -= buffer.size;
    buffer.destroy();
  }

  #create(size: number, mappedAtCreation = false): GPUBuffer {
    this.#reserved += size;
    const buffer = this.#device.createBuffer({ size, usage: USAGE, mappedAtCreation });
    this.#serials.set(buffer, this.#created++);
    return buffer;
  }

  #acquireGuarded(bytes: number): Storage {
    const guard = GUARD_FLOATS * 4;
    const buffer = this.#create(guard + align(bytes, 4) + guard, true);
    new Uint32Array(buffer.getMappedRange()).fill(GUARD_PATTERN);
    buffer.unmap();
    return new Storage(buffer, guard, bytes, () => this.#giveBack(buffer, bytes));
  }
}

/** Rounds up to one of eight sizes per power of two, so that buffers of similar size can stand in for each other. */
export function sizeClass(bytes: number): number {
  const least = Math.max(bytes, 256);
  const step = Math.max(256, 2 ** (Math.floor(Math.log2(least)) - 3));
  return align(least, step);
}

export function align(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
