/** How far vectors lie from the mean of their class, and the means from each other. */
import { squaredDistance } from "./points.ts";

export interface ClassScatter {
  readonly count: number;
  /** Mean squared distance to the class mean: the trace of its covariance. NaN without vectors. */
  readonly within: number;
  /** The class whose mean is nearest, and the distance of the means; null where there is no other. */
  readonly nearest: { readonly label: number; readonly distance: number } | null;
}

export interface ScatterSummary {
  readonly count: number;
  /** tr S_W: mean squared distance of a vector to the mean of its class. */
  readonly within: number;
  /** tr S_B: mean squared distance, over vectors, of their class's mean to the mean of all. */
  readonly between: number;
  /** tr S_B / tr S_W, whatever the scale of the vectors; null where it is undefined. */
  readonly ratio: number | null;
  /** The same three with every class that has vectors counting alike, as if all had equally many. */
  readonly balanced: { readonly within: number; readonly between: number; readonly ratio: number | null };
  readonly classes: readonly ClassScatter[];
}

/**
 * Collects vectors of K classes one by one and sums up their scatter: with n_k vectors of class k, N in all,
 *
 *     tr S_W = 1/N sum_k sum_(x of k) |x - mean_k|^2,   tr S_B = 1/N sum_k n_k |mean_k - mean|^2
 *
 * whose sum is the mean squared distance to the mean of all (Fukunaga, Introduction to Statistical Pattern Recognition,
 * 2nd edition, section 10.2). Means and squares are updated by Welford's method, which does not cancel.
 */
export class ScatterMeter {
  readonly #channels: number;
  readonly #counts: number[];
  readonly #means: Float64Array[];
  /** Sums of squared distances to the class means. */
  readonly #squares: number[];

  constructor(numClasses: number, channels: number) {
    this.#channels = channels;
    this.#counts = Array<number>(numClasses).fill(0);
    this.#squares = Array<number>(numClasses).fill(0);
    this.#means = Array.from({ length: numClasses }, () => new Float64Array(channels));
  }

  /** Adds the vector that begins at `offset`. */
  add(label: number, data: ArrayLike<number>, offset = 0): void {
    const count = ++this.#counts[label];
    const mean = this.#means[label];
    let squares = 0;
    for (let i = 0; i < mean.length; i++) {
      const value = data[offset + i];
      const before = value - mean[i];
      mean[i] += before / count;
      squares += before * (value - mean[i]);
    }
    this.#squares[label] += squares;
  }

  summary(): ScatterSummary {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    const present = this.#counts.map((_, k) => k).filter((k) => this.#counts[k] > 0);
    const withins = this.#squares.map((squares, k) => squares / this.#counts[k]);
    return {
      count: total,
      ...this.#weighted((k) => this.#counts[k] / total, withins, present),
      balanced: this.#weighted(() => 1 / present.length, withins, present),
      classes: this.#counts.map((count, k) => ({ count, within: withins[k], nearest: this.#nearest(k, present) })),
    };
  }

  /** @param weight of a class; they sum to 1 */
  #weighted(weight: (k: number) => number, withins: readonly number[], present: readonly number[]) {
    const centre = new Float64Array(this.#channels);
    for (const k of present) this.#means[k].forEach((value, i) => (centre[i] += weight(k) * value));
    const sum = (value: (k: number) => number): number => present.reduce((all, k) => all + weight(k) * value(k), 0);
    const within = sum((k) => withins[k]);
    const between = sum((k) => squaredDistance(this.#means[k], centre));
    return { within, between, ratio: within > 0 ? between / within : null };
  }

  #nearest(label: number, present: readonly number[]): ClassScatter["nearest"] {
    if (this.#counts[label] === 0) return null;
    const others = present.filter((k) => k !== label).map((k) => {
      return { label: k, distance: Math.sqrt(squaredDistance(this.#means[k], this.#means[label])) };
    });
    return others.sort((a, b) => a.distance - b.distance)[0] ?? null;
  }
}
