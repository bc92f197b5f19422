import { add } from "../ops/elementwise.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LossOptions, LossTerms, Segmentor, TrainingBatch, TrainingStep } from "./segmentor.ts";

/** The terms, and their sum. */
export interface TrainingLoss {
  /** The weighted terms, see METHOD.md 4. */
  readonly terms: Readonly<LossTerms>;
  /** Their sum, to be differentiated. */
  readonly total: Tensor;
}

/**
 * Everything of a training iteration between setting the learning rate and backward; or of a part of its images, to be
 * differentiated before the next one's. Then the sums of the terms and of their gradients are those of the whole, apart
 * from what layers calculate from the batch at hand (batch normalisation) or draw (dropout).
 */
export function trainingLoss(
  model: Segmentor,
  batch: TrainingBatch & TrainingStep & { readonly isLast?: boolean },
  options: LossOptions,
  watch: Watch = unwatched,
): TrainingLoss {
  const pixelTerms = model.pixelTerms(batch, options, watch);
  const stepTerms = batch.isLast === false ? [] : model.stepTerms(batch, options, watch);
  const terms = new Map([...pixelTerms, ...stepTerms]);
  return { terms, total: [...terms.values()].reduce((sum, term) => add(sum, term)) };
}
