/**
 * Random numbers that depend on nothing but their place: the same (seed, epoch, position, purpose) gives the same
 * sequence in any thread, at any time, whatever was drawn before.
 */

import { philox4x32 } from "../random.ts";
import type { Word4 } from "../random.ts";

/** What a sequence is for: sequences of different purpose never meet. */
export const PURPOSE = { shuffle: 0, augment: 1, memory: 2 } as const;

/** One sequence of random numbers. */
export class Random {
  readonly #key: readonly [number, number];
  readonly #place: readonly [epoch: number, position: number, purpose: number];
  #block: Word4 = [0, 0, 0, 0];
  #drawn = 0;

  /** @param seed integer of up to 53 bits */
  constructor(seed: number, epoch: number, position: number, purpose: number) {
    this.#key = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
    this.#place = [epoch, position, purpose];
  }

  /** Uniform over all 32-bit words. */
  word(): number {
    const lane = this.#drawn % 4;
    if (lane === 0) this.#block = philox4x32([this.#drawn / 4, ...this.#place], this.#key);
    this.#drawn++;
    return this.#block[lane];
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * (this.word() / 2 ** 32);
  }

  /** Uniform over the integers low .. high - 1. */
  integer(low: number, high: number): number {
    return low + Math.floor((high - low) * (this.word() / 2 ** 32));
  }

  /** True half of the time. */
  coin(): boolean {
    return this.word() < 2 ** 31;
  }

  /** The integers 0 .. count - 1 in random order. */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(0, i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}
