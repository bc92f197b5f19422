import type { Sequential } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { decoder } from "./decoder.ts";
import type { DecoderOptions } from "./decoder.ts";
import { Segmentor } from "./segmentor.ts";
import type { LossOptions, LossTerms, Prediction, SegmentorOptions, TrainingBatch } from "./segmentor.ts";

/** What the networks without memory have in common. */
export interface BaselineOptions extends SegmentorOptions {
  /** Width of the head. */
  readonly channels: number;
  /** Probability of Dropout2d in front of the classifier. */
  readonly dropout: number;
}

/** What MCIBI is compared with: a head without memory, as the official toolbox builds it (METHOD.md 3.7). */
export abstract class Baseline extends Segmentor {
  protected abstract readonly decoder: Sequential;

  /** What the decoder sees, made of the same as in `head`. */
  protected abstract neck(maps: readonly Tensor[], auxiliary: readonly Tensor[]): Tensor;

  /** Watched: `preds`. */
  protected head(maps: readonly Tensor[], auxiliary: readonly Tensor[], watch: Watch): Prediction {
    return { logits: watch("preds", this.decoder.forwardBlock(this.neck(maps, auxiliary))) };
  }

  protected headTerms({ logits }: Prediction, batch: TrainingBatch, options: LossOptions): LossTerms {
    return new Map([["loss_cls", this.supervise(logits, options.stage2, batch, options)]]);
  }

  /** The child `decoder`: convolutions, dropout, classifier. */
  protected decode(
    { numClasses, channels, dropout, headSlope: slope }: BaselineOptions,
    layers: Pick<DecoderOptions, "inChannels" | "kernel" | "convs">,
    random: RandomState,
  ): Sequential {
    return this.classifier("decoder", decoder({ numClasses, channels, dropout, slope, ...layers }, random));
  }
}
