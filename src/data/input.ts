import type { Raster, Size } from "./raster.ts";
import { keepRatioSize, resizeBilinear } from "./resize.ts";
import { type PerChannel, normalize } from "./transforms.ts";

/** How a whole image reaches a network: the official test pipeline, training's at a scale of 1. */
export interface InputOptions {
  /** Size of the network's input; the image's own where absent. */
  readonly size?: Size;
  /** Fit the image into `size` instead of filling it exactly. */
  readonly keepRatio?: boolean;
  readonly mean: PerChannel;
  readonly std: PerChannel;
}

/** RGB `[height, width, 3]` -> what the network sees of it, `[h, w, 3]`. */
export function networkInput(image: Raster<Uint8Array>, options: InputOptions): Raster<Float32Array> {
  const { size, keepRatio = false, mean, std } = options;
  const own: Size = [image.height, image.width];
  const target = size && keepRatio ? keepRatioSize(own, size) : (size ?? own);
  return normalize(resizeBilinear(image, target), { mean, std });
}
