/** Losses of segmentation networks (METHOD.md 4). */
import { UserError } from "../errors.ts";
import { relu } from "../ops/activation.ts";
import { crossEntropy } from "../ops/cross_entropy.ts";
import { add, div, mul, scale } from "../ops/elementwise.ts";
import { hardPixels } from "../ops/hard_pixels.ts";
import { sum } from "../ops/reduce.ts";
import { upsampledCrossEntropy } from "../ops/upsampled_cross_entropy.ts";
import { noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";

/** The options of the official loss class and its pixel sampler. */
export interface PixelLossOptions {
  readonly ignoreIndex: number;
  /** Factor on the loss of a pixel, by its label; none, or empty: all classes count alike. */
  readonly classWeights?: readonly number[];
  /** Whether the mean divides by the sum of the labels' weights (the default) or by their number. */
  readonly normByClassWeights?: boolean;
  /** Share of the target that is spread evenly over all classes; default 0. */
  readonly labelSmoothing?: number;
  /** Level b that the loss is kept from falling below: |loss - b| + b; default 0. */
  readonly lowest?: number;
  /** Learns from pixels only that are still wrong, see `hardPixels`. `minKept` counts per image, 0: from all pixels. */
  readonly ohem?: { readonly minKept: number; readonly threshold: number };
}

/** How logits are compared with labels. */
export interface SegmentationLossOptions extends PixelLossOptions {
  readonly alignCorners: boolean;
  /** Factor of the term; default 1. */
  readonly weight?: number;
  /** See `upsampledCrossEntropy`. */
  readonly divisor?: number;
  readonly emptyMean?: "nan" | "zero";
}

/**
 * weight · mean over the labelled pixels of -log softmax(z)[label], z being the logits [n, h, w, K] resized bilinearly
 * to the labels [n, H, W]; the options change it as in the official code. Without a labelled pixel the loss is 0, and
 * so is its gradient.
 */
export function segmentationLoss(logits: Tensor, label: Tensor, options: SegmentationLossOptions): Tensor {
  const { classWeights = [], normByClassWeights, labelSmoothing, lowest = 0, weight = 1, divisor, emptyMean } = options;
  const { gpu } = logits;
  const mean = upsampledCrossEntropy(logits, chosenLabels(logits, label, options), {
    ...{ ignoreIndex: options.ignoreIndex, alignCorners: options.alignCorners },
    ...{ normByWeight: normByClassWeights, labelSmoothing, divisor, emptyMean },
    weight: classWeights.length > 0 ? Tensor.from(gpu, classWeights, [classWeights.length]) : null,
  });
  const loss = scale(mean, weight);
  if (lowest === 0) return loss;
  const above = add(loss, Tensor.from(gpu, [-lowest], []));
  return add(add(relu(above), relu(scale(above, -1))), Tensor.from(gpu, [lowest], []));
}

/** The labels that the loss is to see. */
export function chosenLabels(logits: Tensor, label: Tensor, options: SegmentationLossOptions): Tensor {
  const { ignoreIndex, alignCorners, ohem } = options;
  if (!ohem || ohem.minKept === 0) return label;
  const minKept = ohem.minKept * label.shape[0];
  return hardPixels(logits.detach(), label, { ignoreIndex, alignCorners, threshold: ohem.threshold, minKept });
}

/**
 * What the mean of `segmentationLoss` divides by where these are all labels.
 *
 * @throws UserError for a label that is neither a class nor `ignoreIndex`
 */
export function labelDivisor(labels: Int32Array, numClasses: number, options: PixelLossOptions): number {
  const { ignoreIndex, classWeights = [], normByClassWeights = true } = options;
  const isWeighted = classWeights.length > 0 && normByClassWeights;
  let divisor = 0;
  for (const label of labels) {
    if (label === ignoreIndex) continue;
    if (label < 0 || label >= numClasses) {
      throw new UserError(
        `a label is ${label}: class values must be smaller than the number of classes, ${numClasses}, and not ` +
          `negative, or ${ignoreIndex} where they are to be ignored`,
      );
    }
    divisor += isWeighted ? classWeights[label] : 1;
  }
  return divisor;
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
