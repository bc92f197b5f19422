import { showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { checkWeight } from "./cross_entropy.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample, SampleInput } from "./define.ts";
import { inParts } from "./parts.ts";
import { at, ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import { axes, fixedPoint, taps } from "./resample.ts";
import type { Axis } from "./resample.ts";
import { tileOf } from "./variants.ts";

/** How logits are resized to labels. */
export interface ResizeOptions {
  /** Label of pixels that do not count. */
  readonly ignoreIndex: number;
  readonly alignCorners: boolean;
}

/** Of `upsampledCrossEntropy`. */
export interface UpsampledCrossEntropyOptions extends ResizeOptions {
  /**
   * Factor on the loss of a pixel, by its label: f32 [K]. It multiplies a smoothed loss as a whole, as the official
   * code does; crossEntropy, as PyTorch, weighs what smoothing spreads over the other classes by their own factors.
   */
  readonly weight?: Tensor | null;
  /** Whether the mean divides by the sum of the labels' factors (the default) or by their number. */
  readonly normByWeight?: boolean;
  /** Share of the target that is spread evenly over all classes, 0..1; default 0. */
  readonly labelSmoothing?: number;
  /** What the mean divides by instead: the labelled pixels of a batch that this one is a part of. */
  readonly divisor?: number;
  /** A mean over nothing: PyTorch's NaN, or 0 with zero gradient (the default). */
  readonly emptyMean?: "nan" | "zero";
}

type Settings = Required<Omit<UpsampledCrossEntropyOptions, "weight">>;

/** Of a mean over what counts in this batch. */
const OWN_DIVISOR = -1;

/** The largest PIXELS that the kernel offers. */
const MOST_PIXELS = 8;

const upsampledCrossEntropyOp = defineOp<readonly [Tensor, Tensor, Tensor | null], Settings>({
  name: "upsampled_cross_entropy",
  forward(ctx, [x, labels, weight], options) {
    const { gpu } = x;
    const { height, width, kernel, ...own } = plan(x, labels, options);
    const constants = { ...own.constants, ...target(weight, options), BY_COUNT: !options.normByWeight };
    const lse = Tensor.empty(gpu, labels.shape);
    const parts = x.shape[0] * height.outSize * (width.inSize + 1);
    const sums = Tensor.empty(gpu, [parts, 2]);
    const sizes = [parts, width.outSize / width.inSize, x.shape[3]];
    const tune = tileOf(gpu, "upsampled_cross_entropy", sizes, { PIXELS: pixelsAtOnce(width) });
    inParts(x.shape[0], [x, labels], [lse, sums], ([x, labels], [lse, sums], n) => {
      gpu.run("upsampled_cross_entropy.forward", { x, labels, weight: weight ?? x, lse, sums }, {
        ...kernel(n), elements: sums.size / 2, tune, constants,
      });
    });
    const [loss, factor] = [Tensor.empty(gpu, []), Tensor.empty(gpu, [])];
    gpu.run("cross_entropy_mean", { sums, loss, factor }, {
      params: { parts, divisor: options.divisor },
      constants: { EMPTY_ZERO: options.emptyMean === "zero" },
    });
    sums.release();
    ctx.own(lse, factor);
    ctx.save(x, labels, ...(weight ? [weight] : []));
    return loss;
  },
  backward(ctx, dloss, [x, labels, weight], options) {
    const { gpu } = x;
    const [n, h, w, classes] = x.shape;
    const [saved, factor] = ctx.saved;
    const { kernel, ...own } = plan(x, labels, options);
    const chunks = Math.ceil(classes / 4);
    const corners = Tensor.empty(gpu, [n, h + 1, w + 1, 4, classes]);
    const constants = { ...own.constants, ...target(weight, options) };
    inParts(n, [x, labels, saved], [corners], ([x, labels, saved], [corners], n) => {
      gpu.run("upsampled_cross_entropy.backward", { x, labels, weight: weight ?? x, saved, corners }, {
        ...kernel(n), elements: n * (h + 1) * (w + 1) * chunks, constants,
      });
    });
    const dx = Tensor.empty(gpu, x.shape);
    inParts(n, [corners], [dx], ([parts], [dx], n) => {
      gpu.run("upsampled_cross_entropy.gather", { parts, dloss, factor, dx }, {
        ...kernel(n), elements: n * h * w * chunks,
      });
    });
    corners.release();
    return [dx, null, null];
  },
  reference([x, labels, weight], options) {
    const { labelSmoothing: smoothing } = options;
    let total = 0;
    let divisor = 0;
    forEachPixel(x!, labels!, options, (z, label) => {
      const lse = logSumExp(z);
      const factor = weight?.data[label] ?? 1;
      const spread = z.reduce((sum, v) => sum + lse - v, 0) / z.length;
      total += factor * ((1 - smoothing) * (lse - z[label]) + smoothing * spread);
      divisor += options.normByWeight ? factor : 1;
    });
    if (options.divisor !== OWN_DIVISOR) divisor = options.divisor;
    return ndarray([], [divisor === 0 && options.emptyMean === "zero" ? 0 : total / divisor]);
  },
  samples: samples(),
});

/** Runs `use` on the resized scores of every pixel whose label counts; `flat` is its position among the labels. */
export function forEachPixel(
  x: NdArray,
  labels: NdArray,
  { ignoreIndex, alignCorners }: ResizeOptions,
  use: (scores: Float64Array, label: number, flat: number) => void,
): void {
  const classes = x.shape[3];
  const [, height, width] = labels.shape;
  const [rows, columns] = axes(x.shape, { size: [height, width], alignCorners });
  labels.data.forEach((label, flat) => {
    if (label === ignoreIndex || label < 0 || label >= classes) return;
    const line = Math.floor(flat / width);
    const image = Math.floor(line / height);
    const z = new Float64Array(classes);
    for (const [iy, wy] of taps(rows, line % height)) {
      for (const [ix, wx] of taps(columns, flat % width)) {
        for (let k = 0; k < classes; k++) z[k] += wy * wx * x.data[at(x.shape, [image, iy, ix, k])];
      }
    }
    use(z, label, flat);
  });
}

export function logSumExp(z: Float64Array): number {
  const top = Math.max(...z);
  return top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0));
}

/** -log softmax(z)[label] of every pixel by itself, as `labels`; 0 where the label does not count. Not recorded. */
export function pixelLosses(x: Tensor, labels: Tensor, options: ResizeOptions): Tensor {
  const loss = Tensor.empty(x.gpu, labels.shape);
  const { kernel } = plan(x, labels, options);
  inParts(x.shape[0], [x, labels], [loss], ([x, labels], [loss], n) => {
    x.gpu.run("upsampled_cross_entropy.losses", { x, labels, loss }, { ...kernel(n), elements: labels.size });
  });
  return loss;
}

const target = (weight: Tensor | null, { labelSmoothing }: Settings) => ({
  SMOOTHING: labelSmoothing,
  WEIGHTED: weight !== null,
});

function plan(x: Tensor, labels: Tensor, { ignoreIndex, alignCorners }: ResizeOptions) {
  const [, h, w, classes] = x.shape;
  const [, outHeight, outWidth] = labels.shape;
  const [height, width] = axes(x.shape, { size: [outHeight, outWidth], alignCorners });
  const [row, column] = [fixedPoint(height), fixedPoint(width)];
  const params = {
    ...{ h, w, height: outHeight, width: outWidth },
    ...{ origin_y_whole: row.origin_whole, origin_y_fraction: row.origin_fraction },
    ...{ step_y_whole: row.step_whole, step_y_fraction: row.step_fraction },
    ...{ origin_x_whole: column.origin_whole, origin_x_fraction: column.origin_fraction },
    ...{ step_x_whole: column.step_whole, step_x_fraction: column.step_fraction },
  };
  const constants = { CLASSES: classes, IGNORE: ignoreIndex };
  return { height, width, constants, kernel: (n: number) => ({ params: { n, ...params }, constants }) };
}

/** Equal shares of the outputs that lie between two inputs, none larger than MOST_PIXELS. */
function pixelsAtOnce({ step, outSize }: Axis): number {
  const between = step > 0 ? Math.min(Math.ceil(1 / step), outSize) : outSize;
  return Math.ceil(between / Math.ceil(between / MOST_PIXELS));
}

function samples(): Sample<Settings>[] {
  const labels = (shape: Shape, classes: number, ignored: number): SampleInput => ({
    shape,
    dtype: "i32",
    values: (i, random) => (i % 5 === 2 ? ignored : Math.floor(random() * classes)),
  });
  const all = (shape: Shape, label: number): SampleInput => ({ shape, dtype: "i32", values: () => label });
  const cases: readonly (readonly [Shape | SampleInput, SampleInput, number, string])[] = [
    [[1, 1, 1, 1], labels([1, 1, 1], 1, 255), 255, "one class"],
    [[2, 1, 1, 5], labels([2, 7, 12], 5, 255), 255, "one pixel, repeated"],
    [[2, 2, 3, 19], labels([2, 16, 24], 19, 255), 255, "8 times larger"],
    [[1, 4, 5, 7], labels([1, 13, 11], 7, 3), 3, "odd ratios; the ignored label is a class"],
    [[1, 3, 3, 8], labels([1, 3, 3], 8, 255), 255, "the size that it has"],
    [[1, 11, 7, 3], labels([1, 5, 2], 3, 255), 255, "smaller"],
    [[1, 2, 5, 4], labels([1, 19, 3], 4, 4), 255, "larger one way, smaller the other; labels beyond the classes"],
    [[1, 3, 2, 5], labels([1, 1, 1], 5, 255), 255, "one labelled pixel"],
    [{ shape: [1, 3, 4, 6], values: (i) => i % 2 }, labels([1, 9, 12], 6, -1), 255, "ties; negative labels"],
    [{ shape: [1, 2, 2, 5], values: (i) => 60 * (i % 4) - 90 }, labels([1, 8, 8], 5, 255), 255, "a wide range"],
    [[1, 2, 3, 4], all([1, 5, 6], 255), 255, "nothing counts: 0"],
  ];
  const defaults = { normByWeight: true, labelSmoothing: 0, divisor: OWN_DIVISOR, emptyMean: "zero" } as const;
  const plain = cases.flatMap(([x, label, ignoreIndex, note]) =>
    [false, true].map((alignCorners) => ({
      inputs: [x, label, null],
      options: { ...defaults, ignoreIndex, alignCorners },
      note: alignCorners ? `${note}, align_corners` : note,
    })),
  );
  const factors: SampleInput = { shape: [6], values: (i) => 0.5 * (i % 4) };
  const options = { ...defaults, ignoreIndex: 255, alignCorners: false };
  const [scores, map] = [[1, 2, 3, 6], labels([1, 9, 10], 6, 255)];
  return [
    ...plain,
    { inputs: [scores, map, factors], options, note: "class weights, one of them 0" },
    { inputs: [scores, map, factors], options: { ...options, normByWeight: false }, note: "the mean over pixels" },
    { inputs: [scores, map, null], options: { ...options, labelSmoothing: 0.1 }, note: "smoothed labels" },
    { inputs: [scores, map, factors], options: { ...options, labelSmoothing: 0.3, divisor: 1000 }, note: "all of it" },
    { inputs: [scores, all([1, 9, 10], 255), null], options: { ...options, divisor: 7 }, note: "nothing of 7 pixels" },
  ];
}

/**
 * Mean over the labelled pixels of -log softmax(z)[label], z being the logits [n, h, w, K] resized bilinearly to the
 * labels, i32 [n, height, width]: crossEntropy(interpolateBilinear(logits, ...), label) without the resized logits,
 * which are K numbers per pixel where this keeps one. Labels outside [0, K) count as ignored.
 *
 * @throws Error where shapes, types or options do not fit
 */
export function upsampledCrossEntropy(
  logits: Tensor,
  label: Tensor,
  { weight = null, ...options }: UpsampledCrossEntropyOptions,
): Tensor {
  const { normByWeight = true, labelSmoothing = 0, divisor = OWN_DIVISOR, emptyMean = "zero" } = options;
  checkLabels("upsampledCrossEntropy", logits, label, options);
  checkWeight(weight, logits.shape[3]);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1)) {
    throw new Error(`labelSmoothing must be between 0 and 1, got ${labelSmoothing}`);
  }
  if (!(divisor >= 0 || divisor === OWN_DIVISOR)) throw new Error(`divisor must not be negative, got ${divisor}`);
  return apply(upsampledCrossEntropyOp, [logits, label, weight], {
    ...{ ignoreIndex: options.ignoreIndex, alignCorners: options.alignCorners },
    ...{ normByWeight, labelSmoothing, divisor, emptyMean },
  });
}

/** @throws Error where logits [n, h, w, K] and labels i32 [n, height, width] do not belong together */
export function checkLabels(caller: string, logits: Tensor, label: Tensor, { ignoreIndex }: ResizeOptions): void {
  const { shape } = logits;
  if (shape.length !== 4 || label.shape.length !== 3 || shape[0] !== label.shape[0] || label.dtype !== "i32") {
    throw new Error(
      `${caller} needs logits [n, h, w, K] and labels i32 [n, height, width], got ${showShape(shape)} ` +
        `and ${label.dtype} ${showShape(label.shape)}`,
    );
  }
  if (!Number.isInteger(ignoreIndex)) throw new Error(`ignoreIndex must be an integer, got ${ignoreIndex}`);
}
