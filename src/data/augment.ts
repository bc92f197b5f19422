import { IGNORE_INDEX } from "./label_tables.ts";
import { distort, randomDistortion } from "./photometric.ts";
import type { Random } from "./random.ts";
import type { Raster, Size } from "./raster.ts";
import { keepRatioSize, resizeBilinear, resizeNearest } from "./resize.ts";
import type { Sample } from "./sample.ts";
import { flipHorizontal, normalize, pad, type PerChannel, randomCropWindow } from "./transforms.ts";

/** The random part of the training pipeline, and the statistics it ends with. */
export interface Augmentation {
  /** Size of every result; what the image does not cover is the mean colour and ignored. */
  readonly crop: Size;
  /** Bounds of the random factor on the size. */
  readonly scaleRange: readonly [low: number, high: number];
  /** The size that a factor of 1 fits the image into, keeping its ratio; its own size where absent. */
  readonly baseSize?: Size;
  /** Crops that one class covers to this share or more are tried again. */
  readonly oneCategoryMaxRatio: number;
  /** Probability of mirroring. */
  readonly flip: number;
  /** Distort brightness, contrast, saturation and hue. */
  readonly photometric: boolean;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/**
 * The official training pipeline in its order: resize, crop, flip, distort, normalise, pad. Only the crop's window is
 * ever resized, which gives the same bytes as resizing everything first.
 *
 * @returns image `[h, w, 3]` of normalised RGB and label `[h, w]` of train ids, h x w = `crop`
 */
export function augment(
  sample: Sample,
  { crop, scaleRange, baseSize, oneCategoryMaxRatio, flip, photometric, mean, std }: Augmentation,
  random: Random,
): { image: Raster<Float32Array>; label: Raster<Uint8Array> } {
  const { height, width } = sample;
  const scale = random.uniform(...scaleRange);
  const base = baseSize ?? [height, width];
  const target = [Math.trunc(base[0] * scale), Math.trunc(base[1] * scale)] as const;
  const size = keepRatioSize([height, width], target);

  const source = { height, width, channels: 1, data: sample.label };
  const rule = { size: crop, oneCategoryMaxRatio, ignoreIndex: IGNORE_INDEX };
  const window = randomCropWindow(size, rule, (candidate) => resizeNearest(source, size, candidate).data, random);
  let label = resizeNearest(source, size, window);
  let image = resizeBilinear({ height, width, channels: 3, data: sample.image }, size, window);

  if (random.uniform(0, 1) < flip) {
    label = flipHorizontal(label);
    image = flipHorizontal(image);
  }
  if (photometric) distort(image.data, randomDistortion(random));
  return {
    image: pad(normalize(image, { mean, std }), { size: crop, fill: 0 }),
    label: pad(label, { size: crop, fill: IGNORE_INDEX }),
  };
}
