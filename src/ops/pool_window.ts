/** The sliding window of the pooling operations: its options, PyTorch's checks of them, and the output's size. */
import { showShape, windowOutput } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";

/** Windows in pixels; pairs are height, width. */
export interface PoolOptions {
  /** Height and width of the window. */
  readonly kernel: Pair;
  /** Default: the kernel, so that windows do not overlap. */
  readonly stride?: Pair;
  /** On every side, at most half the kernel. Default 0. */
  readonly padding?: Pair;
  /** Whether a last window that begins inside the padded image but ends outside counts. Default false. */
  readonly ceilMode?: boolean;
}

/** Windows whose pixels may lie apart. */
export interface DilatedPoolOptions extends PoolOptions {
  /** Steps between the pixels of a window. Default 1. */
  readonly dilation?: Pair;
}

export interface PoolWindow {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  /** Height and width of the output. */
  readonly output: Pair;
}

/** The window of a pooling over x [n, h, w, c]. Throws what PyTorch raises where it does not fit. */
export function poolWindow(name: string, shape: Shape, options: DilatedPoolOptions): PoolWindow {
  checkImage(name, shape);
  const { kernel, stride = kernel, padding = [0, 0], dilation = [1, 1], ceilMode = false } = options;
  const [, h, w, c] = shape;
  atLeast(1, kernel, `kernel size should be greater than zero, but got kH: ${kernel[0]} kW: ${kernel[1]}`);
  atLeast(1, stride, `stride should be greater than zero, but got dH: ${stride[0]} dW: ${stride[1]}`);
  atLeast(
    1,
    dilation,
    `dilation should be greater than zero, but got dilationH: ${dilation[0]} dilationW: ${dilation[1]}`,
  );
  atLeast(0, padding, `padding should not be negative, but got padH: ${padding[0]} padW: ${padding[1]}`);
  if (padding[0] > kernel[0] / 2 || padding[1] > kernel[1] / 2) {
    throw new Error(
      "pad should be smaller than or equal to half of kernel size, but got " +
        `padW = ${padding[1]}, padH = ${padding[0]}, kW = ${kernel[1]}, kH = ${kernel[0]}`,
    );
  }
  const along = (axis: 0 | 1, n: number): number =>
    windowOutput(n, kernel[axis], stride[axis], padding[axis], dilation[axis], ceilMode);
  const output: Pair = [along(0, h), along(1, w)];
  if (output[0] < 1 || output[1] < 1) {
    throw new Error(
      `Given input size: (${c}x${h}x${w}). Calculated output size: (${c}x${output[0]}x${output[1]}). ` +
        "Output size is too small",
    );
  }
  return { kernel, stride, padding, dilation, output };
}

/** Pooling needs images that are not empty; there may be none of them. */
export function checkImage(name: string, shape: Shape): void {
  if (shape.length !== 4 || shape.slice(1).includes(0)) {
    throw new Error(`${name} needs x [n, h, w, c] with h, w and c above 0, got ${showShape(shape)}`);
  }
}

function atLeast(least: number, pair: Pair, message: string): void {
  if (!pair.every((n) => Number.isInteger(n) && n >= least)) throw new Error(message);
}
