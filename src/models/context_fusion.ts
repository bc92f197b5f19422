import { concat } from "../ops/concat.ts";
import { convBnAct } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { FeaturePyramid } from "./fpn.ts";
import { SelfAttentionBlock } from "./self_attention.ts";

export interface ContextFusionOptions {
  /** C, the width of representations and within-image context. */
  readonly featsChannels: number;
  readonly transformChannels: number;
  readonly outChannels: number;
  /** Whether there is a within-image context; without one nothing is left to fuse. */
  readonly hasContext: boolean;
  /** Joins what the representations find in the context by attention; otherwise the context as it is. Default true. */
  readonly contextAttention?: boolean;
  /**
   * `official`: representations and memory, then that and the context, each by a convolution. `concat3`: all three by a
   * single one, as the paper draws it. Default official.
   */
  readonly fusion?: "official" | "concat3";
  /** Channels of finer maps, the finest first, that a feature pyramid adds to what is joined. Default none. */
  readonly finerChannels?: readonly number[];
  /** 1x1 convolutions per projection of queries and keys. Default 2. */
  readonly keyQueryConvs?: number;
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
  /** How maps of a pyramid are resized. Default false. */
  readonly alignCorners?: boolean;
}

/** What an image says about itself. */
export interface ImageContext {
  /** [n, h, w, C]. */
  readonly map: Tensor;
  /** Of the channels that `finerChannels` names. */
  readonly finer: readonly Tensor[];
}

/**
 * Joins the within-image context to what the network knows besides: attention from the representations to the context,
 * then a 3x3 convolution over both (steps 9 and 10 of METHOD.md 1.3). With a pyramid both are its top, and the
 * convolution sees all of its levels at the finest resolution (METHOD.md 3.5, UPerNet).
 */
export class ContextFusion extends Module {
  readonly #attention: SelfAttentionBlock | null = null;
  readonly #pyramid: FeaturePyramid | null = null;
  readonly #bottleneck: Sequential | null = null;
  readonly #inOneStep: boolean;

  /** @param besideChannels width of all that the context is joined to */
  constructor(options: ContextFusionOptions, besideChannels: number) {
    super();
    const { featsChannels, outChannels, slope, contextAttention = true, finerChannels = [], alignCorners } = options;
    this.#inOneStep = options.fusion === "concat3";
    if (!options.hasContext) return;
    if (contextAttention) this.#attention = this.child("self_attention_ms", memoryAttention(options));
    let channels = featsChannels + besideChannels;
    if (finerChannels.length > 0) {
      const widths = { inChannels: finerChannels, topChannels: channels, outChannels: featsChannels };
      this.#pyramid = new FeaturePyramid({ ...widths, slope, alignCorners });
      this.child("lateral_convs", this.#pyramid.laterals);
      this.child("fpn_convs", this.#pyramid.smoothing);
      channels = this.#pyramid.channels;
    }
    const name = this.#inOneStep ? "bottleneck" : "bottleneck_ms";
    this.#bottleneck = this.child(name, convBnAct(channels, outChannels, 3, { slope }));
  }

  /**
   * feats [n, h, w, C] and the maps beside, of besideChannels together -> [n, h', w', outChannels] at the resolution of
   * the finest map: theirs, without pyramid. Without context there is one map beside, which is the result.
   */
  fuse(feats: Tensor, context: ImageContext | null, beside: readonly Tensor[], watch: Watch = unwatched): Tensor {
    if (!this.#bottleneck) return beside[0];
    if (!context) throw new Error("This network was built with a within-image context, but none was given to fuse");
    const attended = this.#attention
      ? watch("attended_feats_ms", this.#attention.forward(feats, context.map))
      : context.map;
    const joined = concat(this.#inOneStep ? [...beside, attended] : [attended, ...beside], -1);
    return this.#bottleneck.forwardBlock(this.#pyramid?.forward(context.finer, joined) ?? joined);
  }
}

/** The attention block as both places of the network use it. */
export function memoryAttention(options: ContextFusionOptions): SelfAttentionBlock {
  const { featsChannels, transformChannels, keyQueryConvs, slope } = options;
  const widths = { queryInChannels: featsChannels, keyInChannels: featsChannels, outChannels: featsChannels };
  return new SelfAttentionBlock({ ...widths, transformChannels, keyQueryConvs, slope });
}
