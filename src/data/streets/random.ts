/**
 * Randomness that comes out the same on every machine: integer mixing only, no `Math.random`, and none of the `Math`
 * functions whose last digits engines may choose for themselves.
 */
import { Random } from "../random.ts";

/** Beside the purposes in `../random.ts`: no scene shares its numbers with the shuffling or the augmentation. */
const SCENE_PURPOSE = 2;

export class SceneRandom extends Random {
  constructor(seed: number, split: number, index: number) {
    super(seed, split, index, SCENE_PURPOSE);
  }

  /** A sequence of its own, so that an object that draws more numbers does not change the objects after it. */
  fork(): SceneRandom {
    return new SceneRandom(this.word(), this.word(), this.word());
  }

  chance(probability: number): boolean {
    return this.uniform(0, 1) < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length)];
  }

  shuffled<T>(items: readonly T[]): T[] {
    return this.permutation(items.length).map((i) => items[i]);
  }
}

/** The value in [0, 1) of one cell of the integer lattice (the finaliser of MurmurHash3 over both coordinates). */
export function cellNoise(x: number, y: number, seed: number): number {
  let bits = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ seed;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) >>> 0) / 4294967296;
}

/** Value noise in [0, 1): lattice values, smoothly interpolated. */
export function smoothNoise(x: number, y: number, seed: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const fx = x - x0;
  const fy = y - y0;
  const sx = fx * fx * (3 - 2 * fx);
  const sy = fy * fy * (3 - 2 * fy);
  const top = cellNoise(x0, y0, seed) * (1 - sx) + cellNoise(x0 + 1, y0, seed) * sx;
  const bottom = cellNoise(x0, y0 + 1, seed) * (1 - sx) + cellNoise(x0 + 1, y0 + 1, seed) * sx;
  return top * (1 - sy) + bottom * sy;
}

/** Three octaves of value noise, in [0, 1). */
export function cloudNoise(x: number, y: number, seed: number): number {
  const coarse = smoothNoise(x, y, seed);
  const middle = smoothNoise(x * 2.1, y * 2.1, seed + 1);
  const fine = smoothNoise(x * 4.3, y * 4.3, seed + 2);
  return coarse * 0.55 + middle * 0.3 + fine * 0.15;
}
