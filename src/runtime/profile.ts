/** Time per dispatch from GPU timestamps, summed by kernel. While it measures, every dispatch has a pass of its own. */
import type { Dispatch, PassTimer } from "./recorder.ts";

/** One kernel: how often it ran, and for how long in all. */
export interface ProfileRow {
  readonly kernel: string;
  readonly calls: number;
  readonly milliseconds: number;
}

const CAPACITY = 2048; // dispatches per submit; WebGPU allows 4096 queries in a set
/** Submits whose times are not asked for yet: a promise that waits for them would take a core from a CPU adapter. */
const UNDER_WAY = 4;

/** The times of a submit, and the buffers that they are in. */
interface Times {
  readonly names: readonly string[];
  readonly resolved: GPUBuffer;
  readonly staging: GPUBuffer;
}

/** The times of a runtime's dispatches; see `Gpu.profile`. */
export class Profile implements PassTimer {
  readonly #device: GPUDevice;
  readonly #queries: GPUQuerySet;
  readonly #totals = new Map<string, { calls: number; nanoseconds: number }>();
  readonly #submits: Times[] = [];
  readonly #pending: Promise<void>[] = [];
  #names: string[] = [];

  constructor(device: GPUDevice) {
    if (!device.features.has("timestamp-query")) {
      throw new Error('Profiling needs the feature "timestamp-query", which this device was not opened with');
    }
    this.#device = device;
    this.#queries = device.createQuerySet({ type: "timestamp", count: 2 * CAPACITY });
  }

  /** Where the pass of a dispatch notes its times; undefined when there is no room left in this submit. */
  begin(command: Dispatch): GPUComputePassTimestampWrites | undefined {
    if (this.#names.length === CAPACITY) return undefined;
    const index = this.#names.push(command.program.name) - 1;
    return { querySet: this.#queries, beginningOfPassWriteIndex: 2 * index, endOfPassWriteIndex: 2 * index + 1 };
  }

  /** Encodes getting the times out of the device; at the end of a submit. */
  end(encoder: GPUCommandEncoder): void {
    const names = this.#names;
    this.#names = [];
    if (names.length === 0) return;
    const bytes = names.length * 16;
    const resolved = this.#device.createBuffer({ size: bytes, usage: 0x200 | 0x4 }); // QUERY_RESOLVE | COPY_SRC
    const staging = this.#device.createBuffer({ size: bytes, usage: 0x1 | 0x8 }); // MAP_READ | COPY_DST
    encoder.resolveQuerySet(this.#queries, 0, 2 * names.length, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
    this.#submits.push({ names, resolved, staging });
    if (this.#submits.length > UNDER_WAY) this.#pending.push(this.#collect(this.#submits.shift()!));
  }

  /** Kernels by time, most expensive first, of everything that has run. */
  async rows(): Promise<ProfileRow[]> {
    await Promise.all([...this.#pending.splice(0), ...this.#submits.splice(0).map((times) => this.#collect(times))]);
    return [...this.#totals]
      .map(([kernel, { calls, nanoseconds }]) => ({ kernel, calls, milliseconds: nanoseconds / 1e6 }))
      .sort((a, b) => b.milliseconds - a.milliseconds);
  }

  /** Forgets what was measured. */
  reset(): void {
    this.#totals.clear();
  }

  async #collect({ names, resolved, staging }: Times): Promise<void> {
    await staging.mapAsync(1); // GPUMapMode.READ
    const times = new BigUint64Array(staging.getMappedRange());
    names.forEach((name, i) => {
      const total = this.#totals.get(name) ?? { calls: 0, nanoseconds: 0 };
      total.calls++;
      total.nanoseconds += Number(times[2 * i + 1] - times[2 * i]);
      this.#totals.set(name, total);
    });
    staging.destroy();
    resolved.destroy();
  }
}
