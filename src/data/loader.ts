import { UserError } from "../errors.ts";
import type { Augmentation } from "./augment.ts";
import type { Dataset } from "./dataset.ts";
import type { SharedSample } from "./jobs.ts";
import { WorkerPool } from "./pool.ts";
import { PURPOSE, Random } from "./random.ts";

/** Which classes a mirror image exchanges, the dataset says. */
export interface LoaderOptions extends Omit<Augmentation, "flipPairs"> {
  readonly batchSize: number;
  /** Integer; with the epoch it determines every byte of every batch. */
  readonly seed: number;
  /** Number of threads. */
  readonly workers: number;
  /** Batches prepared beyond the one in use. */
  readonly ahead: number;
  /** A new order each epoch; the dataset's order otherwise. */
  readonly shuffle: boolean;
  /** Leave out the last batch when it is not full. */
  readonly dropLast: boolean;
  /** Decoded images to keep in memory, all threads together; 0 decodes them each time. */
  readonly cacheMiB: number;
}

export interface Batch {
  /** `[n, h, w, 3]` normalised RGB. */
  readonly images: Float32Array;
  /** `[n, h, w]` train ids, 255 where ignored. */
  readonly labels: Int32Array;
  readonly ids: readonly string[];
  /** Counts from 0 within the epoch. */
  readonly step: number;
}

export interface Loader {
  readonly stepsPerEpoch: number;
  /**
   * The batches of an epoch from `startStep` on: the same bytes as those of the whole epoch, whatever the number of
   * threads. Throws the UserError of a file that cannot be read. Ending the loop early is fine.
   */
  batches(epoch: number, startStep?: number): AsyncGenerator<Batch, void, undefined>;
  /** Stops the threads. */
  close(): Promise<void>;
}

/**
 * Decodes and augments batches in worker threads, ahead of their use.
 *
 * @throws UserError when an option makes no sense or the dataset is smaller than one full batch that is required
 */
export function createLoader(dataset: Dataset, options: LoaderOptions): Loader {
  checkOptions(options);
  const { batchSize, seed, ahead, shuffle, dropLast } = options;
  const count = dataset.items.length;
  const stepsPerEpoch = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
  if (stepsPerEpoch === 0) {
    const found = `${dataset.spec.name} ${dataset.split} has ${count} images`;
    throw new UserError(`${found}, too few for one batch of ${batchSize}; choose a smaller batchSize`);
  }
  const augmentation = { ...pickAugmentation(options), flipPairs: dataset.spec.flipPairs };
  const cache = new SampleCache(options.cacheMiB);
  const pool = new WorkerPool(options.workers);

  async function load(epoch: number, order: readonly number[], step: number): Promise<Batch> {
    const position = step * batchSize;
    const indices = order.slice(position, position + batchSize);
    const { images, labels, decoded } = await pool.run({
      ...{ kind: "batch" as const, spec: dataset.spec, augmentation, seed, epoch, position },
      samples: indices.map((index) => ({ item: dataset.items[index], decoded: cache.get(index) })),
      keepDecoded: cache.hasRoom,
    });
    decoded.forEach((sample, i) => sample && cache.add(indices[i], sample));
    return { images, labels, ids: indices.map((index) => dataset.items[index].id), step };
  }

  async function* batches(epoch: number, startStep = 0): AsyncGenerator<Batch, void, undefined> {
    const random = new Random(seed, epoch, 0, PURPOSE.shuffle);
    const order = shuffle ? random.permutation(count) : dataset.items.map((_, i) => i);
    const pending: Promise<Batch>[] = [];
    let requested = startStep;
    for (let step = startStep; step < stepsPerEpoch; step++) {
      for (; requested < stepsPerEpoch && requested <= step + ahead; requested++) {
        const batch = load(epoch, order, requested);
        // It is awaited later or, when the loop ends early, never: without this its failure would end the process.
        batch.catch(() => {});
        pending.push(batch);
      }
      yield await pending.shift()!;
    }
  }

  return { stepsPerEpoch, batches, close: () => pool.close() };
}

/** Decoded samples by dataset index, first come, first kept: every epoch needs each image once, so age says nothing. */
class SampleCache {
  readonly #samples = new Map<number, SharedSample>();
  #free: number;

  constructor(mebibytes: number) {
    this.#free = mebibytes * 2 ** 20;
  }

  get hasRoom(): boolean {
    return this.#free > 0;
  }

  get(index: number): SharedSample | undefined {
    return this.#samples.get(index);
  }

  add(index: number, sample: SharedSample): void {
    if (this.#samples.has(index) || sample.bytes.byteLength > this.#free) return;
    this.#samples.set(index, sample);
    this.#free -= sample.bytes.byteLength;
  }
}

function pickAugmentation(options: LoaderOptions): Augmentation {
  const { crop, scaleRange, baseSize, keepRatio, oneCategoryMaxRatio, flip, rotate, photometric, mean, std } = options;
  return { crop, scaleRange, baseSize, keepRatio, oneCategoryMaxRatio, flip, rotate, photometric, mean, std };
}

function checkOptions(options: LoaderOptions): void {
  const { batchSize, crop, baseSize, scaleRange, seed, ahead, cacheMiB, std } = options;
  const check = (ok: boolean, what: string, found: unknown, expected: string): void => {
    if (!ok) throw new UserError(`${what} is ${JSON.stringify(found)}; expected ${expected}`);
  };
  const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 1;
  const isSize = (size: readonly number[]): boolean => size.length === 2 && size.every(isCount);
  check(isCount(batchSize), "batchSize", batchSize, "a whole number of 1 or more");
  check(isSize(crop), "crop", crop, "[height, width] in pixels");
  check(!baseSize || isSize(baseSize), "baseSize", baseSize, "[height, width] in pixels");
  const [low, high] = scaleRange;
  check(low > 0 && low <= high && high < Infinity, "scaleRange", scaleRange, "[low, high] with 0 < low <= high");
  check(Number.isSafeInteger(seed) && seed >= 0, "seed", seed, "a whole number of 0 or more");
  check(Number.isSafeInteger(ahead) && ahead >= 0, "ahead", ahead, "a whole number of 0 or more");
  check(cacheMiB >= 0, "cacheMiB", cacheMiB, "0 or more");
  check(std.every((value) => value > 0), "std", std, "positive numbers");
}
