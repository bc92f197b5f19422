/** What of a dataset becomes the initial memory, chosen by the labels of its images as they pass by. */
import { PURPOSE, Random } from "../data/random.ts";
import { sphericalKmeans } from "./kmeans.ts";

/** What a sampler wants to know of an image: the mean representation of the pixels of every class in a label map. */
export interface Question {
  /** As large as the image's label; labels that no class has are ignored. */
  readonly labels: Int32Array;
  /** Takes the answer [K, C], whose rows are 0 for classes without pixels or features. */
  readonly take: (means: Float32Array) => void;
}

export interface Sampler {
  /** Sees the next image's label. Questions have to be answered in the order in which they were asked. */
  ask(labels: Int32Array): Question[];
  /** The memory [K, F, C] from what has been answered; slots that nothing is known for are 0. */
  rows(): Float32Array;
}

export interface SamplerOptions {
  readonly numClasses: number;
  /** F. */
  readonly slots: number;
  /** C. */
  readonly channels: number;
  /** Of the labels that a question leaves out. */
  readonly ignoreIndex: number;
  readonly seed: number;
}

/** Streams of random numbers: for images, and for classes. */
const [IMAGES, CLASSES] = [0, 1];

/**
 * Per slot the representation of one pixel, uniformly random among all pixels of its class: each image's take the place
 * of what was chosen before with the share that they have of those seen so far.
 */
export class PixelSampler implements Sampler {
  readonly #options: SamplerOptions;
  /** Pixels seen, by class. */
  readonly #seen: number[];
  readonly #rows: Float32Array;
  #images = 0;

  constructor(options: SamplerOptions) {
    const { numClasses, slots, channels } = options;
    this.#options = options;
    this.#seen = new Array<number>(numClasses).fill(0);
    this.#rows = new Float32Array(numClasses * slots * channels);
  }

  ask(labels: Int32Array): Question[] {
    const { numClasses, slots, ignoreIndex, seed } = this.#options;
    const random = new Random(seed, IMAGES, this.#images++, PURPOSE.memory);
    const counts = countLabels(labels, numClasses);
    counts.forEach((count, klass) => (this.#seen[klass] += count));
    const questions: Question[] = [];
    for (let slot = 0; slot < slots; slot++) {
      const ranks = new Map<number, number>();
      counts.forEach((count, klass) => {
        if (count === 0 || random.uniform(0, this.#seen[klass]) >= count) return;
        ranks.set(klass, random.integer(0, count));
      });
      if (ranks.size === 0) continue;
      const chosen = [...ranks.keys()];
      const take = (means: Float32Array): void => chosen.forEach((klass) => this.#put(klass, slot, means));
      questions.push({ labels: pixelsAt(labels, ranks, ignoreIndex), take });
    }
    return questions;
  }

  #put(klass: number, slot: number, means: Float32Array): void {
    const { slots, channels } = this.#options;
    this.#rows.set(means.subarray(klass * channels, (klass + 1) * channels), (klass * slots + slot) * channels);
  }

  /** A pixel that several slots have chosen, as they must where there are no others, stays with the first of them. */
  rows(): Float32Array {
    const { numClasses, slots, channels } = this.#options;
    const rows = this.#rows.slice();
    for (let klass = 0; klass < numClasses; klass++) {
      const known = new Set<string>();
      for (let slot = 0; slot < slots; slot++) {
        const start = (klass * slots + slot) * channels;
        const row = rows.subarray(start, start + channels);
        if (known.has(String(row))) row.fill(0);
        known.add(String(row));
      }
    }
    return rows;
  }
}

export interface MeanSamplerOptions extends SamplerOptions {
  /** Images to remember per class, which bounds the memory; uniformly random ones where more have it. */
  readonly mostPerClass: number;
}

/**
 * Per slot a centre of what the images say about its class: the mean representation of the class's pixels in one image
 * is one vector, and spherical k-means groups the vectors of a class.
 */
export class MeanSampler implements Sampler {
  readonly #options: MeanSamplerOptions;
  /** Images seen, by class. */
  readonly #seen: number[];
  readonly #vectors: Float32Array[][];
  #images = 0;

  constructor(options: MeanSamplerOptions) {
    this.#options = options;
    this.#seen = new Array<number>(options.numClasses).fill(0);
    this.#vectors = Array.from({ length: options.numClasses }, () => []);
  }

  ask(labels: Int32Array): Question[] {
    const { numClasses, mostPerClass, seed } = this.#options;
    const random = new Random(seed, IMAGES, this.#images++, PURPOSE.memory);
    const places = new Map<number, number>();
    countLabels(labels, numClasses).forEach((count, klass) => {
      if (count === 0) return;
      const seen = this.#seen[klass]++;
      const place = seen < mostPerClass ? seen : random.integer(0, seen + 1);
      if (place < mostPerClass) places.set(klass, place);
    });
    if (places.size === 0) return [];
    const take = (means: Float32Array): void => places.forEach((place, klass) => this.#put(klass, place, means));
    return [{ labels, take }];
  }

  #put(klass: number, place: number, means: Float32Array): void {
    const { channels } = this.#options;
    this.#vectors[klass][place] = means.slice(klass * channels, (klass + 1) * channels);
  }

  rows(): Float32Array {
    const { numClasses, slots, channels, seed } = this.#options;
    const rows = new Float32Array(numClasses * slots * channels);
    this.#vectors.forEach((vectors, klass) => {
      const known = vectors.filter((vector) => vector.some((value) => value !== 0));
      const centres = sphericalKmeans(known, slots, new Random(seed, CLASSES, klass, PURPOSE.memory));
      centres.forEach((centre, slot) => rows.set(centre, (klass * slots + slot) * channels));
    });
    return rows;
  }
}

function countLabels(labels: Int32Array, numClasses: number): number[] {
  const counts = new Array<number>(numClasses).fill(0);
  for (const label of labels) if (label >= 0 && label < numClasses) counts[label]++;
  return counts;
}

/** The labels of single pixels, by class the one of this rank among the class's; all others are ignored. */
function pixelsAt(labels: Int32Array, ranks: ReadonlyMap<number, number>, ignoreIndex: number): Int32Array {
  const left = new Map(ranks);
  return labels.map((label) => {
    const rank = left.get(label);
    if (rank === undefined) return ignoreIndex;
    left.set(label, rank - 1);
    return rank === 0 ? label : ignoreIndex;
  });
}
