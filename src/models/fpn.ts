import { concat } from "../ops/concat.ts";
import { add } from "../ops/elementwise.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { ModuleList, convBnAct } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface FeaturePyramidOptions {
  /** Channels of the maps below the top, the finest first. */
  readonly inChannels: readonly number[];
  /** Of the top, which the others are brought to. */
  readonly topChannels: number;
  /** Of each map below the top, in the result. */
  readonly outChannels: number;
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
  readonly alignCorners?: boolean;
}

/**
 * The feature pyramid of UPerNet (Xiao et al., "Unified Perceptual Parsing for Scene Understanding"): from the top down
 * each map is resized and added to a 1x1 convolution of the next finer one; those sums pass a 3x3 convolution, and all
 * are put side by side at the finest resolution. Its owner makes `laterals` and `smoothing` children of its own, by
 * their official names `lateral_convs` and `fpn_convs`.
 */
export class FeaturePyramid {
  readonly laterals: ModuleList<Sequential>;
  readonly smoothing: ModuleList<Sequential>;
  /** Of the result. */
  readonly channels: number;
  readonly #alignCorners: boolean;

  constructor({ inChannels, topChannels, outChannels, slope = 0, alignCorners = false }: FeaturePyramidOptions) {
    this.laterals = new ModuleList(inChannels.map((channels) => convBnAct(channels, topChannels, 1, { slope })));
    this.smoothing = new ModuleList(inChannels.map(() => convBnAct(topChannels, outChannels, 3, { slope })));
    this.channels = inChannels.length * outChannels + topChannels;
    this.#alignCorners = alignCorners;
  }

  /** Maps [n, h, w, inChannels], finest first, and top [n, h', w', topChannels] -> [n, h, w, channels]. */
  forward(maps: readonly Tensor[], top: Tensor): Tensor {
    const levels = [top];
    for (let i = maps.length - 1; i >= 0; i--) {
      const lateral = this.laterals.modules[i].forwardBlock(maps[i]);
      levels.unshift(add(lateral, this.#resize(levels[0], lateral)));
    }
    const smoothed = levels.map((level, i) => this.smoothing.modules[i]?.forwardBlock(level) ?? level);
    return concat(smoothed.map((level) => this.#resize(level, smoothed[0])), -1);
  }

  #resize(x: Tensor, { shape: [, h, w] }: Tensor): Tensor {
    if (x.shape[1] === h && x.shape[2] === w) return x;
    return interpolateBilinear(x, { size: [h, w], alignCorners: this.#alignCorners });
  }
}
