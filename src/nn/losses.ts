/** Losses of segmentation networks (spec section 4). */
import { crossEntropy } from "../ops/cross_entropy.ts";
import { add, div, mul, scale } from "../ops/elementwise.ts";
import { sum } from "../ops/reduce.ts";
import { upsampledCrossEntropy } from "../ops/upsampled_cross_entropy.ts";
import { noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** How logits are compared with labels. */
export interface SegmentationLossOptions {
  readonly ignoreIndex: number;
  readonly alignCorners: boolean;
  /** Factor of the term; default 1. */
  readonly weight?: number;
}

/**
 * weight · mean over the labelled pixels of -log softmax(z)[label], z being the logits [n, h, w, K] resized bilinearly
 * to the labels [n, H, W]. Without a labelled pixel the loss is 0, and so is its gradient.
 */
export function segmentationLoss(logits: Tensor, label: Tensor, options: SegmentationLossOptions): Tensor {
  const { ignoreIndex, alignCorners, weight = 1 } = options;
  return scale(upsampledCrossEntropy(logits, label, { ignoreIndex, alignCorners }), weight);
}

/**
 * weight · mean over memory slots of -log softmax(z)[class], z being the logits [K·F, K] of the rows of `memory`
 * [K, F, C]. With `maskEmpty` rows that are all zero, those of classes never seen, do not count.
 */
export function prototypeLoss(
  logits: Tensor,
  memory: Tensor,
  { weight, maskEmpty }: { weight: number; maskEmpty: boolean },
): Tensor {
  const [classes, slots] = memory.shape;
  const labels = Int32Array.from({ length: classes * slots }, (_, i) => Math.floor(i / slots));
  const target = Tensor.from(logits.gpu, labels, [labels.length]);
  if (!maskEmpty) return scale(crossEntropy(logits, target, {}), weight);
  const share = noGrad(() => shareOfFilledRows(memory.view([classes * slots, memory.shape[2]])));
  return scale(sum(mul(crossEntropy(logits, target, { reduction: "none" }), share), null), weight);
}

/** Squared norms below this are those of empty rows. */
const LEAST_NORM = 1e-30;

/** 1 / (number of rows that are not zero) for those rows, 0 for the others: [rows, C] -> [rows]. */
function shareOfFilledRows(rows: Tensor): Tensor {
  const least = Tensor.from(rows.gpu, [LEAST_NORM], [1]);
  const norm = sum(mul(rows, rows), [1]);
  const filled = div(norm, add(norm, least)); // exactly 0 or, as rows of features are far longer, 1
  return div(filled, add(sum(filled, null, true), least));
}
