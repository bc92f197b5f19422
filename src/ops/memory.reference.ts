/** The memory update by its plain definition in f64: resize the features to the labels, gather pixels per class. */
import type { Shape } from "../tensor/shape.ts";
import type { Sample } from "./define.ts";
import type { MemoryUpdateOptions } from "./memory.options.ts";
import { ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";

const EPS = 1e-8;
/** Mean weight below which weights are uniform: the precision of a cosine in f32 (see kernels/memory_update.wgsl). */
const LEAST_MEAN_WEIGHT = 1e-6;
const LEAST_LENGTH = 1e-6;

export function updateReference(
  memory: NdArray,
  features: NdArray,
  labels: NdArray,
  options: MemoryUpdateOptions,
): NdArray {
  const [classes, slots, channels] = memory.shape;
  const [, labelH, labelW] = labels.shape;
  const updated = ndarray(memory.shape, memory.data);
  const resized = resize(features, labelH, labelW, options.alignCorners ?? false);
  const slotOf = (klass: number, slot: number) => (klass * slots + slot) * channels;

  for (let klass = 0; klass < classes; klass++) {
    const pixels: Float64Array[] = [];
    labels.data.forEach((label, p) => {
      if (label !== klass || label === options.ignoreIndex) return;
      const pixel = resized.subarray(p * channels, (p + 1) * channels);
      if (!options.skipZeroFeatures || !(Math.hypot(...pixel) < LEAST_LENGTH)) pixels.push(pixel);
    });
    if (pixels.length === 0 || !pixels.every((pixel) => pixel.every(Number.isFinite))) continue;

    const rows = Array.from({ length: slots }, (_, slot) => {
      return memory.data.slice(slotOf(klass, slot), slotOf(klass, slot) + channels);
    });
    const empty = rows.findIndex((row) => row.every((value) => value === 0));
    if (empty >= 0) {
      updated.data.set(average(pixels, pixels.map(() => 1)), slotOf(klass, empty));
      continue;
    }
    const nearest = pixels.map((pixel) => {
      const similarities = rows.map((row) => cosine(pixel, row));
      return similarities.indexOf(Math.max(...similarities));
    });
    rows.forEach((row, slot) => {
      const own = pixels.filter((_, p) => nearest[p] === slot);
      if (own.length === 0 && options.unassigned !== "decay") return;
      const distances = own.map((pixel) => (options.strategy === "mean" ? 1 : Math.max(0, 1 - cosine(pixel, row))));
      const total = distances.reduce((a, b) => a + b, 0);
      const weights = total > LEAST_MEAN_WEIGHT * own.length ? distances : own.map(() => 1);
      const goal = own.length === 0 ? row.map(() => 0) : average(own, weights);
      const moved = row.map((old, c) => (1 - options.momentum) * old + options.momentum * goal[c]);
      updated.data.set(moved, slotOf(klass, slot));
    });
  }
  return updated;
}

function average(vectors: readonly Float64Array[], weights: readonly number[]): Float64Array {
  const total = weights.reduce((a, b) => a + b, 0);
  return vectors[0].map((_, c) => vectors.reduce((sum, vector, i) => sum + (weights[i] / total) * vector[c], 0));
}

function cosine(a: Float64Array, b: Float64Array): number {
  const inner = (x: Float64Array, y: Float64Array) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return inner(a, b) / (Math.max(Math.sqrt(inner(a, a)), EPS) * Math.max(Math.sqrt(inner(b, b)), EPS));
}

/** [n, h, w, c] to the values of [n, height, width, c], bilinearly. */
function resize({ shape, data }: NdArray, height: number, width: number, alignCorners: boolean): Float64Array {
  const [n, h, w, c] = shape;
  const out = new Float64Array(n * height * width * c);
  for (let image = 0; image < n; image++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (const [i, u] of taps(y, h, height, alignCorners)) {
          for (const [j, v] of taps(x, w, width, alignCorners)) {
            for (let channel = 0; channel < c; channel++) {
              const value = data[((image * h + i) * w + j) * c + channel];
              out[((image * height + y) * width + x) * c + channel] += u * v * value;
            }
          }
        }
      }
    }
  }
  return out;
}

/** The two cells that output position `at` lies between, with their weights; a cell without weight is left out. */
function taps(at: number, cells: number, pixels: number, alignCorners: boolean): (readonly [number, number])[] {
  const position = alignCorners
    ? (at * (cells - 1)) / Math.max(pixels - 1, 1)
    : Math.max(((at + 0.5) * cells) / pixels - 0.5, 0);
  const first = Math.floor(position);
  const second = Math.min(first + 1, cells - 1);
  return ([[first, 1 - (position - first)], [second, position - first]] as const).filter(([, weight]) => weight !== 0);
}

/** Labels run over 0..K-1, the ignored 255 and two that no class has; features are those of a ReLU unless `signed`. */
function sample(
  memory: Shape,
  features: Shape,
  size: readonly [number, number],
  options: Partial<MemoryUpdateOptions> = {},
  signed = false,
): Sample<MemoryUpdateOptions> {
  const value = (random: () => number) => (signed ? 2 * random() - 1 : Math.max(0, 1.5 * random() - 0.3));
  const labels = [...Array(memory[0]).keys(), 255, -1, memory[0]];
  const anyLabel = (_: number, random: () => number) => labels[Math.floor(random() * labels.length)];
  return {
    inputs: [
      { shape: memory, values: (i, random) => (i < memory[1] * memory[2] ? 0 : value(random)) }, // class 0 is empty
      { shape: features, values: (_, random) => value(random) },
      { shape: [features[0], ...size], dtype: "i32", values: anyLabel },
    ],
    options: { momentum: 0.9, strategy: "cosine_similarity", ignoreIndex: 255, ...options },
  };
}

export const updateSamples: readonly Sample<MemoryUpdateOptions>[] = [
  sample([2, 1, 1], [1, 1, 1, 1], [1, 1]),
  sample([3, 1, 5], [1, 1, 1, 5], [4, 7]),
  sample([4, 1, 8], [1, 3, 4, 8], [24, 30]),
  sample([5, 1, 7], [2, 3, 5, 7], [11, 13], { alignCorners: true }),
  sample([5, 1, 9], [2, 4, 3, 9], [4, 3], {}, true),
  sample([3, 1, 6], [2, 7, 9, 6], [3, 4], { momentum: 0.3 }),
  sample([3, 1, 6], [1, 5, 7, 6], [1, 9], { alignCorners: true }),
  sample([4, 1, 6], [2, 3, 4, 6], [24, 30], { strategy: "mean" }),
  sample([4, 1, 6], [2, 3, 4, 6], [9, 8], { ignoreIndex: 2 }),
  sample([3, 2, 8], [2, 3, 4, 8], [24, 30]),
  sample([3, 3, 8], [2, 4, 3, 8], [10, 9], { unassigned: "decay" }, true),
  sample([4, 1, 3], [2, 3, 4, 3], [24, 30], { skipZeroFeatures: true }),
  sample([4, 2, 2], [1, 5, 4, 2], [9, 8], { skipZeroFeatures: true }),
  sample([4, 1, 1], [1, 5, 4, 1], [9, 8], { skipZeroFeatures: true, strategy: "mean" }),
  sample([19, 1, 16], [2, 9, 11, 16], [36, 44], { momentum: 1 }),
];
