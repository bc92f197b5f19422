export interface EntropySummary {
  readonly count: number;
  /** From 0, certain, to 1, all classes alike; null without pixels. */
  readonly mean: number | null;
  /** Mean over the pixels of each class; null for those without. */
  readonly classes: readonly (number | null)[];
  /** Pixels by entropy, in equal bins from 0 to 1. */
  readonly histogram: readonly number[];
}

const BINS = 20;

/**
 * Shannon entropy -sum_k w_k ln w_k of class distributions, divided by that of the uniform one, ln K.
 *
 * @param logits [K] from `offset` on: w is their softmax; K is at least 2
 */
export function normalizedEntropy(logits: ArrayLike<number>, classes: number, offset = 0): number {
  let largest = -Infinity;
  for (let k = 0; k < classes; k++) largest = Math.max(largest, logits[offset + k]);
  let [sum, weighted] = [0, 0];
  for (let k = 0; k < classes; k++) {
    const below = logits[offset + k] - largest;
    const weight = Math.exp(below);
    sum += weight;
    if (weight > 0) weighted += weight * below;
  }
  return (Math.log(sum) - weighted / sum) / Math.log(classes);
}

/** Collects the entropy of pixels one by one. */
export class EntropyMeter {
  readonly #sums: number[];
  readonly #counts: number[];
  readonly #histogram = Array<number>(BINS).fill(0);

  constructor(numClasses: number) {
    this.#sums = Array<number>(numClasses).fill(0);
    this.#counts = Array<number>(numClasses).fill(0);
  }

  add(label: number, entropy: number): void {
    this.#sums[label] += entropy;
    this.#counts[label]++;
    this.#histogram[Math.min(BINS - 1, Math.max(0, Math.floor(entropy * BINS)))]++;
  }

  summary(): EntropySummary {
    const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
    const count = total(this.#counts);
    return {
      count,
      mean: count > 0 ? total(this.#sums) / count : null,
      classes: this.#sums.map((sum, k) => (this.#counts[k] > 0 ? sum / this.#counts[k] : null)),
      histogram: this.#histogram,
    };
  }
}
