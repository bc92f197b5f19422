import type { Config } from "../config/config.ts";
import type { LoaderOptions } from "../data/loader.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";

/** Batches prepared beyond the one in use. */
const AHEAD = 2;

/** How a run of this configuration loads its training images. */
export function loaderOptions({ data, train }: Config): LoaderOptions {
  const { size, keepRatio, crop, scaleRange, oneCategoryMaxRatio, flip, rotate, photometric, workers, cacheMiB } = data;
  const resizing = { baseSize: size, keepRatio, scaleRange };
  const augmentation = { ...resizing, crop, oneCategoryMaxRatio, flip, rotate, photometric };
  const statistics = { mean: IMAGENET_MEAN, std: IMAGENET_STD };
  const order = { batchSize: train.batchSize, seed: train.seed, shuffle: true, dropLast: true };
  return { ...augmentation, ...statistics, ...order, workers, cacheMiB, ahead: AHEAD };
}
