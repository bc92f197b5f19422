/**
 * From an image to logits or probabilities: at once or through sliding windows, averaged over scales and mirror images
 * (METHOD.md 7.1 and 7.2). Nothing is recorded; the network has to be in eval mode.
 */
import { noGrad } from "../autograd/tape.ts";
import type { EvalConfig } from "../config/config.ts";
import { type FlipPairs, partners } from "../data/transforms.ts";
import type { Prediction } from "../models/segmentor.ts";
import { argmax } from "../ops/argmax.ts";
import { concat } from "../ops/concat.ts";
import { add, div, scale } from "../ops/elementwise.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { flip, pad } from "../ops/shape_ops.ts";
import { slice } from "../ops/slice.ts";
import { softmax } from "../ops/softmax.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Pair } from "../tensor/shape.ts";

export interface ViewOptions extends Pick<EvalConfig, "mode" | "crop" | "stride" | "average"> {
  /** Classes that a mirror image exchanges: their scores are exchanged back. */
  readonly flipPairs?: FlipPairs;
}
export type InferenceOptions = ViewOptions & Pick<EvalConfig, "scales" | "flip">;

/** What is asked of a network. */
export interface Predictor {
  readonly alignCorners: boolean;
  forward(image: Tensor): Prediction;
}

/** One way to look at an image. */
export interface View {
  readonly scale: number;
  readonly mirrored: boolean;
}

/** The axes of rows and columns in [n, h, w, c]. */
const [ROWS, COLUMNS, CHANNELS] = [1, 2, 3];

/** Scores at the resolution of the prediction that may exist at a time; one row, at least. */
const STRIP_BYTES = 16 * 2 ** 20;

/** Scale 0, scale 0 mirrored, scale 1, ... */
export function viewsOf({ scales, flip: withFlip }: Pick<EvalConfig, "scales" | "flip">): View[] {
  const mirrorings = withFlip ? [false, true] : [false];
  return scales.flatMap((factor) => mirrorings.map((mirrored) => ({ scale: factor, mirrored })));
}

/**
 * Logits (or probabilities, with `average: "probs"`) of one view of image [n, h, w, 3], mirrored back: in `whole` mode
 * at the network's resolution, in `slide` mode at that of the scaled image.
 */
export function inferView(model: Predictor, image: Tensor, view: View, options: ViewOptions): Tensor {
  const infer = options.mode === "whole" ? inferWhole : inferSlide;
  return scoped(image, () => {
    const factor: Pair = [view.scale, view.scale];
    const { alignCorners } = model;
    const scaled = view.scale === 1 ? image : interpolateBilinear(image, { scaleFactor: factor, alignCorners });
    if (!view.mirrored) return infer(model, scaled, options);
    const scores = flip(infer(model, flip(scaled, [COLUMNS]), options), [COLUMNS]);
    return swapChannels(scores, options.flipPairs ?? []);
  });
}

/** Exchanges the channels of each pair. */
function swapChannels(x: Tensor, pairs: FlipPairs): Tensor {
  if (pairs.length === 0) return x;
  const partner = partners(pairs);
  const order = Array.from({ length: x.shape[CHANNELS] }, (_, k) => partner.get(k) ?? k);
  const starts = order.flatMap((k, i) => (k === order[i - 1] + 1 ? [] : [i]));
  const runs = starts.map((start, i) => order.slice(start, starts[i + 1]));
  return concat(runs.map((run) => slice(x, CHANNELS, run[0], run[0] + run.length)), CHANNELS);
}

/** The mean of all views of image [n, h, w, 3], resized to `size`: [n, ...size, K]. Its argmax is the prediction. */
export function predict(model: Predictor, image: Tensor, size: Pair, options: InferenceOptions): Tensor {
  const views = viewsOf(options);
  const sum = sumOf(image, views, (view) => resizeTo(model, inferView(model, image, view, options), size));
  return views.length === 1 ? sum : noGrad(() => scale(sum, 1 / views.length));
}

/** The prediction, classes i32 [n, ...size]. */
export function predictClasses(model: Predictor, image: Tensor, size: Pair, options: InferenceOptions): Tensor {
  return scoped(image, () => {
    const [n] = image.shape;
    const [height, width] = size;
    const prediction = Tensor.empty(image.gpu, [n, height, width], "i32");
    for (const { scores, rows: [start, end] } of predictStrips(model, image, size, options)) {
      const strip = argmax(scores);
      const bytes = 4 * (end - start) * width;
      for (let i = 0; i < n; i++) {
        image.gpu.copy(strip, prediction, bytes, i * bytes, 4 * (i * height + start) * width);
      }
    }
    return prediction;
  });
}

/** Rows start to end (exclusive) of a prediction. */
export interface Strip {
  /** [n, end - start, width, K], the sum over all views; gone when the next strip is asked for. */
  readonly scores: Tensor;
  readonly rows: Span;
}

/**
 * What `predict` gives, from top to bottom. Where the views together are smaller than the scores at `size`, those exist
 * for a strip of rows at a time only; else, as may be in `slide` mode, one view exists at a time and there is one strip.
 */
export function* predictStrips(
  model: Predictor,
  image: Tensor,
  size: Pair,
  options: InferenceOptions,
): Generator<Strip, void, undefined> {
  using _all = image.gpu.arena();
  const { alignCorners } = model;
  const [height, width] = size;
  const views = viewsOf(options);
  const enlarged = views.reduce((sum, { scale: factor }) => sum + factor ** 2, 0);
  const area = enlarged * image.shape[ROWS] * image.shape[COLUMNS];
  if (options.mode === "slide" && area > height * width) {
    const scores = sumOf(image, views, (view) => resizeTo(model, inferView(model, image, view, options), size));
    return yield { scores, rows: [0, height] };
  }
  const small = views.map((view) => inferView(model, image, view, options));
  const [n, , , classes] = small[0].shape;
  const most = Math.max(1, Math.floor(STRIP_BYTES / (4 * n * width * classes)));
  for (let start = 0; start < height; start += most) {
    const rows: Span = [start, Math.min(start + most, height)];
    using _strip = image.gpu.arena();
    const scores = sumOf(image, small, (view) => interpolateBilinear(view, { size, rows, alignCorners }));
    yield { scores, rows };
  }
}

/** Probabilities of the classes, from the scores of a strip. */
export function probabilities(scores: Tensor, options: InferenceOptions): Tensor {
  return noGrad(() => {
    const mean = scale(scores, 1 / viewsOf(options).length);
    return options.average === "probs" ? mean : softmax(mean);
  });
}

function inferWhole(model: Predictor, image: Tensor, { average }: ViewOptions): Tensor {
  const { logits } = model.forward(image);
  return average === "probs" ? softmax(logits) : logits;
}

/** The mean over windows at the image's resolution. */
function inferSlide(model: Predictor, image: Tensor, { crop, stride, average }: ViewOptions): Tensor {
  const [, height, width] = image.shape;
  const rows = slidingWindows(height, crop[0], stride[0]);
  const columns = slidingWindows(width, crop[1], stride[1]);
  const windows = rows.flatMap((row) => columns.map((column) => ({ row, column })));
  const sum = sumOf(image, windows, ({ row: [top, bottom], column: [left, right] }) => {
    const part = slice(slice(image, ROWS, top, bottom), COLUMNS, left, right);
    const logits = resizeTo(model, model.forward(part).logits, [bottom - top, right - left]);
    const values = average === "probs" ? softmax(logits) : logits;
    return pad(values, [[0, 0], [top, height - bottom], [left, width - right], [0, 0]]);
  });
  const [down, across] = [coverage(rows, height), coverage(columns, width)];
  const counts = Float32Array.from(
    { length: height * width },
    (_, i) => down[Math.floor(i / width)] * across[i % width],
  );
  return div(sum, Tensor.from(image.gpu, counts, [1, height, width, 1]));
}

/** Start and end (exclusive) along one axis. */
type Span = readonly [start: number, end: number];

/** Windows of `crop` at every `stride`, the last one moved back inside; a single one where the axis is shorter. */
export function slidingWindows(size: number, crop: number, stride: number): Span[] {
  const count = Math.floor(Math.max(size - crop + stride - 1, 0) / stride) + 1;
  return Array.from({ length: count }, (_, i) => {
    const end = Math.min(i * stride + crop, size);
    return [Math.max(end - crop, 0), end];
  });
}

/** How many of the spans hold each place. */
function coverage(spans: readonly Span[], size: number): number[] {
  return Array.from({ length: size }, (_, at) => spans.filter(([start, end]) => at >= start && at < end).length);
}

function resizeTo(model: Predictor, x: Tensor, size: Pair): Tensor {
  const isThere = x.shape[ROWS] === size[0] && x.shape[COLUMNS] === size[1];
  return isThere ? x : interpolateBilinear(x, { size, alignCorners: model.alignCorners });
}

/** The sum of what `compute` makes of each item, added one by one so that only two results exist at a time. */
function sumOf<T>(near: Tensor, items: readonly T[], compute: (item: T) => Tensor): Tensor {
  return items.slice(1).reduce(
    (sum, item) => {
      const next = scoped(near, () => add(sum, compute(item)));
      sum.release();
      return next;
    },
    scoped(near, () => compute(items[0])),
  );
}

/** Runs `compute` unrecorded and releases all it creates but its result, which becomes the surrounding arena's. */
function scoped({ gpu }: Tensor, compute: () => Tensor): Tensor {
  let result: Tensor;
  {
    using _ = gpu.arena();
    result = noGrad(compute);
    gpu.disown(result);
  }
  gpu.own(result);
  return result;
}
