import { add } from "../ops/elementwise.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { LossOptions, LossTerms, Segmentor, TrainingBatch } from "./segmentor.ts";

/** The terms, and their sum. */
export interface TrainingLoss {
  /** The weighted terms, see spec section 4. */
  readonly terms: Readonly<LossTerms>;
  /** Their sum, to be differentiated. */
  readonly total: Tensor;
}

/** Everything of a training iteration between setting the learning rate and backward. */
export function trainingLoss(
  model: Segmentor,
  batch: TrainingBatch,
  options: LossOptions,
  watch: Watch = unwatched,
): TrainingLoss {
  const terms = model.lossTerms(batch, options, watch);
  return { terms, total: [...terms.values()].reduce((sum, term) => add(sum, term)) };
}
