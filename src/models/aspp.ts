import { concat } from "../ops/concat.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ModuleList, Sequential, activation, convBnAct } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface AsppOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** One branch each: 1x1 for dilation 1, dilated 3x3 above. */
  readonly dilations: readonly number[];
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
  readonly alignCorners?: boolean;
}

/**
 * Atrous spatial pyramid pooling (Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation"):
 * branches of different dilation and one of the global mean, concatenated and fused by a 3x3 convolution.
 * [n, h, w, inChannels] -> [n, h, w, outChannels]. Training needs a batch of at least 2, since the global branch has
 * one value per image and channel.
 */
export class Aspp extends Layer {
  readonly #branches: ModuleList<Sequential>;
  readonly #global: Sequential;
  readonly #bottleneck: Sequential;
  readonly #alignCorners: boolean;

  constructor({ inChannels, outChannels, dilations, slope = 0, alignCorners = false }: AsppOptions) {
    super();
    const branches = dilations.map((dilation) =>
      convBnAct(inChannels, outChannels, dilation === 1 ? 1 : 3, { slope, dilation }),
    );
    const globalBranch = [
      new AdaptiveAvgPool2d(1),
      new Conv2d(inChannels, outChannels, 1, { bias: false }),
      new BatchNorm2d(outChannels),
      activation(slope),
    ];
    this.#branches = this.child("parallel_branches", new ModuleList(branches));
    this.#global = this.child("global_branch", new Sequential(...globalBranch));
    this.#bottleneck = this.child(
      "bottleneck",
      convBnAct(outChannels * (dilations.length + 1), outChannels, 3, { slope }),
    );
    this.#alignCorners = alignCorners;
  }

  forward(x: Tensor): Tensor {
    const size: Pair = [x.shape[1], x.shape[2]];
    const local = this.#branches.modules.map((branch) => branch.forwardBlock(x));
    const spread = interpolateBilinear(this.#global.forwardBlock(x), { size, alignCorners: this.#alignCorners });
    return this.#bottleneck.forwardBlock(concat([...local, spread], -1));
  }
}
