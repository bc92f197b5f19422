import { noGrad } from "../autograd/tape.ts";
import { reshape } from "../ops/shape_ops.ts";
import { convBnAct, withFrozenStatistics } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import { prototypeLoss } from "../nn/losses.ts";
import type { Layer } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Aspp } from "./aspp.ts";
import { ContextFusion } from "./context_fusion.ts";
import type { ContextFusionOptions } from "./context_fusion.ts";
import { decoder } from "./decoder.ts";
import { FeatureMemory } from "./memory_module.ts";
import type { FeatureMemoryOptions } from "./memory_module.ts";
import { ObjectContext } from "./object_context.ts";
import { PyramidPooling } from "./ppm.ts";
import { Segmentor } from "./segmentor.ts";
import type { LossOptions, LossTerms, Prediction, SegmentorOptions, TrainingBatch, TrainingStep } from "./segmentor.ts";

/**
 * Where the within-image context comes from: nowhere (FCN); pyramid pooling; an atrous pyramid; objects that the last
 * auxiliary head finds (OCR); pyramid pooling that, joined with the rest, is the top of a feature pyramid (UPerNet).
 */
export type HostOptions =
  | { readonly type: "fcn" }
  | { readonly type: "aspp"; readonly dilations: readonly number[] }
  | { readonly type: "ppm"; readonly poolScales: readonly number[] }
  | { readonly type: "ocr" }
  | { readonly type: "upernet"; readonly poolScales: readonly number[] };

/** Of `Mcibi`. */
export interface McibiOptions
  extends SegmentorOptions,
    Pick<ContextFusionOptions, "contextAttention" | "fusion" | "keyQueryConvs"> {
  readonly host: HostOptions;
  readonly featsChannels: number;
  readonly transformChannels: number;
  /** Width of what the decoders see; default featsChannels. */
  readonly outChannels?: number;
  /** Null: the host network alone, without memory and stage-1 decoder. */
  readonly memory: Omit<FeatureMemoryOptions, keyof ContextFusionOptions | "numClasses"> | null;
  readonly dropout: number;
}

/** z2 is the prediction. */
export interface McibiPrediction extends Prediction {
  /** R [n, h, w, C]: what the memory is updated with. */
  readonly feats: Tensor;
  /** z1 [n, h, w, K], null without memory. */
  readonly stage1: Tensor | null;
}

/**
 * MCIBI (Jin et al., "Mining Contextual Information Beyond Image for Semantic Segmentation", ICCV 2021) as the official
 * code has it: METHOD.md 1.3, under the names of 3.8. The hosts OCR and UPerNet, which that code lacks, are
 * built as 3.5 says.
 */
export class Mcibi extends Segmentor<McibiPrediction> {
  /** Null when the memory is switched off. */
  readonly memory: FeatureMemory | null;
  /** C. */
  readonly featsChannels: number;
  protected override readonly needsAuxiliary: boolean;
  readonly #context: Layer | ObjectContext | null;
  readonly #hasPyramid: boolean;
  readonly #bottleneck: Layer;
  readonly #fusion: ContextFusion;
  readonly #decoder1: Layer | null;
  readonly #decoder2: Sequential;

  /** @param random where dropout masks come from; belongs to the state of a run */
  constructor(options: McibiOptions, random: RandomState) {
    super(options, random);
    const { host, numClasses, featsChannels, outChannels = featsChannels, headSlope: slope, memory } = options;
    this.featsChannels = featsChannels;
    if (host.type === "ocr" && !options.auxiliary) throw new Error("The host OCR needs an auxiliary head");
    this.needsAuxiliary = host.type === "ocr";
    this.#hasPyramid = host.type === "upernet";
    const context = buildContext(options, this.lastChannels);
    this.#context = context && this.child("context_within_image_module", context);
    this.#bottleneck = this.child("bottleneck", convBnAct(this.lastChannels, featsChannels, 3, { slope }));

    const finerChannels = this.#hasPyramid ? this.channels.slice(0, -1) : [];
    const fusion = { ...options, outChannels, slope, hasContext: context !== null, finerChannels };
    this.memory = memory && new FeatureMemory({ ...fusion, ...memory });
    this.#fusion = this.child("memory_module", this.memory ?? new ContextFusion(fusion, featsChannels));
    if (memory) this.dependsOnClasses("memory_module.memory");

    const main = (inChannels: number): Sequential => {
      const widths = { inChannels, channels: outChannels, numClasses };
      return decoder({ ...widths, kernel: 1, dropout: options.dropout, slope }, random);
    };
    this.#decoder1 = memory && this.classifier("decoder_stage1", main(featsChannels));
    this.#decoder2 = this.classifier("decoder_stage2", main(memory || context ? outChannels : featsChannels));
  }

  /**
   * Watched, in this order: `memory_input`, `feats_ms`, `preds_stage1`, those of FeatureMemory, `memory_output`,
   * `preds_stage2`.
   */
  protected head(maps: readonly Tensor[], auxiliary: readonly Tensor[], watch: Watch): McibiPrediction {
    const last = maps[maps.length - 1];
    const feats = watch("memory_input", this.#represent(maps));
    const map =
      this.#context instanceof ObjectContext
        ? this.#context.augment(feats, auxiliary[auxiliary.length - 1])
        : this.#context?.forward(last);
    const finer = this.#hasPyramid ? maps.slice(0, -1) : [];
    const context = map ? { map: watch("feats_ms", map), finer } : null;
    const stage1 = this.#decoder1 && watch("preds_stage1", this.#decoder1.forwardBlock(feats));
    const augmented =
      this.memory && stage1
        ? this.memory.forward(feats, stage1, context, watch)
        : this.#fusion.fuse(feats, context, [feats], watch);
    const logits = watch("preds_stage2", this.#decoder2.forwardBlock(watch("memory_output", augmented)));
    return { feats, stage1, logits };
  }

  /**
   * R [n, h, w, C] of image [n, h, w, 3] as a forward pass makes it, without the rest of that. Leaves no trace: nothing
   * is recorded, and running statistics stay as they are.
   */
  representations(image: Tensor): Tensor {
    return noGrad(() => withFrozenStatistics(this, () => this.#represent(this.features(image))));
  }

  #represent(maps: readonly Tensor[]): Tensor {
    return this.#bottleneck.forwardBlock(maps[maps.length - 1]);
  }

  /** Collects this forward pass's representations for the memory, too. */
  protected headTerms(
    { feats, stage1, logits }: McibiPrediction,
    batch: TrainingBatch,
    options: LossOptions,
  ): LossTerms {
    this.memory?.collect(feats.detach(), batch.label, { ...options, continues: batch.continues });
    const terms: LossTerms = new Map();
    if (stage1) terms.set("loss_cls_stage1", this.supervise(stage1, options.stage1, batch, options));
    return terms.set("loss_cls_stage2", this.supervise(logits, options.stage2, batch, options));
  }

  /** Updates the memory, before its loss sees it or after. */
  override stepTerms({ epoch, memoryMomentum }: TrainingStep, options: LossOptions, watch: Watch): LossTerms {
    const { weight, startEpoch, maskEmptySlots, updateRunningStats, beforeUpdate } = options.memory;
    if (!beforeUpdate) this.memory?.update(memoryMomentum);
    const terms: LossTerms = new Map();
    if (this.memory && weight > 0 && epoch >= startEpoch) {
      const rows = this.classifyMemory({ updateRunning: updateRunningStats, watch });
      const scores = reshape(rows, [rows.shape[0], rows.shape[3]]);
      terms.set("loss_memory", prototypeLoss(scores, this.memory.memory, { weight, maskEmpty: maskEmptySlots }));
    }
    if (beforeUpdate) this.memory?.update(memoryMomentum);
    return terms;
  }

  /**
   * Logits [K·F, K] of the memory's rows, as images of one pixel (METHOD.md 4, L_M). In training all rows, empty
   * ones too, enter the second decoder's batch statistics, and its running statistics where `updateRunning`.
   */
  classifyMemory({ updateRunning, watch = unwatched }: { updateRunning: boolean; watch?: Watch }): Tensor {
    if (!this.memory) throw new Error("This network was built without memory: there are no rows to classify");
    const [classes, slots, channels] = this.memory.memory.shape;
    const rows = this.memory.memory.view([classes * slots, 1, 1, channels]);
    const classify = () => this.#decoder2.forward(rows);
    return watch("preds_memory", updateRunning ? classify() : withFrozenStatistics(this.#decoder2, classify));
  }
}

function buildContext(options: McibiOptions, inChannels: number): Layer | ObjectContext | null {
  const { host, featsChannels, headSlope: slope, alignCorners } = options;
  const common = { inChannels, outChannels: featsChannels, slope, alignCorners };
  switch (host.type) {
    case "fcn":
      return null;
    case "aspp":
      return new Aspp({ ...common, ...host });
    case "ppm":
    case "upernet":
      return new PyramidPooling({ ...common, ...host });
    case "ocr": {
      const { transformChannels, keyQueryConvs } = options;
      return new ObjectContext({ channels: featsChannels, transformChannels, keyQueryConvs, slope, alignCorners });
    }
  }
}
