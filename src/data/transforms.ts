import { emptyLike, type Raster, type Samples, type Size, type Window } from "./raster.ts";
import type { Random } from "./random.ts";

/** The pipeline's pure steps after resizing (resize.ts) and beside colour (photometric.ts). */

/** ImageNet statistics of RGB in 0..255, which the official configurations use. */
export const IMAGENET_MEAN = [123.675, 116.28, 103.53] as const;
export const IMAGENET_STD = [58.395, 57.12, 57.375] as const;

export type PerChannel = readonly [number, number, number];

/** Left becomes right. */
export function flipHorizontal<T extends Samples>({ height, width, channels, data }: Raster<T>): Raster<T> {
  const out = emptyLike(data, data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const source = (y * width + x) * channels;
      const target = (y * width + (width - 1 - x)) * channels;
      for (let c = 0; c < channels; c++) out[target + c] = data[source + c];
    }
  }
  return { height, width, channels, data: out };
}

/** Classes that become each other in the mirror: a left arm that was flipped is a right arm. */
export type FlipPairs = readonly (readonly [number, number])[];

/** The other class of each class that is in a pair. */
export function partners(pairs: FlipPairs): ReadonlyMap<number, number> {
  return new Map(pairs.flatMap(([a, b]) => [[a, b], [b, a]] as const));
}

/** Exchanges the two ids of each pair. */
export function swapLabels<T extends Samples>(label: Raster<T>, pairs: FlipPairs): Raster<T> {
  if (pairs.length === 0) return label;
  const partner = partners(pairs);
  return { ...label, data: label.data.map((id) => partner.get(id) ?? id) as T };
}

/**
 * (x - mean) / std per channel; `reverseChannels` turns BGR into RGB first. `[height, width, 3]` in and out.
 */
export function normalize(
  { height, width, data }: Raster,
  { mean, std, reverseChannels = false }: { mean: PerChannel; std: PerChannel; reverseChannels?: boolean },
): Raster<Float32Array> {
  const out = new Float32Array(data.length);
  const [first, last] = reverseChannels ? [2, 0] : [0, 2];
  for (let i = 0; i < data.length; i += 3) {
    out[i] = (data[i + first] - mean[0]) / std[0];
    out[i + 1] = (data[i + 1] - mean[1]) / std[1];
    out[i + 2] = (data[i + last] - mean[2]) / std[2];
  }
  return { height, width, channels: 3, data: out };
}

/**
 * Pads to `size`, centred (the smaller half first); a raster that is larger loses its rim in the same way.
 *
 * @param adaptOrientation exchange the target's sides when it is landscape and the raster portrait, or the reverse
 */
export function pad<T extends Samples>(
  { height, width, channels, data }: Raster<T>,
  { size, fill, adaptOrientation = false }: { size: Size; fill: number; adaptOrientation?: boolean },
): Raster<T> {
  const [a, b] = size;
  const swap = adaptOrientation && ((height > width && a < b) || (height < width && a > b));
  const [outHeight, outWidth] = swap ? [b, a] : [a, b];
  const top = Math.floor((outHeight - height) / 2);
  const left = Math.floor((outWidth - width) / 2);
  const out = emptyLike(data, outHeight * outWidth * channels).fill(fill) as T;
  const firstColumn = Math.max(0, -left);
  const count = Math.min(width - firstColumn, outWidth - Math.max(0, left));
  for (let y = Math.max(0, -top); y < height && y + top < outHeight; y++) {
    const source = (y * width + firstColumn) * channels;
    const target = ((y + top) * outWidth + firstColumn + left) * channels;
    out.set(data.subarray(source, source + count * channels), target);
  }
  return { height: outHeight, width: outWidth, channels, data: out };
}

/** How the crop's place is chosen; `oneCategoryMaxRatio` 1 accepts the first place. */
export interface CropRule {
  readonly size: Size;
  /** The largest class has to cover less than this share of the pixels that are not ignored. */
  readonly oneCategoryMaxRatio: number;
  readonly ignoreIndex: number;
}

const CROP_ATTEMPTS = 10;

/**
 * A random place for the crop, clipped to the image where that is smaller. Tries again, ten times at most, while one
 * class covers too much of it; then the last place stands.
 *
 * @param image size of the image to crop
 * @param labelAt label ids of a window of it; asked at most once per attempt
 */
export function randomCropWindow(
  image: Size,
  { size, oneCategoryMaxRatio, ignoreIndex }: CropRule,
  labelAt: (window: Window) => ArrayLike<number>,
  random: Random,
): Window {
  const height = Math.min(size[0], image[0]);
  const width = Math.min(size[1], image[1]);
  for (let attempt = 1; ; attempt++) {
    const top = random.integer(0, image[0] - height + 1);
    const left = random.integer(0, image[1] - width + 1);
    const window = { top, left, height, width };
    if (oneCategoryMaxRatio >= 1 || attempt === CROP_ATTEMPTS) return window;
    if (isVaried(labelAt(window), oneCategoryMaxRatio, ignoreIndex)) return window;
  }
}

/** More than one class, and none that covers `maxRatio` or more of the pixels that are not ignored. */
function isVaried(label: ArrayLike<number>, maxRatio: number, ignoreIndex: number): boolean {
  const counts = new Uint32Array(256);
  for (let i = 0; i < label.length; i++) counts[label[i]]++;
  counts[ignoreIndex] = 0;
  const total = counts.reduce((sum, n) => sum + n, 0);
  return counts.filter((n) => n > 0).length > 1 && Math.max(...counts) / total < maxRatio;
}
