/** Initial values. Each variable draws from a stream named after it: adding a layer changes no other layer's values. */
import { philox4x32 } from "../random.ts";
import type { Word4 } from "../random.ts";

/** Fills `values`; `uniform` gives the next number of the variable's stream, in [0, 1). */
export type Initializer = (values: Float32Array, uniform: () => number) => void;

/** All 0. */
export const zeros: Initializer = () => {};

/** All 1. */
export const ones: Initializer = (values) => {
  values.fill(1);
};

/** |x| of normal numbers x: random rows whose cosine to features of a ReLU, and among each other, is not negative. */
export const halfNormal: Initializer = (values, uniform) => {
  for (let i = 0; i < values.length; i++) {
    // Box and Muller's; 1 - u is never 0.
    values[i] = Math.abs(Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
  }
};

/** PyTorch's default for convolutions and linear layers, weights and biases alike: U(-b, b), b = 1 / sqrt(fan_in). */
export function uniformFanIn(fanIn: number): Initializer {
  const bound = 1 / Math.sqrt(fanIn);
  return (values, uniform) => {
    for (let i = 0; i < values.length; i++) values[i] = (2 * uniform() - 1) * bound;
  };
}

/** Glorot's, PyTorch's default for the projections of attention: U(-b, b), b = sqrt(6 / (fan_in + fan_out)). */
export function xavierUniform(fanIn: number, fanOut: number): Initializer {
  return uniformFanIn((fanIn + fanOut) / 6);
}

/** Initial values of one variable; the same seed and name give the same bytes. */
export function initialValues(count: number, initializer: Initializer, seed: number, name: string): Float32Array {
  const values = new Float32Array(count);
  initializer(values, uniformStream(seed, hash(name)));
  return values;
}

function uniformStream(seed: number, stream: number): () => number {
  let block: Word4 = [0, 0, 0, 0];
  let drawn = 0;
  return () => {
    const lane = drawn % 4;
    if (lane === 0) block = philox4x32([drawn / 4, 0, 0, 0], [seed, stream]);
    drawn++;
    return block[lane] / 2 ** 32;
  };
}

/** 32-bit FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state >>> 0;
}
