/** From decoded samples to what networks take, in training and in evaluation. */
import { augment } from "./augment.ts";
import type { Augmentation } from "./augment.ts";
import { PURPOSE, Random } from "./random.ts";
import type { Raster, Size } from "./raster.ts";
import { keepRatioSize, resizeBilinear } from "./resize.ts";
import type { Sample } from "./sample.ts";
import { normalize } from "./transforms.ts";
import type { PerChannel } from "./transforms.ts";

/** How the samples of a batch are augmented. */
export interface BatchPlan {
  readonly augmentation: Augmentation;
  readonly seed: number;
  readonly epoch: number;
  /** Position of the first sample in the epoch: what its random numbers depend on. */
  readonly position: number;
}

/** Normalised RGB `[n, h, w, 3]`, and train ids and IGNORE_INDEX `[n, h, w]`. */
export function assembleBatch(samples: readonly Sample[], { augmentation, seed, epoch, position }: BatchPlan) {
  const [height, width] = augmentation.crop;
  const area = height * width;
  const images = new Float32Array(samples.length * area * 3);
  const labels = new Int32Array(samples.length * area);
  for (const [i, sample] of samples.entries()) {
    const random = new Random(seed, epoch, position + i, PURPOSE.augment);
    const { image, label } = augment(sample, augmentation, random);
    images.set(image.data, i * area * 3);
    labels.set(label.data, i * area);
  }
  return { images, labels };
}

/** How an image reaches the network in evaluation. */
export interface InputOptions {
  /** Size of the network's input; the image's own where absent. */
  readonly size?: Size;
  /** Fit into `size` instead of filling it. */
  readonly keepRatio: boolean;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/** Normalised RGB `[h, w, 3]`. */
export function networkInput(
  { height, width, image }: Pick<Sample, "height" | "width" | "image">,
  { size, keepRatio, mean, std }: InputOptions,
): Raster<Float32Array> {
  const own: Size = [height, width];
  const target = size && keepRatio ? keepRatioSize(own, size) : (size ?? own);
  return normalize(resizeBilinear({ height, width, channels: 3, data: image }, target), { mean, std });
}
