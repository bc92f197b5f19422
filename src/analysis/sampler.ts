import { philox4x32 } from "../random.ts";
import type { Points } from "./points.ts";

export interface Sample {
  readonly points: Points;
  /** Class of each of them. */
  readonly labels: readonly number[];
}

interface Drawn {
  readonly priority: number;
  readonly vector: Float64Array;
}

/**
 * Up to so many vectors of every class, drawn without replacement: those whose places have the smallest random numbers.
 * So the same seed draws the same places from every kind of vector that has them, in any order of adding.
 */
export class ClassSampler {
  readonly #capacity: number;
  readonly #channels: number;
  readonly #seed: number;
  readonly #drawn: Drawn[][];

  /** @param seed u32 */
  constructor({ numClasses, channels, capacity, seed }: {
    readonly numClasses: number;
    readonly channels: number;
    readonly capacity: number;
    readonly seed: number;
  }) {
    this.#channels = channels;
    this.#capacity = capacity;
    this.#seed = seed;
    this.#drawn = Array.from({ length: numClasses }, () => []);
  }

  /** @param place of the vector: image and cell, both u32 */
  add(label: number, [image, cell]: readonly [number, number], data: ArrayLike<number>, offset = 0): void {
    const [high, low] = philox4x32([cell, image, 0, 0], [this.#seed, 0]);
    const priority = high * 2 ** 21 + (low >>> 11);
    const drawn = this.#drawn[label];
    if (drawn.length === this.#capacity && priority >= drawn[drawn.length - 1].priority) return;
    if (drawn.length === this.#capacity) drawn.pop();
    const vector = Float64Array.from({ length: this.#channels }, (_, i) => data[offset + i]);
    const at = drawn.findIndex((other) => other.priority > priority);
    drawn.splice(at < 0 ? drawn.length : at, 0, { priority, vector });
  }

  /** Class by class. */
  sample(): Sample {
    const labels = this.#drawn.flatMap((drawn, k) => drawn.map(() => k));
    const data = new Float64Array(labels.length * this.#channels);
    this.#drawn.flat().forEach(({ vector }, i) => data.set(vector, i * this.#channels));
    return { points: { count: labels.length, channels: this.#channels, data }, labels };
  }
}
