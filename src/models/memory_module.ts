import { aggregateMemory } from "../ops/aggregate.ts";
import type { AggregateOptions } from "../ops/aggregate.ts";
import { concat } from "../ops/concat.ts";
import { moveMemory, sumForMemory } from "../ops/memory.ts";
import type { MemorySums } from "../ops/memory.ts";
import type { MemoryStrategy, MemoryUpdateOptions } from "../ops/memory.options.ts";
import { zeros } from "../nn/init.ts";
import { ModuleList, convBnAct } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import type { Variable } from "../nn/variable.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ContextFusion, memoryAttention } from "./context_fusion.ts";
import type { ContextFusionOptions, ImageContext } from "./context_fusion.ts";
import type { SelfAttentionBlock } from "./self_attention.ts";

/** Of `FeatureMemory`. */
export interface FeatureMemoryOptions extends ContextFusionOptions {
  readonly numClasses: number;
  /** F, slots per class. Default 1. */
  readonly featsPerClass?: number;
  /** Mixes rows by the one-hot of the most likely class; then no gradient reaches the logits. Default false. */
  readonly hardAggregate?: boolean;
  /** What rows move towards, what becomes of a slot that no pixel chose, which pixels count; see ops/memory. */
  readonly strategy?: MemoryStrategy;
  readonly unassigned?: "keep" | "decay";
  readonly skipZeroFeatures?: boolean;
  /**
   * Backward takes the updated memory for the one that forward read, as it does in the official code, which updates in
   * place (METHOD.md 1.4, D12). Then the gradient is not that of the loss. Default false.
   */
  readonly officialAliasing?: boolean;
}

/**
 * The feature memory M [K, F, C], what pixels draw from it, and the fusion with what they know themselves (spec
 * sections 1.3, 2 and 3.7). M is a buffer: it takes part in forward as a constant and changes by `update` alone, once
 * in a step.
 */
export class FeatureMemory extends ContextFusion {
  readonly #memory: Variable;
  /** Backward of the present step still reads the M that its forward read: it lives until the next update. */
  #former: Tensor | null = null;
  /** Of the pixels collected for the next update. */
  #sums: MemorySums | null = null;
  readonly #attentions: readonly SelfAttentionBlock[];
  readonly #fuseSlots: Sequential | null;
  /** Null where one convolution joins memory and context at once. */
  readonly #bottleneck: Sequential | null;
  readonly #aggregate: AggregateOptions;
  readonly #rule: Omit<MemoryUpdateOptions, "momentum" | "ignoreIndex">;

  constructor(options: FeatureMemoryOptions) {
    const { numClasses, featsChannels, outChannels, slope, featsPerClass = 1 } = options;
    const inOneStep = options.hasContext && options.fusion === "concat3";
    super(options, inOneStep ? 2 * featsChannels : outChannels);
    const shape = [numClasses, featsPerClass, featsChannels];
    this.#memory = this.variable("memory", { shape, initializer: zeros, trainable: false });
    if (featsPerClass === 1) {
      this.#attentions = [this.child("self_attention", memoryAttention(options))];
      this.#fuseSlots = null;
    } else {
      const blocks = Array.from({ length: featsPerClass }, () => memoryAttention(options));
      this.#attentions = this.child("self_attentions", new ModuleList(blocks)).modules;
      this.#fuseSlots = this.child(
        "fuse_memory_conv",
        convBnAct(featsPerClass * featsChannels, featsChannels, 1, { slope }),
      );
    }
    this.#bottleneck = inOneStep
      ? null
      : this.child("bottleneck", convBnAct(2 * featsChannels, outChannels, 3, { slope }));
    const {
      hardAggregate = false,
      strategy = "cosine_similarity",
      unassigned = "keep",
      skipZeroFeatures = false,
      alignCorners = false,
      officialAliasing = false,
    } = options;
    this.#aggregate = {
      hard: hardAggregate,
      memoryInBackward: officialAliasing ? () => this.memory : undefined,
    };
    this.#rule = { strategy, unassigned, skipZeroFeatures, alignCorners };
  }

  /** M as it is now. */
  get memory(): Tensor {
    return this.#memory.tensor;
  }

  /** Overwrites M with values [K, F, C]; a slot of zeros is an empty one. */
  assign(values: Float32Array): void {
    this.#memory.assign(values);
  }

  /**
   * feats [n, h, w, C], logits [n, h, w, K] and the within-image context -> what `fuse` makes of them.
   * Watched: `selected_memory`, `attended_memory` (numbered by slot where there are several, then `fused_memory`).
   */
  forward(feats: Tensor, logits: Tensor, context: ImageContext | null, watch: Watch = unwatched): Tensor {
    const suffix = (slot: number): string => (this.#attentions.length === 1 ? "" : `_${slot}`);
    const attended = this.#attentions.map((attention, slot) => {
      const mixture = aggregateMemory(logits, this.memory, slot, this.#aggregate);
      const selected = watch(`selected_memory${suffix(slot)}`, mixture);
      return watch(`attended_memory${suffix(slot)}`, attention.forward(feats, selected));
    });
    const beyond = this.#fuseSlots
      ? watch("fused_memory", this.#fuseSlots.forwardBlock(concat(attended, -1)))
      : attended[0];
    const pair = [feats, beyond];
    const beside = this.#bottleneck ? [this.#bottleneck.forwardBlock(concat(pair, -1))] : pair;
    return this.fuse(feats, context, beside, watch);
  }

  /**
   * Where one pixel looks: for every slot its attention [1, h·w] over the places of the map.
   *
   * @param feats [1, h, w, C] as `forward` got them
   * @param mixtures what `forward` watched as `selected_memory`, slot by slot
   * @param position of the pixel, row by row
   */
  attentionOf(feats: Tensor, mixtures: readonly Tensor[], position: number): Tensor[] {
    return this.#attentions.map((attention, slot) => attention.weights(feats, mixtures[slot], position));
  }

  /**
   * Takes the pixels of a batch into the next update: feats [n, h, w, C] as `forward` got them, label i32 [n, H, W].
   * They replace what an update has not used yet, or are added to it where the batch `continues` an earlier one, with
   * the same memory.
   */
  collect(feats: Tensor, label: Tensor, options: { ignoreIndex: number; continues?: boolean }): void {
    const { ignoreIndex, continues = false } = options;
    if (!continues) this.#forget();
    const earlier = this.#sums;
    this.#sums = sumForMemory(this.memory, feats, label, { ...this.#rule, ignoreIndex }, earlier);
    const kept = new Set(tensorsOf(this.#sums));
    for (const tensor of tensorsOf(earlier)) if (!kept.has(tensor)) tensor.dispose();
  }

  /**
   * Moves M towards the features of the pixels collected for it; momentum in [0, 1] is the weight of the
   * new value. Writes a new tensor: the backward pass of this step still reads the M of its forward.
   */
  update(momentum: number): void {
    if (!this.#sums) throw new Error("The memory cannot be updated: no pixels were collected for it");
    const next = moveMemory(this.memory, this.#sums, { ...this.#rule, momentum });
    this.#forget();
    this.#former?.dispose();
    this.#former = this.#memory.replace(next);
  }

  #forget(): void {
    for (const tensor of tensorsOf(this.#sums)) tensor.dispose();
    this.#sums = null;
  }

  override dispose(): void {
    super.dispose();
    this.#forget();
    this.#former?.dispose();
    this.#former = null;
  }
}

const tensorsOf = (sums: MemorySums | null): readonly Tensor[] => (sums ? Object.values<Tensor>({ ...sums }) : []);
