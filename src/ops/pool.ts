import { showShape } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { around, gridOver } from "./axis.ts";
import { inBlocks, inImages } from "./blocks.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import { checkImage, poolWindow } from "./pool_window.ts";
import type { DilatedPoolOptions, PoolOptions } from "./pool_window.ts";

/** Of `maxPool2d`. */
export type MaxPoolOptions = DilatedPoolOptions;

/** Of `avgPool2d`. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether the mean is taken over padding too. Default true. */
  readonly countIncludePad?: boolean;
  /** What sums are divided by, in the place of the number of pixels. */
  readonly divisorOverride?: number;
}

const maxPoolOp = defineOp<readonly [Tensor], MaxPoolOptions>({
  name: "max_pool2d",
  forward(ctx, [x], options) {
    if (ctx.needsGrad[0]) {
      const { y, indices } = maxPoolWithIndices(x, options);
      ctx.own(indices);
      return y;
    }
    const y = Tensor.empty(x.gpu, maxPoolDispatch(x.shape, options).output);
    inImages(x.shape, [x], [y], ([x], [y], shape) => {
      const { output, dispatch } = maxPoolDispatch(shape, options);
      x.gpu.run(`${maxPoolKernel(shape)}.forward`, { x, y }, dispatch(output));
    });
    return y;
  },
  backward(ctx, dy, [x], options) {
    const dx = Tensor.empty(x.gpu, x.shape);
    inImages(x.shape, [dy, ctx.saved[0]], [dx], ([dy, indices], [dx], shape) => {
      const { dispatch } = maxPoolDispatch(shape, options);
      x.gpu.run(`${maxPoolKernel(shape)}.backward`, { dy, indices, dx }, dispatch(shape));
    });
    return [dx];
  },
  reference: ([x], options) => maxPoolReference(x!, options).y,
  referenceBackward([x], grad, options) {
    const [, h, w] = x!.shape;
    const { indices } = maxPoolReference(x!, options);
    const dx = ndarray(x!.shape);
    forEachIndex(grad.shape, ([image, , , channel], flat) => {
      const place = indices.data[flat];
      if (place >= 0) dx.data[at([dx.shape[0], h * w, dx.shape[3]], [image, place, channel])] += grad.data[flat];
    });
    return [dx];
  },
  samples: maxPoolSamples(),
});

const maxPoolIndicesOp = defineOp<readonly [Tensor], MaxPoolOptions>({
  name: "max_pool2d_indices",
  forward(_ctx, [x], options) {
    const { y, indices } = maxPoolWithIndices(x, options);
    y.release();
    return indices;
  },
  reference: ([x], options) => maxPoolReference(x!, options).indices,
  samples: maxPoolSamples(),
});

function maxPoolWithIndices(x: Tensor, options: MaxPoolOptions): { y: Tensor; indices: Tensor } {
  const { output } = maxPoolDispatch(x.shape, options);
  const y = Tensor.empty(x.gpu, output);
  const indices = Tensor.empty(x.gpu, output, "i32");
  inImages(x.shape, [x], [y, indices], ([x], [y, indices_out], shape) => {
    const { output, dispatch } = maxPoolDispatch(shape, options);
    x.gpu.run(`${maxPoolKernel(shape)}.forward_indices`, { x, y, indices_out }, dispatch(output));
  });
  return { y, indices };
}

function maxPoolKernel(shape: Shape): "max_pool2d" | "max_pool2d_vec4" {
  return shape[3] % 4 === 0 ? "max_pool2d_vec4" : "max_pool2d";
}

function maxPoolDispatch(shape: Shape, options: MaxPoolOptions) {
  const { kernel, stride, padding, dilation, output } = poolWindow("maxPool2d", shape, options);
  const [n, h, w, c] = shape;
  const lanes = maxPoolKernel(shape) === "max_pool2d_vec4" ? c / 4 : c;
  const dispatch = ([, rows, columns]: Shape) => ({
    grid: [Math.ceil((columns * lanes) / 64), rows, n] as const,
    params: { in_h: h, in_w: w, out_h: output[0], out_w: output[1] },
    constants: {
      CHANNELS: c,
      KERNEL_H: kernel[0],
      KERNEL_W: kernel[1],
      STRIDE_H: stride[0],
      STRIDE_W: stride[1],
      PADDING_H: padding[0],
      PADDING_W: padding[1],
      DILATION_H: dilation[0],
      DILATION_W: dilation[1],
    },
  });
  return { output: [n, ...output, c], dispatch };
}

function maxPoolReference(x: NdArray, options: MaxPoolOptions): { y: NdArray; indices: NdArray } {
  const { kernel, stride, padding, dilation, output } = poolWindow("maxPool2d", x.shape, options);
  const [n, h, w, c] = x.shape;
  const y = ndarray([n, ...output, c]);
  const indices = ndarray(y.shape);
  forEachIndex(y.shape, ([image, row, column, channel], flat) => {
    let [best, place] = [-Infinity, -1];
    forEachIndex(kernel, ([ky, kx]) => {
      const iy = row * stride[0] - padding[0] + ky * dilation[0];
      const ix = column * stride[1] - padding[1] + kx * dilation[1];
      if (iy < 0 || iy >= h || ix < 0 || ix >= w) return;
      const value = x.data[at(x.shape, [image, iy, ix, channel])];
      if (value > best || place < 0 || Number.isNaN(value)) [best, place] = [value, iy * w + ix];
    });
    y.data[flat] = best;
    indices.data[flat] = place;
  });
  return { y, indices };
}

function maxPoolSamples(): Sample<MaxPoolOptions>[] {
  const stem: MaxPoolOptions = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
  return [
    { inputs: [[1, 1, 1, 1]], options: { kernel: [1, 1] } },
    { inputs: [[2, 7, 9, 5]], options: stem },
    { inputs: [{ shape: [1, 8, 6, 3], values: (i) => i % 2 }], options: stem, note: "ties" },
    { inputs: [{ shape: [1, 8, 7, 4], values: (i) => i % 3 }], options: stem, note: "ties" },
    { inputs: [{ shape: [1, 5, 6, 2], values: (_, random) => -1 - random() }], options: stem, note: "below zero" },
    { inputs: [[1, 10, 12, 4]], options: { ...stem, ceilMode: true } },
    { inputs: [[1, 7, 9, 3]], options: { kernel: [2, 3] }, note: "default stride, rest cut off" },
    ...[2, 8].flatMap((channels): Sample<MaxPoolOptions>[] => [
      {
        inputs: [[1, 11, 9, channels]],
        options: { kernel: [3, 2], stride: [1, 2], padding: [1, 1], dilation: [2, 3] },
      },
      {
        inputs: [[1, 2, 2, channels]],
        options: { kernel: [2, 2], padding: [1, 1], dilation: [3, 3] },
        note: "a window in the padding",
      },
      {
        inputs: [{ shape: [1, 4, 4, channels], values: (i) => (i % 11 === 2 ? NaN : i % 3 === 0 ? -Infinity : i) }],
        options: { kernel: [2, 2], stride: [1, 1] },
        note: "NaN and infinity",
      },
    ]),
  ];
}

/** How the kernel averages along the height and along the width. */
interface AvgPoolAxes {
  readonly axes: readonly [AvgPoolAxis, AvgPoolAxis];
  readonly constants: Constants;
}

interface Constants {
  readonly ADAPTIVE: boolean;
  readonly COUNT_PADDING: boolean;
}

interface AvgPoolAxis {
  readonly axis: 1 | 2;
  readonly inSize: number;
  readonly outSize: number;
  readonly window: AvgPoolParams;
}

interface AvgPoolParams {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly divisor: number;
}

const SEGMENT = 16; // pixels per invocation of the adjoint

const avgPoolOp = averagingOp("avg_pool2d", avgPoolAxes, avgPoolSamples());
const adaptiveAvgPoolOp = averagingOp("adaptive_avg_pool2d", adaptiveAxes, adaptiveSamples());

function averagingOp<O>(name: string, axesOf: (shape: Shape, options: O) => AvgPoolAxes, samples: Sample<O>[]) {
  return defineOp<readonly [Tensor], O>({
    name,
    // The width first: it is contiguous but for the channels, and the height then has less to read.
    forward(_ctx, [x], options) {
      const { axes, constants } = axesOf(x.shape, options);
      const narrow = average(x, axes[1], constants, "forward");
      const y = average(narrow, axes[0], constants, "forward");
      narrow.release();
      return y;
    },
    backward(_ctx, dy, [x], options) {
      const { axes, constants } = axesOf(x.shape, options);
      const narrow = average(dy, axes[0], constants, "adjoint");
      const dx = average(narrow, axes[1], constants, "adjoint");
      narrow.release();
      return [dx];
    },
    reference([x], options) {
      const { axes, constants } = axesOf(x!.shape, options);
      const y = ndarray([x!.shape[0], axes[0].outSize, axes[1].outSize, x!.shape[3]]);
      forEachIndex(y.shape, ([image, row, column, channel], flat) => {
        const tall = averagedWindow(axes[0], row, constants);
        const wide = averagedWindow(axes[1], column, constants);
        for (let iy = tall.begin; iy < tall.end; iy++) {
          for (let ix = wide.begin; ix < wide.end; ix++) {
            y.data[flat] += x!.data[at(x!.shape, [image, iy, ix, channel])] / (tall.divisor * wide.divisor);
          }
        }
      });
      return y;
    },
    samples,
  });
}

/** One axis averaged; the adjoint goes from the output's size back to the input's. */
function average(from: Tensor, axis: AvgPoolAxis, constants: Constants, pass: "forward" | "adjoint"): Tensor {
  const to = Tensor.empty(from.gpu, from.shape.with(axis.axis, pass === "forward" ? axis.outSize : axis.inSize));
  inBlocks(around(from.shape, axis.axis), [from], [to], ([from], [to], outer, inner) => {
    const params = { outer, inner, in_size: axis.inSize, out_size: axis.outSize, ...axis.window };
    const common = { params, constants, tune: { SEGMENT } };
    if (pass === "forward") {
      from.gpu.run("avg_pool.forward", { x: from, y: to }, { ...common, grid: gridOver(axis.outSize * inner, outer) });
    } else {
      const segments = Math.ceil(axis.inSize / SEGMENT);
      from.gpu.run("avg_pool.adjoint", { dy: from, dx: to }, { ...common, grid: gridOver(segments * inner, outer) });
    }
  });
  return to;
}

function avgPoolAxes(shape: Shape, options: AvgPoolOptions): AvgPoolAxes {
  const { kernel, stride, padding, output } = poolWindow("avgPool2d", shape, options);
  const axisOf = (i: 0 | 1): AvgPoolAxis => {
    // The product of both axes' divisors is what counts: one takes the override, the other 1.
    const divisor = options.divisorOverride === undefined ? 0 : i === 0 ? options.divisorOverride : 1;
    const window = { kernel: kernel[i], stride: stride[i], padding: padding[i], divisor };
    return { axis: i === 0 ? 1 : 2, inSize: shape[i + 1], outSize: output[i], window };
  };
  return {
    axes: [axisOf(0), axisOf(1)],
    constants: { ADAPTIVE: false, COUNT_PADDING: options.countIncludePad ?? true },
  };
}

function adaptiveAxes(shape: Shape, outputSize: Pair): AvgPoolAxes {
  const window = { kernel: 0, stride: 0, padding: 0, divisor: 0 };
  return {
    axes: [
      { axis: 1, inSize: shape[1], outSize: outputSize[0], window },
      { axis: 2, inSize: shape[2], outSize: outputSize[1], window },
    ],
    constants: { ADAPTIVE: true, COUNT_PADDING: false },
  };
}

/** What output i along an axis averages: inputs begin to end - 1, divided by the divisor. */
function averagedWindow({ inSize, outSize, window }: AvgPoolAxis, i: number, constants: Constants) {
  if (constants.ADAPTIVE) {
    const begin = Math.floor((i * inSize) / outSize);
    const end = Math.ceil(((i + 1) * inSize) / outSize);
    return { begin, end, divisor: end - begin };
  }
  const start = i * window.stride - window.padding;
  const stop = Math.min(start + window.kernel, inSize + window.padding);
  const [begin, end] = [Math.max(start, 0), Math.min(stop, inSize)];
  const count = constants.COUNT_PADDING ? stop - start : end - begin;
  return { begin, end, divisor: window.divisor === 0 ? count : window.divisor };
}

function avgPoolSamples(): Sample<AvgPoolOptions>[] {
  const padded: AvgPoolOptions = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
  return [
    { inputs: [[1, 1, 1, 1]], options: { kernel: [1, 1] } },
    { inputs: [[2, 8, 10, 3]], options: { kernel: [2, 2] } },
    { inputs: [[1, 9, 11, 4]], options: { kernel: [2, 2], ceilMode: true, countIncludePad: false } },
    { inputs: [[1, 10, 7, 3]], options: { ...padded, ceilMode: true } },
    { inputs: [[1, 9, 9, 2]], options: { ...padded, countIncludePad: false } },
    { inputs: [[1, 35, 7, 2]], options: { kernel: [3, 3], stride: [1, 1], padding: [1, 1] }, note: "several segments" },
    { inputs: [[1, 9, 13, 2]], options: { kernel: [1, 2], stride: [3, 4] }, note: "gaps between windows" },
    { inputs: [[1, 9, 9, 1]], options: { kernel: [4, 4], stride: [2, 3], padding: [1, 1], divisorOverride: -2 } },
  ];
}

function adaptiveSamples(): Sample<Pair>[] {
  const sizes: readonly Pair[] = [[1, 1], [2, 3], [6, 6], [9, 10], [11, 4]];
  return [
    { inputs: [[1, 1, 1, 1]], options: [1, 1] },
    { inputs: [[1, 1, 2, 3]], options: [3, 5], note: "more bins than pixels" },
    ...sizes.map((options): Sample<Pair> => ({ inputs: [[1, 9, 10, 2]], options })),
    { inputs: [[2, 37, 7, 3]], options: [5, 1], note: "several segments" },
  ];
}

/**
 * Largest value of every window of x [n, h, w, c]; the first of equal ones gets the gradient (torch's max_pool2d).
 *
 * @throws Error where x is no image, or the window does not fit
 */
export function maxPool2d(x: Tensor, options: MaxPoolOptions): Tensor {
  return apply(maxPoolOp, [x], options);
}

/** Where the values of `maxPool2d` are in their image: i32 of the output's shape, row · width + column. */
export function maxPool2dIndices(x: Tensor, options: MaxPoolOptions): Tensor {
  return apply(maxPoolIndicesOp, [x], options);
}

/**
 * Mean of every window of x [n, h, w, c] (torch.nn.functional.avg_pool2d).
 *
 * @throws Error where x is no image, or the window does not fit
 */
export function avgPool2d(x: Tensor, options: AvgPoolOptions): Tensor {
  if (options.divisorOverride === 0) throw new Error("divisor must be not zero");
  return apply(avgPoolOp, [x], options);
}

/**
 * Means over a grid of `outputSize` (height, width) bins of x [n, h, w, c]; bin i covers floor(i·in/out) up to
 * ceil((i + 1)·in/out) (torch.nn.functional.adaptive_avg_pool2d).
 *
 * @throws Error where x is no image, or the size is not of whole numbers above 0
 */
export function adaptiveAvgPool2d(x: Tensor, outputSize: Pair): Tensor {
  checkImage("adaptiveAvgPool2d", x.shape);
  if (!outputSize.every((n) => Number.isInteger(n) && n > 0)) {
    throw new Error(`adaptiveAvgPool2d needs an output size of whole numbers above 0, got ${showShape(outputSize)}`);
  }
  return apply(adaptiveAvgPoolOp, [x], outputSize);
}
