import { crop, emptyLike, type Raster, type Samples, type Size, type Window } from "./raster.ts";

/**
 * Resizing as OpenCV does it, which the official pipeline uses. Every function takes the window of the result that is
 * wanted: rows and columns are computed independently of each other, so a window costs its own area only and holds the
 * same bytes as the crop of the whole result.
 */

/** OpenCV's weights for 8-bit images are integers of this many bits. */
const WEIGHT_BITS = 11;
const WEIGHT_ONE = 1 << WEIGHT_BITS;

/**
 * The size an image takes when it has to fit within `target` and keep its ratio: the longer side is bounded by the
 * target's longer side, the shorter one by the shorter, whatever their orientation.
 */
export function keepRatioSize([height, width]: Size, target: Size): Size {
  const long = Math.max(...target) / Math.max(height, width);
  const short = Math.min(...target) / Math.min(height, width);
  const factor = Math.min(long, short);
  return [Math.max(1, Math.floor(height * factor + 0.5)), Math.max(1, Math.floor(width * factor + 0.5))];
}

/** The window that covers a whole image. */
export const wholeWindow = ([height, width]: Size): Window => ({ top: 0, left: 0, height, width });

/**
 * Bilinear, half-pixel centres, no antialiasing, in OpenCV's fixed-point arithmetic (within one grey level of exact).
 */
export function resizeBilinear(
  { height, width, channels, data }: Raster<Uint8Array>,
  size: Size,
  window: Window = wholeWindow(size),
): Raster<Uint8Array> {
  if (size[0] === height && size[1] === width) return crop({ height, width, channels, data }, window);
  const rows = linearTaps(height, size[0], window.top, window.height);
  const columns = perSample(linearTaps(width, size[1], window.left, window.width), channels);
  const stride = window.width * channels;
  const out = new Uint8Array(window.height * stride);

  // Neighbouring result rows share source rows, so the last two rows that were blended horizontally are kept.
  let [upper, lower] = [new Int32Array(stride), new Int32Array(stride)];
  let [upperRow, lowerRow] = [-1, -1];
  for (let y = 0; y < window.height; y++) {
    const first = rows.first[y];
    const second = rows.second[y];
    if (first === lowerRow) {
      [upper, lower] = [lower, upper];
      [upperRow, lowerRow] = [lowerRow, upperRow];
    }
    if (first !== upperRow) blendRow(data, first * width * channels, columns, upper);
    upperRow = first;
    if (second !== lowerRow) blendRow(data, second * width * channels, columns, lower);
    lowerRow = second;

    const weight1 = rows.weight[y];
    const weight0 = WEIGHT_ONE - weight1;
    const target = y * stride;
    // The shifts are OpenCV's: 4 bits before this second multiplication, 16 after it, 2 with rounding at the end.
    for (let i = 0; i < stride; i++) {
      out[target + i] = (((weight0 * upper[i]) >> 16) + ((weight1 * lower[i]) >> 16) + 2) >> 2;
    }
  }
  return { height: window.height, width: window.width, channels, data: out };
}

/** Nearest neighbour: result pixel i takes source pixel floor(i * in / out). */
export function resizeNearest<T extends Samples>(
  { height, width, channels, data }: Raster<T>,
  size: Size,
  window: Window = wholeWindow(size),
): Raster<T> {
  if (size[0] === height && size[1] === width) return crop({ height, width, channels, data }, window);
  const rows = nearestIndices(height, size[0], window.top, window.height);
  const columns = nearestIndices(width, size[1], window.left, window.width);
  const out = emptyLike(data, window.height * window.width * channels);
  let target = 0;
  for (let y = 0; y < rows.length; y++) {
    const row = rows[y] * width;
    for (let x = 0; x < columns.length; x++) {
      const source = (row + columns[x]) * channels;
      for (let c = 0; c < channels; c++) out[target++] = data[source + c];
    }
  }
  return { height: window.height, width: window.width, channels, data: out };
}

/**
 * Source indices of result pixels `start .. start + count`. The product with 1 / (out / in) is OpenCV's: it may fall
 * just short of an integer that the fraction i * in / out would hit.
 */
export function nearestIndices(input: number, output: number, start: number, count: number): Int32Array {
  const step = 1 / (output / input);
  return Int32Array.from({ length: count }, (_, i) => Math.min(Math.floor((start + i) * step), input - 1));
}

/** For each result pixel the two source pixels it blends, and the weight of the second out of WEIGHT_ONE. */
interface LinearTaps {
  readonly first: Int32Array;
  readonly second: Int32Array;
  readonly weight: Int32Array;
}

function linearTaps(input: number, output: number, start: number, count: number): LinearTaps {
  const step = 1 / (output / input);
  const taps = { first: new Int32Array(count), second: new Int32Array(count), weight: new Int32Array(count) };
  for (let i = 0; i < count; i++) {
    const position = Math.fround((start + i + 0.5) * step - 0.5);
    const floor = Math.floor(position);
    taps.first[i] = Math.min(Math.max(floor, 0), input - 1);
    taps.second[i] = Math.min(Math.max(floor + 1, 0), input - 1);
    taps.weight[i] = roundHalfToEven(Math.fround(position - floor) * WEIGHT_ONE);
  }
  return taps;
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Blends one source row (from index `row` on) horizontally, to 7 fraction bits; taps are per sample, not per pixel. */
function blendRow(data: Uint8Array, row: number, { first, second, weight }: LinearTaps, out: Int32Array): void {
  for (let i = 0; i < out.length; i++) {
    const a = data[row + first[i]];
    out[i] = (a * WEIGHT_ONE + (data[row + second[i]] - a) * weight[i]) >> 4;
  }
}

/** Taps of pixels to taps of the samples of interleaved channels, so that the inner loop is one flat pass. */
function perSample({ first, second, weight }: LinearTaps, channels: number): LinearTaps {
  const count = first.length * channels;
  const taps = { first: new Int32Array(count), second: new Int32Array(count), weight: new Int32Array(count) };
  for (let pixel = 0, i = 0; pixel < first.length; pixel++) {
    for (let c = 0; c < channels; c++, i++) {
      taps.first[i] = first[pixel] * channels + c;
      taps.second[i] = second[pixel] * channels + c;
      taps.weight[i] = weight[pixel];
    }
  }
  return taps;
}
