/** What every network here has, and what training, evaluation and checkpoints ask of it. */
import { LayerNorm } from "../nn/dense.ts";
import { BatchNorm2d, Conv2d, ModuleList, Sequential, activation } from "../nn/layers.ts";
import { segmentationLoss } from "../nn/losses.ts";
import type { PixelLossOptions } from "../nn/losses.ts";
import { Module } from "../nn/module.ts";
import type { Layer } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { buildBackbone } from "./backbone.ts";
import type { Backbone, BackboneOptions } from "./backbone.ts";
import { decoder } from "./decoder.ts";

/** Heads that only training has. */
export interface AuxiliaryOptions {
  readonly channels: number;
  readonly dropout: number;
  /** Heads, one on each of as many maps in front of the last. Default 1. */
  readonly heads?: number;
  /** Convolutions of a head, and how many times as large each leaves the map; see `decoder`. Default 1. */
  readonly convs?: number;
  readonly upsample?: number;
}

/** What all networks here have in common. */
export interface SegmentorOptions {
  readonly numClasses: number;
  readonly backbone: BackboneOptions;
  /** Layer normalisation of every map that the backbone puts out; null for none. Default null. */
  readonly outputNorm?: { readonly eps: number } | null;
  /** Stride of a 3x3 convolution after the backbone; 1 for none. Default 1. */
  readonly downsampleStride?: 1 | 2;
  /** Null: no auxiliary head. */
  readonly auxiliary: AuxiliaryOptions | null;
  /** LeakyReLU's slope in the heads; 0 for ReLU. */
  readonly headSlope: number;
  readonly alignCorners: boolean;
}

/** What a head makes of the maps. */
export interface Prediction {
  /** [n, h, w, K], at the resolution of the features. */
  readonly logits: Tensor;
}

/** What the auxiliary heads make of the maps. */
export interface Auxiliary {
  /** Logits [n, h', w', K] of every auxiliary head; in evaluation only where the head needs them. */
  readonly auxiliary: readonly Tensor[];
}

/** The terms of METHOD.md 4; what applies to pixels does to every term but the memory's. */
export interface LossOptions extends PixelLossOptions {
  /** Weights; `stage2` is that of the prediction. */
  readonly stage1: number;
  readonly stage2: number;
  readonly aux: number;
  readonly memory: {
    /** 0: no memory loss. */
    readonly weight: number;
    /** First epoch with this term, counting from 1. */
    readonly startEpoch: number;
    readonly maskEmptySlots: boolean;
    readonly updateRunningStats: boolean;
    /** Of the rows as forward read them, instead of the updated ones. */
    readonly beforeUpdate: boolean;
  };
}

/** The images of a training step, or a part of them. */
export interface TrainingBatch {
  /** [n, h, w, 3], normalised. */
  readonly image: Tensor;
  /** i32 [n, h, w]. */
  readonly label: Tensor;
  /** What means over pixels divide by where these are a part of the step's; see `labelDivisor`. */
  readonly divisor?: number;
  /** Whether these are further images of a step that others opened; default false. */
  readonly continues?: boolean;
}

/** What holds for all images of a training step. */
export interface TrainingStep {
  /** Counting from 1. */
  readonly epoch: number;
  /** Weight of the new value in the memory's update. */
  readonly memoryMomentum: number;
}

/** Weighted loss terms by their official names. */
export type LossTerms = Map<string, Tensor>;

/**
 * A backbone, auxiliary heads on its inner maps, and a head that subclasses add. The names are those of the official
 * code: `backbone_net`, `norm_layers`, `downsample_backbone`, `auxiliary_decoder`.
 */
export abstract class Segmentor<P extends Prediction = Prediction> extends Module {
  readonly alignCorners: boolean;
  /** Channels of the backbone's maps. */
  protected readonly channels: readonly number[];
  /** Whether the head needs what the auxiliary heads say, in evaluation too. */
  protected readonly needsAuxiliary: boolean = false;
  readonly backbone: Backbone;
  /** One per map; empty where they are not normalised. */
  readonly #norms: readonly LayerNorm[];
  readonly #downsample: Layer | null;
  readonly #auxiliary: readonly Layer[];
  readonly #classifiers: string[] = [];

  /** @param random where dropout masks come from; belongs to the state of a run */
  constructor(options: SegmentorOptions, random: RandomState) {
    super();
    const { auxiliary, outputNorm, numClasses, headSlope: slope } = options;
    this.alignCorners = options.alignCorners;
    this.backbone = this.child("backbone_net", buildBackbone(options.backbone, random));
    const { channels } = this.backbone;
    this.channels = channels;
    const norms = outputNorm ? channels.map((width) => new LayerNorm(width, outputNorm)) : [];
    this.#norms = this.child("norm_layers", new ModuleList(norms)).modules;
    const isStrided = options.downsampleStride === 2;
    this.#downsample = isStrided ? this.child("downsample_backbone", downsample(this.lastChannels, slope)) : null;
    const supervised = auxiliary ? channels.slice(-1 - (auxiliary.heads ?? 1), -1) : [];
    const names = "auxiliary_decoder"; // as in the official code: one head stands for itself, several are numbered
    const heads = supervised.map((inChannels, i) => {
      const head = decoder({ ...auxiliary!, numClasses, slope, inChannels, kernel: 3 }, random);
      this.dependsOnClasses(`${names}.${supervised.length === 1 ? "" : `${i}.`}${head.layers.length - 1}.`);
      return head;
    });
    this.#auxiliary =
      heads.length === 1 ? [this.child(names, heads[0])] : this.child(names, new ModuleList(heads)).modules;
  }

  protected get lastChannels(): number {
    return this.channels[this.channels.length - 1];
  }

  /** Beginnings of the names that depend on the number of classes, which weights of other classes cannot be for. */
  get classifiers(): readonly string[] {
    return this.#classifiers;
  }

  /**
   * image [n, h, w, 3] -> logits at feature resolution. Watched: `backbone_outputs_0..3`, `preds_aux` (of several heads
   * `preds_aux1`, `preds_aux2`, ...), and what the head names.
   */
  forward(image: Tensor, watch: Watch = unwatched): P & Auxiliary {
    const maps = this.features(image, watch);
    const heads = this.training || this.needsAuxiliary ? this.#auxiliary : [];
    const supervised = maps.slice(maps.length - 1 - heads.length);
    const auxiliary = heads.map((head, i) => {
      return watch(auxiliaryName("preds_aux", i, heads.length), head.forwardBlock(supervised[i]));
    });
    return { ...this.head(maps, auxiliary, watch), auxiliary };
  }

  /** The backbone's maps as the head sees them: normalised and the last one downsampled, where the network does so. */
  protected features(image: Tensor, watch: Watch = unwatched): readonly Tensor[] {
    const outputs = this.backbone.forward(image, watch);
    const maps = this.#norms.length > 0 ? outputs.map((map, i) => this.#norms[i].forward(map)) : outputs;
    const last = maps[maps.length - 1];
    return [...maps.slice(0, -1), this.#downsample?.forwardBlock(last) ?? last];
  }

  /** Forward pass of a batch and the losses of its pixels. */
  pixelTerms(batch: TrainingBatch, options: LossOptions, watch: Watch = unwatched): LossTerms {
    const output = this.forward(batch.image, watch);
    const { auxiliary } = output;
    const terms: LossTerms = new Map();
    auxiliary.forEach((logits, i) => {
      const name = auxiliaryName("loss_aux", i, auxiliary.length);
      terms.set(name, this.supervise(logits, options.aux, batch, options));
    });
    return new Map([...terms, ...this.headTerms(output, batch, options)]);
  }

  /** What follows the last batch of a step: the terms that are not of pixels, and what changes once per step. */
  stepTerms(_step: TrainingStep, _options: LossOptions, _watch: Watch = unwatched): LossTerms {
    return new Map();
  }

  /** @param maps see `features` */
  protected abstract head(maps: readonly Tensor[], auxiliary: readonly Tensor[], watch: Watch): P;

  /** The terms besides those of the auxiliary heads. */
  protected abstract headTerms(prediction: P, batch: TrainingBatch, options: LossOptions): LossTerms;

  /** The loss of logits of any size against the label. */
  protected supervise(
    logits: Tensor,
    weight: number,
    { label, divisor }: TrainingBatch,
    options: LossOptions,
  ): Tensor {
    return segmentationLoss(logits, label, { ...options, alignCorners: this.alignCorners, weight, divisor });
  }

  /** A child whose last layer tells the classes apart. */
  protected classifier(name: string, layers: Sequential): Sequential {
    this.dependsOnClasses(`${name}.${layers.layers.length - 1}.`);
    return this.child(name, layers);
  }

  protected dependsOnClasses(prefix: string): void {
    this.#classifiers.push(prefix);
  }
}

/** As the official code counts heads: from 1, and a single one not at all. */
function auxiliaryName(prefix: string, index: number, count: number): string {
  return count === 1 ? prefix : `${prefix}${index + 1}`;
}

function downsample(channels: number, slope: number): Sequential {
  const convolution = new Conv2d(channels, channels, 3, { stride: 2, padding: 1, bias: false });
  return new Sequential(convolution, new BatchNorm2d(channels), activation(slope));
}
