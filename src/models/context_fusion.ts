import { concat } from "../ops/concat.ts";
import { convBnAct } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { SelfAttentionBlock } from "./self_attention.ts";

export interface ContextFusionOptions {
  /** C, the width of representations and within-image context. */
  readonly featsChannels: number;
  readonly transformChannels: number;
  readonly outChannels: number;
  /** Whether there is a within-image context; without one nothing is left to fuse. */
  readonly hasContext: boolean;
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
}

/**
 * Joins the within-image context to what the network knows besides: attention from the representations to the context,
 * then a 3x3 convolution over both (steps 11 and 12 of spec section 1.3).
 */
export class ContextFusion extends Module {
  readonly #attention: SelfAttentionBlock | null = null;
  readonly #bottleneck: Sequential | null = null;

  /** @param besideChannels width of what the context is joined to */
  constructor(options: ContextFusionOptions, besideChannels: number) {
    super();
    if (!options.hasContext) return;
    const { featsChannels, outChannels, slope } = options;
    this.#attention = this.child("self_attention_ms", memoryAttention(options));
    this.#bottleneck = this.child(
      "bottleneck_ms",
      convBnAct(featsChannels + besideChannels, outChannels, 3, { slope }),
    );
  }

  /** feats and context [n, h, w, C], beside [n, h, w, besideChannels] -> [n, h, w, outChannels], or `beside` itself. */
  fuse(feats: Tensor, context: Tensor | null, beside: Tensor, watch: Watch = unwatched): Tensor {
    if (!this.#attention || !this.#bottleneck) return beside;
    if (!context) throw new Error("This network was built with a within-image context, but none was given to fuse");
    const attended = watch("attended_feats_ms", this.#attention.forward(feats, context));
    return this.#bottleneck.forwardBlock(concat([attended, beside], -1));
  }
}

/** The attention block as both places of the network use it. */
export function memoryAttention({ featsChannels, transformChannels, slope }: ContextFusionOptions): SelfAttentionBlock {
  const widths = { queryInChannels: featsChannels, keyInChannels: featsChannels, outChannels: featsChannels };
  return new SelfAttentionBlock({ ...widths, transformChannels, slope });
}
