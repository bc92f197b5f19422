import { Tensor } from "../tensor/tensor.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { samples } from "./cross_entropy_samples.ts";
import { apply, defineOp } from "./define.ts";
import type { Context } from "./define.ts";
import { ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import { add, mul, scale } from "./elementwise.ts";
import { excerpt, inParts, place } from "./parts.ts";
import { mean, sum } from "./reduce.ts";
import { logSoftmax } from "./softmax.ts";

/** Mean or sum over all rows, or every row by itself. */
export type Reduction = "mean" | "sum" | "none";

/** Of `nllLoss`. */
export interface NllOptions {
  /** Label of pixels that do not count, -100 unless given. */
  readonly ignoreIndex?: number;
  /** Factor per class, f32 [K]. The mean then divides by the sum of the factors of the targets. */
  readonly weight?: Tensor | null;
  readonly reduction?: Reduction;
  /** A mean over nothing: PyTorch's NaN, or 0 with zero gradient (the default). */
  readonly emptyMean?: "nan" | "zero";
}

/** Of `crossEntropy`. */
export interface CrossEntropyOptions extends NllOptions {
  /** Share of the target that is spread evenly over all classes, 0..1. */
  readonly labelSmoothing?: number;
}

type Settings = Required<Omit<CrossEntropyOptions, "weight">>;
type LossInputs = readonly [Tensor, Tensor, Tensor | null];

/** Enough invocations for a GPU, and rows enough in each that few partial sums remain. */
const INVOCATIONS = 16384;

const lossOp = (name: string, logProbs: boolean) => {
  const constants = (x: Tensor, weight: Tensor | null, settings: Settings) => ({
    CLASSES: x.shape.at(-1)!,
    IGNORE: settings.ignoreIndex,
    SMOOTHING: settings.labelSmoothing,
    WEIGHTED: weight !== null,
    LOG_PROBS: logProbs,
  });

  function forward(ctx: Context, [x, labels, weight]: LossInputs, settings: Settings): Tensor {
    const { gpu } = x;
    const rows = labels.size;
    const stats = Tensor.empty(gpu, [rows, 2]);
    const saved = weight ? [x, labels, weight] : [x, labels];
    if (settings.reduction === "none") {
      const loss = Tensor.empty(gpu, labels.shape);
      inParts(rows, [x, labels], [stats, loss], ([x, labels], [stats, loss], rows) => {
        gpu.run("cross_entropy.losses", { x, labels, weight: weight ?? x, stats, loss }, {
          elements: rows, params: { rows, rowsPer: 1 }, constants: constants(x, weight, settings),
        });
      });
      ctx.own(stats);
      ctx.save(...saved);
      return loss;
    }
    const rowsPer = Math.max(1, Math.ceil(rows / INVOCATIONS));
    const parts = Math.ceil(rows / rowsPer);
    const sums = Tensor.empty(gpu, [parts, 2]);
    const [loss, factor] = [Tensor.empty(gpu, []), Tensor.empty(gpu, [])];
    inParts(rows, [x, labels], [stats], ([x, labels], [stats], rows, first) => {
      const parts = Math.ceil(rows / rowsPer);
      const own = excerpt(sums, (first / rowsPer) * 2, [parts, 2]);
      gpu.run("cross_entropy.partials", { x, labels, weight: weight ?? x, stats, sums: own }, {
        elements: parts, params: { rows, rowsPer }, constants: constants(x, weight, settings),
      });
      place(own, sums, (first / rowsPer) * 2);
    }, rowsPer);
    gpu.run("cross_entropy_mean", { sums, loss, factor }, {
      params: { parts, divisor: -1 },
      constants: { MEAN: settings.reduction === "mean", EMPTY_ZERO: settings.emptyMean === "zero" },
    });
    sums.release();
    ctx.own(stats, factor);
    ctx.save(...saved);
    return loss;
  }

  return defineOp<LossInputs, Settings>({
    name,
    forward,
    backward(ctx, dloss, [x, labels, weight], settings) {
      const perRow = settings.reduction === "none";
      const saved = ctx.saved[0];
      const factor = ctx.saved[1];
      const dx = Tensor.empty(x.gpu, x.shape);
      const losses = perRow ? dloss : null;
      inParts(labels.size, [x, labels, saved, losses], [dx], ([x, labels, saved, losses], [dx], rows) => {
        const gradients = { dloss: losses ?? dloss, factor: losses ?? factor };
        x.gpu.run("cross_entropy.backward", { x, labels, weight: weight ?? x, saved, ...gradients, dx }, {
          elements: rows,
          params: { rows, rowsPer: 1 },
          constants: { ...constants(x, weight, settings), PER_ROW: perRow },
        });
      });
      return [dx, null, null];
    },
    reference: ([x, labels, weight], settings) => referenceLoss(x!, labels!, weight, settings, logProbs),
    samples: samples(logProbs),
  });
};

function referenceLoss(x: NdArray, labels: NdArray, weight: NdArray | null, o: Settings, logProbs: boolean): NdArray {
  const classes = x.shape.at(-1)!;
  const weightOf = (k: number): number => weight?.data[k] ?? 1;
  let divisor = 0;
  const losses = labels.data.map((t, row) => {
    if (t === o.ignoreIndex || t < 0 || t >= classes) return 0;
    const z = x.data.subarray(row * classes, (row + 1) * classes);
    const top = Math.max(...z);
    const logSum = logProbs ? 0 : top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
    const spread = z.reduce((sum, v, k) => sum + weightOf(k) * (logSum - v), 0);
    divisor += weightOf(t);
    return (1 - o.labelSmoothing) * weightOf(t) * (logSum - z[t]) + (o.labelSmoothing / classes) * spread;
  });
  if (o.reduction === "none") return { shape: labels.shape, data: losses };
  const total = losses.reduce((a, b) => a + b, 0);
  if (o.reduction === "sum") return ndarray([], [total]);
  return ndarray([], [divisor === 0 && o.emptyMean === "zero" ? 0 : total / divisor]);
}

const crossEntropyOp = lossOp("cross_entropy", false);
const nllOp = lossOp("nll_loss", true);

/**
 * -log softmax(logits)[target] over the last axis: logits [..., K], target i32 [...]. The result has the shape of the
 * target for reduction "none", otherwise it is a scalar. Targets outside [0, K) count as ignored.
 *
 * A target f32 [..., K] holds probabilities instead: -sum(target * log softmax(logits)), with gradients for both.
 * Nothing is ignored then, and the mean divides by the number of rows.
 *
 * @throws Error where shapes, types or options do not fit
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0 } = options;
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new Error(`label_smoothing must be between 0.0 and 1.0. Got: ${labelSmoothing}`);
  }
  if (target.dtype === "f32" && sameShape(target.shape, logits.shape) && logits.shape.length > 0) {
    return softTargetLoss(logits, target, options);
  }
  check(logits.shape, target, options);
  return apply(crossEntropyOp, [logits, target, options.weight ?? null], settings(options, labelSmoothing));
}

/**
 * -logProbs[target] over the last axis: crossEntropy of scores that are log-probabilities already.
 *
 * @throws Error as `crossEntropy`
 */
export function nllLoss(logProbs: Tensor, target: Tensor, options: NllOptions = {}): Tensor {
  check(logProbs.shape, target, options);
  return apply(nllOp, [logProbs, target, options.weight ?? null], settings(options, 0));
}

function softTargetLoss(logits: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { weight, labelSmoothing = 0, reduction = "mean" } = options;
  const classes = logits.shape.at(-1)!;
  checkWeight(weight, classes);
  const even = labelSmoothing === 0 ? null : Tensor.from(logits.gpu, [labelSmoothing / classes], []);
  const smooth = even ? add(scale(target, 1 - labelSmoothing), even) : target;
  const product = mul(logSoftmax(logits), smooth);
  const losses = scale(sum(weight ? mul(product, weight) : product, [-1]), -1);
  if (reduction === "none") return losses;
  return reduction === "sum" ? sum(losses) : mean(losses);
}

function settings(options: NllOptions, labelSmoothing: number): Settings {
  const { ignoreIndex = -100, reduction = "mean", emptyMean = "zero" } = options;
  return { ignoreIndex, reduction, emptyMean, labelSmoothing };
}

function check(shape: Shape, target: Tensor, { weight, ignoreIndex = 0 }: NllOptions): void {
  const classes = shape.at(-1);
  if (classes === undefined || !sameShape(shape.slice(0, -1), target.shape)) {
    throw new Error(
      `input and target batch or spatial sizes don't match: target ${showShape(target.shape)}, ` +
        `input ${showShape(shape)}; the input has one axis more, the classes, at the end`,
    );
  }
  if (target.dtype !== "i32") throw new Error(`expected targets of type i32, got ${target.dtype}`);
  if (!Number.isInteger(ignoreIndex)) throw new Error(`ignoreIndex must be an integer, got ${ignoreIndex}`);
  checkWeight(weight, classes);
}

/** @throws Error where class weights do not have the shape [classes] */
export function checkWeight(weight: Tensor | null | undefined, classes: number): void {
  if (!weight || sameShape(weight.shape, [classes])) return;
  throw new Error(
    `weight tensor should be defined either for all ${classes} classes or no classes ` +
      `but got weight tensor of shape: ${showShape(weight.shape)}`,
  );
}
