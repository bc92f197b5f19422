import { emptyLike, type Raster, type Samples } from "./raster.ts";

/**
 * Rotation about the centre at the same size, as OpenCV's warpAffine does it, which the official pipeline uses:
 * positions are fixed-point numbers, and interpolation knows 32 places between two pixels.
 */

/** Fraction bits of positions, and of the places between pixels. */
const POSITION_BITS = 10;
const PLACE_BITS = 5;
const PLACES = 1 << PLACE_BITS;

/** Where every pixel of the result comes from. */
interface Sources {
  /** Column and row in the source, as integers of `bits` fraction bits, rounded. */
  at(x: number, y: number): readonly [x: number, y: number];
}

/**
 * Positive angles turn counter-clockwise, as seen. The centre is (width / 2, height / 2) in coordinates of pixel
 * centres: half a pixel right of and below the middle, as in the official pipeline.
 */
function sources(height: number, width: number, degrees: number, bits: number): Sources {
  const one = 1 << POSITION_BITS;
  const shift = POSITION_BITS - bits;
  const half = 1 << (shift - 1);
  const radians = (degrees * Math.PI) / 180;
  const [cos, sin] = [Math.cos(radians), Math.sin(radians)];
  const [centerX, centerY] = [width / 2, height / 2];
  // The inverse of the rotation: a pixel (x, y) comes from (cos x - sin y + dx, sin x + cos y + dy).
  const dx = centerX - cos * centerX + sin * centerY;
  const dy = centerY - sin * centerX - cos * centerY;
  const fixed = (value: number): number => Math.round(value * one);
  return {
    at: (x, y) => [
      (fixed(cos * x) + fixed(dx - sin * y) + half) >> shift,
      (fixed(sin * x) + fixed(dy + cos * y) + half) >> shift,
    ],
  };
}

/** Nearest neighbour; what lies outside becomes `fill`. */
export function rotateNearest<T extends Samples>(
  { height, width, channels, data }: Raster<T>,
  degrees: number,
  fill: number,
): Raster<T> {
  const { at } = sources(height, width, degrees, 0);
  const out = emptyLike(data, data.length).fill(fill) as T;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = at(x, y);
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) continue;
      for (let c = 0; c < channels; c++) {
        out[(y * width + x) * channels + c] = data[(fromY * width + fromX) * channels + c];
      }
    }
  }
  return { height, width, channels, data: out };
}

/** Bicubic; what lies outside is 0. Within one grey level of OpenCV, whose weights are rounded. */
export function rotateBicubic(
  { height, width, channels, data }: Raster<Uint8Array>,
  degrees: number,
): Raster<Uint8Array> {
  const { at } = sources(height, width, degrees, PLACE_BITS);
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = at(x, y);
      const [left, top] = [(fromX >> PLACE_BITS) - 1, (fromY >> PLACE_BITS) - 1];
      if (left <= -TAPS || top <= -TAPS || left >= width || top >= height) continue;
      const across = (fromX & (PLACES - 1)) * TAPS;
      const down = (fromY & (PLACES - 1)) * TAPS;
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let i = Math.max(0, -top); i < TAPS && top + i < height; i++) {
          let row = 0;
          const start = ((top + i) * width + left) * channels + c;
          for (let j = Math.max(0, -left); j < TAPS && left + j < width; j++) {
            row += CUBIC[across + j] * data[start + j * channels];
          }
          sum += CUBIC[down + i] * row;
        }
        out[(y * width + x) * channels + c] = Math.min(Math.max(Math.floor(sum + 0.5), 0), 255);
      }
    }
  }
  return { height, width, channels, data: out };
}

const TAPS = 4;

/** Weights of the four neighbours at each place: Keys' cubic convolution with the sharpness -0.75. */
const CUBIC = Float64Array.from({ length: PLACES * TAPS }, (_, i) => {
  const distance = Math.abs(Math.floor(i / TAPS) / PLACES + 1 - (i % TAPS));
  const sharpness = -0.75;
  if (distance <= 1) return ((sharpness + 2) * distance - (sharpness + 3)) * distance * distance + 1;
  return (((distance - 5) * distance + 8) * distance - 4) * sharpness;
});
