import { concat } from "../ops/concat.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/shape_ops.ts";
import { softmax } from "../ops/softmax.ts";
import { convBnAct } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { SelfAttentionBlock } from "./self_attention.ts";

export interface ObjectContextOptions {
  readonly channels: number;
  readonly transformChannels: number;
  /** 1x1 convolutions per projection of queries and keys. Default 2. */
  readonly keyQueryConvs?: number;
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
  readonly alignCorners?: boolean;
}

/**
 * Object-contextual representations (Yuan et al., "Object-Contextual Representations for Semantic Segmentation"): every
 * pixel attends to one vector per class, which coarse logits gather from the features (METHOD.md 3.5).
 */
export class ObjectContext extends SelfAttentionBlock {
  readonly #bottleneck: Sequential;
  readonly #alignCorners: boolean;

  constructor({ channels, transformChannels, keyQueryConvs, slope, alignCorners = false }: ObjectContextOptions) {
    const widths = { queryInChannels: channels, keyInChannels: channels, outChannels: channels };
    super({ ...widths, transformChannels, keyQueryConvs, slope });
    this.#bottleneck = this.child("bottleneck", convBnAct(2 * channels, channels, 3, { slope }));
    this.#alignCorners = alignCorners;
  }

  /** feats [n, h, w, channels] and coarse logits [n, h', w', K], resized where they differ -> [n, h, w, channels]. */
  augment(feats: Tensor, logits: Tensor): Tensor {
    const [, h, w] = feats.shape;
    const isThere = logits.shape[1] === h && logits.shape[2] === w;
    const coarse = isThere ? logits : interpolateBilinear(logits, { size: [h, w], alignCorners: this.#alignCorners });
    const context = this.forward(feats, gatherObjects(feats, coarse));
    return this.#bottleneck.forwardBlock(concat([context, feats], -1));
  }
}

/** The mean of feats [n, h, w, C] for every class, weighted by its logits' softmax over all pixels: [n, K, 1, C]. */
export function gatherObjects(feats: Tensor, logits: Tensor): Tensor {
  const [n, h, w, channels] = feats.shape;
  const classes = logits.shape[3];
  const weights = softmax(reshape(logits, [n, h * w, classes]), 1);
  const objects = matmul(weights, reshape(feats, [n, h * w, channels]), { transposeA: true });
  return reshape(objects, [n, classes, 1, channels]);
}
