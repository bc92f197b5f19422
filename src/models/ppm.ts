import { concat } from "../ops/concat.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, ModuleList, Sequential, activation, convBnAct } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface PyramidPoolingOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  /** Bins per axis, one branch each. */
  readonly poolScales: readonly number[];
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
  readonly alignCorners?: boolean;
}

/**
 * The pyramid pooling module (Zhao et al., "Pyramid Scene Parsing Network"): the input and its means over coarse grids,
 * concatenated and fused by a 3x3 convolution. [n, h, w, inChannels] -> [n, h, w, outChannels].
 */
export class PyramidPooling extends Layer {
  readonly #branches: ModuleList<Sequential>;
  readonly #bottleneck: Sequential;
  readonly #alignCorners: boolean;

  constructor({ inChannels, outChannels, poolScales, slope = 0, alignCorners = false }: PyramidPoolingOptions) {
    super();
    const branches = poolScales.map(
      (scale) =>
        new Sequential(
          new AdaptiveAvgPool2d(scale),
          new Conv2d(inChannels, outChannels, 1, { bias: false }),
          new BatchNorm2d(outChannels),
          activation(slope),
        ),
    );
    this.#branches = this.child("branches", new ModuleList(branches));
    this.#bottleneck = this.child(
      "bottleneck",
      convBnAct(inChannels + outChannels * poolScales.length, outChannels, 3, { slope }),
    );
    this.#alignCorners = alignCorners;
  }

  forward(x: Tensor): Tensor {
    const size: Pair = [x.shape[1], x.shape[2]];
    const pooled = this.#branches.modules.map((branch) =>
      interpolateBilinear(branch.forwardBlock(x), { size, alignCorners: this.#alignCorners }),
    );
    return this.#bottleneck.forwardBlock(concat([x, ...pooled], -1));
  }
}
