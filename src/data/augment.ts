import { IGNORE_INDEX } from "./label_tables.ts";
import { distort, randomDistortion } from "./photometric.ts";
import type { Random } from "./random.ts";
import type { Raster, Size } from "./raster.ts";
import { keepRatioSize, resizeBilinear, resizeNearest } from "./resize.ts";
import { rotateBicubic, rotateNearest } from "./rotate.ts";
import type { Sample } from "./sample.ts";
import { flipHorizontal, normalize, pad, randomCropWindow, swapLabels } from "./transforms.ts";
import type { FlipPairs, PerChannel } from "./transforms.ts";

/** Turning about the centre; what comes in from outside is black and ignored. */
export interface Rotation {
  readonly probability: number;
  /** Whole degrees; angles are drawn from -degrees to degrees - 1, both included. */
  readonly degrees: number;
}

/** The random part of the training pipeline, and the statistics it ends with. */
export interface Augmentation {
  /** Size of every result; what the image does not cover is the mean colour and ignored. */
  readonly crop: Size;
  /** Bounds of the random factor on the size. */
  readonly scaleRange: readonly [low: number, high: number];
  /** The size that a factor of 1 makes of the image; its own size where absent. */
  readonly baseSize?: Size;
  /** Fit the image into that size instead of filling it exactly. Default true. */
  readonly keepRatio?: boolean;
  /** Crops that one class covers to this share or more are tried again. */
  readonly oneCategoryMaxRatio: number;
  /** Probability of mirroring. */
  readonly flip: number;
  /** Train ids that mirroring exchanges. */
  readonly flipPairs?: FlipPairs;
  readonly rotate?: Rotation;
  /** Distort brightness, contrast, saturation and hue. */
  readonly photometric: boolean;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/**
 * The official training pipeline in its order: resize, crop, flip, rotate, distort, normalise, pad. Only the crop's
 * window is ever resized, which gives the same bytes as resizing everything first. A step that is switched off draws no
 * random numbers.
 *
 * @returns image `[h, w, 3]` of normalised RGB and label `[h, w]` of train ids, h x w = `crop`
 */
export function augment(
  sample: Sample,
  augmentation: Augmentation,
  random: Random,
): { image: Raster<Float32Array>; label: Raster<Uint8Array> } {
  const { crop, scaleRange, baseSize, keepRatio = true, oneCategoryMaxRatio, photometric, mean, std } = augmentation;
  const { flip, flipPairs = [], rotate = { probability: 0, degrees: 0 } } = augmentation;
  const { height, width } = sample;
  const scale = random.uniform(...scaleRange);
  const base = baseSize ?? [height, width];
  const target = [Math.trunc(base[0] * scale), Math.trunc(base[1] * scale)] as const;
  const filled = [Math.max(1, target[0]), Math.max(1, target[1])] as const;
  const size = keepRatio ? keepRatioSize([height, width], target) : filled;

  const source = { height, width, channels: 1, data: sample.label };
  const rule = { size: crop, oneCategoryMaxRatio, ignoreIndex: IGNORE_INDEX };
  const window = randomCropWindow(size, rule, (candidate) => resizeNearest(source, size, candidate).data, random);
  let label = resizeNearest(source, size, window);
  let image = resizeBilinear({ height, width, channels: 3, data: sample.image }, size, window);

  if (random.uniform(0, 1) < flip) {
    label = swapLabels(flipHorizontal(label), flipPairs);
    image = flipHorizontal(image);
  }
  if (rotate.probability > 0 && random.uniform(0, 1) < rotate.probability) {
    const angle = random.integer(-rotate.degrees, rotate.degrees);
    label = rotateNearest(label, angle, IGNORE_INDEX);
    image = rotateBicubic(image, angle);
  }
  if (photometric) distort(image.data, randomDistortion(random));
  return {
    image: pad(normalize(image, { mean, std }), { size: crop, fill: 0 }),
    label: pad(label, { size: crop, fill: IGNORE_INDEX }),
  };
}
