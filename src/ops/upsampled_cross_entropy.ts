import { showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample, SampleInput } from "./define.ts";
import { inParts } from "./parts.ts";
import { at, ndarray } from "./ndarray.ts";
import { axes, fixedPoint, taps } from "./resample.ts";
import type { Axis } from "./resample.ts";
import { tileOf } from "./variants.ts";

/** Of `upsampledCrossEntropy`. */
export interface UpsampledCrossEntropyOptions {
  /** Label of pixels that do not count. */
  readonly ignoreIndex: number;
  readonly alignCorners: boolean;
}

/** The largest PIXELS that the kernel offers. */
const MOST_PIXELS = 8;

const upsampledCrossEntropyOp = defineOp<readonly [Tensor, Tensor], UpsampledCrossEntropyOptions>({
  name: "upsampled_cross_entropy",
  forward(ctx, [x, labels], options) {
    const { gpu } = x;
    const { height, width, kernel } = plan(x, labels, options);
    const lse = Tensor.empty(gpu, labels.shape);
    const parts = x.shape[0] * height.outSize * (width.inSize + 1);
    const sums = Tensor.empty(gpu, [parts, 2]);
    const sizes = [parts, width.outSize / width.inSize, x.shape[3]];
    const tune = tileOf(gpu, "upsampled_cross_entropy", sizes, { PIXELS: pixelsAtOnce(width) });
    inParts(x.shape[0], [x, labels], [lse, sums], ([x, labels], [lse, sums], n) => {
      const elements = sums.size / 2;
      gpu.run("upsampled_cross_entropy.forward", { x, labels, lse, sums }, { ...kernel(n), elements, tune });
    });
    const [loss, factor] = [Tensor.empty(gpu, []), Tensor.empty(gpu, [])];
    gpu.run("cross_entropy_mean", { sums, loss, factor }, { params: { parts } });
    sums.release();
    ctx.own(lse, factor);
    ctx.save(x, labels);
    return loss;
  },
  backward(ctx, dloss, [x, labels], options) {
    const { gpu } = x;
    const [n, h, w, classes] = x.shape;
    const [saved, factor] = ctx.saved;
    const { kernel } = plan(x, labels, options);
    const chunks = Math.ceil(classes / 4);
    const corners = Tensor.empty(gpu, [n, h + 1, w + 1, 4, classes]);
    inParts(n, [x, labels, saved], [corners], ([x, labels, saved], [corners], n) => {
      gpu.run("upsampled_cross_entropy.backward", { x, labels, saved, corners }, {
        ...kernel(n), elements: n * (h + 1) * (w + 1) * chunks,
      });
    });
    const dx = Tensor.empty(gpu, x.shape);
    inParts(n, [corners], [dx], ([parts], [dx], n) => {
      gpu.run("upsampled_cross_entropy.gather", { parts, dloss, factor, dx }, {
        ...kernel(n), elements: n * h * w * chunks,
      });
    });
    corners.release();
    return [dx, null];
  },
  reference([x, labels], { ignoreIndex, alignCorners }) {
    const classes = x!.shape[3];
    const [, height, width] = labels!.shape;
    const [rows, columns] = axes(x!.shape, { size: [height, width], alignCorners });
    let total = 0;
    let count = 0;
    labels!.data.forEach((label, flat) => {
      if (label === ignoreIndex || label < 0 || label >= classes) return;
      const line = Math.floor(flat / width);
      const image = Math.floor(line / height);
      const z = new Float64Array(classes);
      for (const [iy, wy] of taps(rows, line % height)) {
        for (const [ix, wx] of taps(columns, flat % width)) {
          for (let k = 0; k < classes; k++) z[k] += wy * wx * x!.data[at(x!.shape, [image, iy, ix, k])];
        }
      }
      const top = Math.max(...z);
      total += top + Math.log(z.reduce((sum, v) => sum + Math.exp(v - top), 0)) - z[label];
      count++;
    });
    return ndarray([], [count === 0 ? 0 : total / count]);
  },
  samples: samples(),
});

function plan(x: Tensor, labels: Tensor, { ignoreIndex, alignCorners }: UpsampledCrossEntropyOptions) {
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
  return { height, width, kernel: (n: number) => ({ params: { n, ...params }, constants }) };
}

/** Equal shares of the outputs that lie between two inputs, none larger than MOST_PIXELS. */
function pixelsAtOnce({ step, outSize }: Axis): number {
  const between = step > 0 ? Math.min(Math.ceil(1 / step), outSize) : outSize;
  return Math.ceil(between / Math.ceil(between / MOST_PIXELS));
}

function samples(): Sample<UpsampledCrossEntropyOptions>[] {
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
  return cases.flatMap(([x, label, ignoreIndex, note]) =>
    [false, true].map((alignCorners) => ({
      inputs: [x, label],
      options: { ignoreIndex, alignCorners },
      note: alignCorners ? `${note}, align_corners` : note,
    })),
  );
}

/**
 * Mean over the labelled pixels of -log softmax(z)[label], z being the logits [n, h, w, K] resized bilinearly to the
 * labels, i32 [n, height, width]: crossEntropy(interpolateBilinear(logits, ...), label) without the resized logits,
 * which are K numbers per pixel where this keeps one. Labels outside [0, K) count as ignored; a mean over nothing is 0.
 *
 * @throws Error where shapes, types or options do not fit
 */
export function upsampledCrossEntropy(
  logits: Tensor,
  label: Tensor,
  options: UpsampledCrossEntropyOptions,
): Tensor {
  const { shape } = logits;
  if (shape.length !== 4 || label.shape.length !== 3 || shape[0] !== label.shape[0] || label.dtype !== "i32") {
    throw new Error(
      `upsampledCrossEntropy needs logits [n, h, w, K] and labels i32 [n, height, width], got ${showShape(shape)} ` +
        `and ${label.dtype} ${showShape(label.shape)}`,
    );
  }
  if (!Number.isInteger(options.ignoreIndex)) {
    throw new Error(`ignoreIndex must be an integer, got ${options.ignoreIndex}`);
  }
  return apply(upsampledCrossEntropyOp, [logits, label], options);
}
