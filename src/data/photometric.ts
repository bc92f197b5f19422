import type { Random } from "./random.ts";

/**
 * Photometric distortion of 8-bit RGB, as the official pipeline does it: brightness, contrast, saturation and hue, each
 * with probability one half, each clipping to 0..255 and truncating to an integer.
 */

/** What will be done to one image; absent steps are skipped. */
export interface Distortion {
  /** Added to every value. */
  readonly brightness?: number;
  /** Factor on every value. */
  readonly contrast?: number;
  /** Contrast comes before saturation and hue instead of after them. */
  readonly contrastFirst: boolean;
  /** Factor on the S of HSV. */
  readonly saturation?: number;
  /** Added to the H of HSV, in units of two degrees. */
  readonly hue?: number;
}

/** Draws a distortion with the official ranges. */
export function randomDistortion(random: Random): Distortion {
  return {
    brightness: random.coin() ? random.uniform(-32, 32) : undefined,
    contrastFirst: random.coin(),
    contrast: random.coin() ? random.uniform(0.5, 1.5) : undefined,
    saturation: random.coin() ? random.uniform(0.5, 1.5) : undefined,
    hue: random.coin() ? random.integer(-18, 18) : undefined,
  };
}

/** Distorts interleaved RGB in place. */
export function distort(rgb: Uint8Array, { brightness, contrast, contrastFirst, saturation, hue }: Distortion): void {
  const before: ((value: number) => number)[] = [];
  if (brightness !== undefined) before.push((value) => value + brightness);
  if (contrast !== undefined && contrastFirst) before.push((value) => value * contrast);
  mapValues(rgb, before);
  if (saturation !== undefined) distortSaturation(rgb, saturation);
  if (hue !== undefined) distortHue(rgb, hue);
  if (contrast !== undefined && !contrastFirst) mapValues(rgb, [(value) => value * contrast]);
}

const toByte = (value: number): number => Math.min(Math.max(Math.trunc(value), 0), 255);

function mapValues(rgb: Uint8Array, steps: readonly ((value: number) => number)[]): void {
  if (steps.length === 0) return;
  const table = Uint8Array.from({ length: 256 }, (_, value) => steps.reduce((v, step) => toByte(step(v)), value));
  for (let i = 0; i < rgb.length; i++) rgb[i] = table[rgb[i]];
}

function distortSaturation(rgb: Uint8Array, factor: number): void {
  const table = Uint8Array.from({ length: 256 }, (_, s) => toByte(s * factor));
  mapHsv(rgb, HUES, table);
}

function distortHue(rgb: Uint8Array, shift: number): void {
  mapHsv(rgb, HUES.map((h) => (h + shift + HUE_RANGE) % HUE_RANGE), BYTES);
}

/** OpenCV's 8-bit hue counts 0..179, two degrees each. */
const HUE_RANGE = 180;
const HUES = Uint8Array.from({ length: HUE_RANGE }, (_, h) => h);
const BYTES = Uint8Array.from({ length: 256 }, (_, value) => value);

/** Fixed-point bits of OpenCV's integer RGB -> HSV. */
const HSV_BITS = 12;
const HALF = 1 << (HSV_BITS - 1);
const SATURATION_DIVISOR = Int32Array.from({ length: 256 }, (_, v) => (v ? Math.round((255 << HSV_BITS) / v) : 0));
const HUE_DIVISOR = Int32Array.from({ length: 256 }, (_, d) => (d ? Math.round((HUE_RANGE << HSV_BITS) / (6 * d)) : 0));

/** To 8-bit HSV (OpenCV's integer arithmetic), hue and saturation through tables, and back, in place. */
function mapHsv(rgb: Uint8Array, hues: Uint8Array, saturations: Uint8Array): void {
  for (let i = 0; i < rgb.length; i += 3) {
    const r = rgb[i];
    const g = rgb[i + 1];
    const b = rgb[i + 2];
    const v = Math.max(r, g, b);
    const range = v - Math.min(r, g, b);
    const s = (range * SATURATION_DIVISOR[v] + HALF) >> HSV_BITS;
    const sixths = v === r ? g - b : v === g ? b - r + 2 * range : r - g + 4 * range;
    const h = (sixths * HUE_DIVISOR[range] + HALF) >> HSV_BITS;

    const newHue = hues[h < 0 ? h + HUE_RANGE : h];
    const sector = Math.floor(newHue / 30);
    const fraction = newHue / 30 - sector;
    const saturation = saturations[s] / 255;
    const low = Math.round(v * (1 - saturation));
    const falling = Math.round(v * (1 - saturation * fraction));
    const rising = Math.round(v * (1 - saturation * (1 - fraction)));
    // The six sectors of the colour circle: which of R, G, B is largest, smallest, and on its way.
    rgb[i] = sector === 0 || sector === 5 ? v : sector === 1 ? falling : sector === 4 ? rising : low;
    rgb[i + 1] = sector === 1 || sector === 2 ? v : sector === 3 ? falling : sector === 0 ? rising : low;
    rgb[i + 2] = sector === 3 || sector === 4 ? v : sector === 5 ? falling : sector === 2 ? rising : low;
  }
}
