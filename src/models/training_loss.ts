import { add } from "../ops/elementwise.ts";
import { reshape } from "../ops/shape_ops.ts";
import { prototypeLoss, segmentationLoss } from "../nn/losses.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { auxiliaryName } from "./mcibi.ts";
import type { Mcibi, McibiOutput } from "./mcibi.ts";

/** The terms of spec section 4. */
export interface LossOptions {
  /** Weights. */
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
  };
  /** Of the labels. */
  readonly ignoreIndex: number;
}

export interface TrainingBatch {
  /** [n, h, w, 3], normalised. */
  readonly image: Tensor;
  /** i32 [n, h, w]. */
  readonly label: Tensor;
  /** Counting from 1. */
  readonly epoch: number;
  /** Weight of the new value in the memory's update. */
  readonly memoryMomentum: number;
}

export interface TrainingLoss {
  /** The weighted terms by their official names: `loss_cls_stage2` and those of the network's other parts. */
  readonly terms: ReadonlyMap<string, Tensor>;
  /** Their sum, to be differentiated. */
  readonly total: Tensor;
}

/**
 * Everything of a training iteration between setting the learning rate and backward, in the official order: forward,
 * memory update from the same forward's representations, losses. The memory loss sees the updated memory.
 */
export function trainingLoss(
  model: Mcibi,
  batch: TrainingBatch,
  options: LossOptions,
  watch: Watch = unwatched,
): TrainingLoss {
  const output = model.forward(batch.image, watch);
  const { ignoreIndex } = options;
  model.memory?.update(output.feats.detach(), batch.label, { momentum: batch.memoryMomentum, ignoreIndex });
  const terms = lossTerms(model, output, batch, options, watch);
  return { terms, total: [...terms.values()].reduce((sum, term) => add(sum, term)) };
}

function lossTerms(
  model: Mcibi,
  output: McibiOutput,
  { label, epoch }: TrainingBatch,
  options: LossOptions,
  watch: Watch,
): Map<string, Tensor> {
  const { ignoreIndex } = options;
  const { alignCorners } = model;
  const terms = new Map<string, Tensor>();
  const supervise = (name: string, logits: Tensor | null, weight: number): void => {
    if (logits) terms.set(name, segmentationLoss(logits, label, { ignoreIndex, alignCorners, weight }));
  };
  const { auxiliary } = output;
  auxiliary.forEach((logits, i) => supervise(auxiliaryName("loss_aux", i, auxiliary.length), logits, options.aux));
  supervise("loss_cls_stage1", output.stage1, options.stage1);
  supervise("loss_cls_stage2", output.stage2, options.stage2);
  const { weight, startEpoch, maskEmptySlots, updateRunningStats } = options.memory;
  if (model.memory && weight > 0 && epoch >= startEpoch) {
    const rows = model.classifyMemory({ updateRunning: updateRunningStats, watch });
    const logits = reshape(rows, [rows.shape[0], rows.shape[3]]);
    terms.set("loss_memory", prototypeLoss(logits, model.memory.memory, { weight, maskEmpty: maskEmptySlots }));
  }
  return terms;
}
