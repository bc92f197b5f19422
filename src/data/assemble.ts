/** From decoded samples to a batch to train on. */
import { augment } from "./augment.ts";
import type { Augmentation } from "./augment.ts";
import { PURPOSE, Random } from "./random.ts";
import type { Sample } from "./sample.ts";

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
