import type { Sequential } from "../nn/layers.ts";
import { convBnAct } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Baseline } from "./baseline.ts";
import type { BaselineOptions } from "./baseline.ts";
import { ObjectContext } from "./object_context.ts";

/** Of `OcrNet`. */
export interface OcrNetOptions extends BaselineOptions {
  readonly transformChannels: number;
}

/** Object context of the last map, reduced, from what the last auxiliary head says; then the classifier. */
export class OcrNet extends Baseline {
  protected readonly decoder: Sequential;
  protected override readonly needsAuxiliary = true;
  readonly #bottleneck: Sequential;
  readonly #context: ObjectContext;

  constructor(options: OcrNetOptions, random: RandomState) {
    super(options, random);
    if (!options.auxiliary) throw new Error("OCRNet needs an auxiliary head");
    const { channels, transformChannels, headSlope: slope, alignCorners } = options;
    this.#bottleneck = this.child("bottleneck", convBnAct(this.lastChannels, channels, 3, { slope }));
    const context = new ObjectContext({ channels, transformChannels, slope, alignCorners });
    this.#context = this.child("object_context_block", context);
    this.decoder = this.decode(options, { inChannels: channels, kernel: 1, convs: 0 }, random);
  }

  protected neck(maps: readonly Tensor[], auxiliary: readonly Tensor[]): Tensor {
    const feats = this.#bottleneck.forwardBlock(maps[maps.length - 1]);
    return this.#context.augment(feats, auxiliary[auxiliary.length - 1]);
  }
}
