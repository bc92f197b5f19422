import { LayerNorm } from "../nn/dense.ts";
import { BatchNorm2d, Conv2d, ModuleList, Sequential, activation, convBnAct } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { Layer } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Aspp } from "./aspp.ts";
import { buildBackbone } from "./backbone.ts";
import type { Backbone, BackboneOptions } from "./backbone.ts";
import { ContextFusion } from "./context_fusion.ts";
import { decoder } from "./decoder.ts";
import { FeatureMemory } from "./memory_module.ts";
import type { FeatureMemoryOptions } from "./memory_module.ts";
import { PyramidPooling } from "./ppm.ts";

/** The within-image context module: none is the FCN host. */
export type HostOptions =
  | { readonly type: "fcn" }
  | { readonly type: "aspp"; readonly dilations: readonly number[] }
  | { readonly type: "ppm"; readonly poolScales: readonly number[] };

export interface AuxiliaryOptions {
  readonly channels: number;
  readonly dropout: number;
  /** Heads, one on each of as many maps in front of the last. Default 1. */
  readonly heads?: number;
  /** Convolutions of a head, and how many times as large each leaves the map; see `decoder`. Default 1. */
  readonly convs?: number;
  readonly upsample?: number;
}

export interface McibiOptions {
  readonly numClasses: number;
  readonly backbone: BackboneOptions;
  /** Layer normalisation of every map that the backbone puts out; null for none. Default null. */
  readonly outputNorm?: { readonly eps: number } | null;
  /** Stride of a 3x3 convolution after the backbone; 1 for none. Default 1. */
  readonly downsampleStride?: 1 | 2;
  readonly host: HostOptions;
  readonly featsChannels: number;
  readonly transformChannels: number;
  /** Width of what the decoders see; default featsChannels. */
  readonly outChannels?: number;
  /** Null: the host network alone, without memory and stage-1 decoder. */
  readonly memory: Pick<FeatureMemoryOptions, "featsPerClass" | "hardAggregate" | "strategy" | "unassigned"> | null;
  /** Null: no auxiliary head. */
  readonly auxiliary: AuxiliaryOptions | null;
  readonly dropout: number;
  /** LeakyReLU's slope in the head; 0 for ReLU. */
  readonly headSlope: number;
  readonly alignCorners: boolean;
}

export interface McibiOutput {
  /** R [n, h, w, C]: what the memory is updated with. */
  readonly feats: Tensor;
  /** z1 [n, h, w, K], null without memory. */
  readonly stage1: Tensor | null;
  /** z2 [n, h, w, K], the prediction. */
  readonly stage2: Tensor;
  /** [n, h', w', K] of every auxiliary head; in training only. */
  readonly auxiliary: readonly Tensor[];
}

/** What depends on the number of classes, and is to be reinitialised when loading weights of another dataset. */
export const CLASSIFIERS: readonly string[] = [
  "decoder_stage1.4.",
  "decoder_stage2.4.",
  "auxiliary_decoder.4.",
  ...[0, 1, 2].map((head) => `auxiliary_decoder.${head}.9.`), // of the three on a ViT
  "memory_module.memory",
];

/**
 * MCIBI (Jin et al., "Mining Contextual Information Beyond Image for Semantic Segmentation", ICCV 2021) as the official
 * code has it: spec section 1.3, under the names of section 3.8.
 */
export class Mcibi extends Module {
  /** Null when the memory is switched off. */
  readonly memory: FeatureMemory | null;
  readonly alignCorners: boolean;
  readonly backbone: Backbone;
  /** One per map; empty where they are not normalised. */
  readonly #norms: readonly LayerNorm[];
  readonly #downsample: Layer | null;
  readonly #context: Layer | null;
  readonly #bottleneck: Layer;
  readonly #fusion: ContextFusion;
  readonly #decoder1: Layer | null;
  readonly #decoder2: Sequential;
  readonly #auxiliary: readonly Layer[];

  /** @param random where dropout masks come from; belongs to the state of a run */
  constructor(options: McibiOptions, random: RandomState) {
    super();
    const { numClasses, featsChannels, outChannels = featsChannels, headSlope: slope, memory, auxiliary } = options;
    this.alignCorners = options.alignCorners;
    this.backbone = this.child("backbone_net", buildBackbone(options.backbone, random));
    const { channels } = this.backbone;
    const last = channels[channels.length - 1];
    const { outputNorm } = options;
    const norms = outputNorm ? channels.map((width) => new LayerNorm(width, outputNorm)) : [];
    this.#norms = this.child("norm_layers", new ModuleList(norms)).modules;
    this.#downsample =
      options.downsampleStride === 2 ? this.child("downsample_backbone", downsample(last, slope)) : null;
    const context = buildContext(options, last);
    this.#context = context && this.child("context_within_image_module", context);
    this.#bottleneck = this.child("bottleneck", convBnAct(last, featsChannels, 3, { slope }));

    const fusion = { ...options, outChannels, slope, hasContext: context !== null };
    this.memory = memory && new FeatureMemory({ ...fusion, ...memory });
    this.#fusion = this.child("memory_module", this.memory ?? new ContextFusion(fusion, featsChannels));

    const common = { numClasses, slope };
    const main = (inChannels: number): Sequential =>
      decoder({ ...common, inChannels, channels: outChannels, kernel: 1, dropout: options.dropout }, random);
    this.#decoder1 = memory && this.child("decoder_stage1", main(featsChannels));
    this.#decoder2 = this.child("decoder_stage2", main(memory || context ? outChannels : featsChannels));
    const heads = (auxiliary ? channels.slice(-1 - (auxiliary.heads ?? 1), -1) : []).map((inChannels) =>
      decoder({ ...common, ...auxiliary!, inChannels, kernel: 3 }, random),
    );
    const names = "auxiliary_decoder"; // as in the official code: one head stands for itself, several are numbered
    this.#auxiliary =
      heads.length === 1 ? [this.child(names, heads[0])] : this.child(names, new ModuleList(heads)).modules;
  }

  /**
   * image [n, h, w, 3] -> logits at feature resolution. Watched, in this order: `backbone_outputs_0..3`, `feats_ms`,
   * `memory_input`, `preds_stage1`, those of FeatureMemory, `memory_output`, `preds_stage2`, `preds_aux` (of several
   * heads `preds_aux1`, `preds_aux2`, ...).
   */
  forward(image: Tensor, watch: Watch = unwatched): McibiOutput {
    const maps = this.backbone.forward(image, watch);
    const outputs = this.#norms.length > 0 ? maps.map((map, i) => this.#norms[i].forward(map)) : maps;
    const deepest = outputs[outputs.length - 1];
    const last = this.#downsample?.forwardBlock(deepest) ?? deepest;
    const context = this.#context && watch("feats_ms", this.#context.forward(last));
    const feats = watch("memory_input", this.#bottleneck.forwardBlock(last));
    const stage1 = this.#decoder1 && watch("preds_stage1", this.#decoder1.forwardBlock(feats));
    const augmented =
      this.memory && stage1
        ? this.memory.forward(feats, stage1, context, watch)
        : this.#fusion.fuse(feats, context, feats, watch);
    const stage2 = watch("preds_stage2", this.#decoder2.forwardBlock(watch("memory_output", augmented)));
    const heads = this.training ? this.#auxiliary : [];
    const supervised = outputs.slice(outputs.length - 1 - heads.length);
    const auxiliary = heads.map((head, i) =>
      watch(auxiliaryName("preds_aux", i, heads.length), head.forwardBlock(supervised[i])),
    );
    return { feats, stage1, stage2, auxiliary };
  }

  /**
   * Logits [K·F, K] of the memory's rows, as images of one pixel (spec section 4, L_M). In training the rows enter the
   * second decoder's batch statistics, and its running statistics where `updateRunning`.
   */
  classifyMemory({ updateRunning, watch = unwatched }: { updateRunning: boolean; watch?: Watch }): Tensor {
    if (!this.memory) throw new Error("This network was built without memory: there are no rows to classify");
    const [classes, slots, channels] = this.memory.memory.shape;
    const rows = this.memory.memory.view([classes * slots, 1, 1, channels]);
    const norms = this.#decoder2.layers.filter((layer) => layer instanceof BatchNorm2d);
    for (const norm of norms) norm.updateRunning = updateRunning;
    const logits = this.#decoder2.forward(rows);
    for (const norm of norms) norm.updateRunning = true;
    return watch("preds_memory", logits);
  }
}

/** As the official code counts heads: from 1, and a single one not at all. */
export function auxiliaryName(prefix: string, index: number, count: number): string {
  return count === 1 ? prefix : `${prefix}${index + 1}`;
}

function buildContext(
  { host, featsChannels, headSlope, alignCorners }: McibiOptions,
  inChannels: number,
): Layer | null {
  if (host.type === "fcn") return null;
  const common = { inChannels, outChannels: featsChannels, slope: headSlope, alignCorners };
  return host.type === "aspp" ? new Aspp({ ...common, ...host }) : new PyramidPooling({ ...common, ...host });
}

function downsample(channels: number, slope: number): Sequential {
  const convolution = new Conv2d(channels, channels, 3, { stride: 2, padding: 1, bias: false });
  return new Sequential(convolution, new BatchNorm2d(channels), activation(slope));
}
