import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { inImages } from "./blocks.ts";
import { apply, defineOp } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { axes, checkRequest } from "./resample.ts";
import type { Axis, InterpolateOptions } from "./resample.ts";

/** Either `size` or `scaleFactor`, height first. */
export type InterpolateNearestOptions = Pick<InterpolateOptions, "size" | "scaleFactor">;

const interpolateNearestOp = defineOp<readonly [Tensor], InterpolateNearestOptions>({
  name: "interpolate_nearest",
  forward(_ctx, [x], options) {
    const y = Tensor.empty(x.gpu, plan(x.shape, options).output);
    inImages(x.shape, [x], [y], ([x], [y], shape) => {
      const { output, dispatch } = plan(shape, options);
      x.gpu.run("interpolate_nearest.forward", { x, y }, dispatch(output));
    });
    return y;
  },
  backward(_ctx, dy, [x], options) {
    const dx = Tensor.empty(x.gpu, x.shape);
    inImages(x.shape, [dy], [dx], ([dy], [dx], shape) => {
      x.gpu.run("interpolate_nearest.adjoint", { dy, dx }, plan(shape, options).dispatch(shape));
    });
    return [dx];
  },
  reference([x], options) {
    const [height, width] = axes(x!.shape, options);
    const y = ndarray(plan(x!.shape, options).output);
    forEachIndex(y.shape, ([image, row, column, channel], flat) => {
      y.data[flat] = x!.data[at(x!.shape, [image, source(height, row), source(width, column), channel])];
    });
    return y;
  },
  samples: [
    { inputs: [[1, 1, 1, 2]], options: { size: [1, 1] } },
    { inputs: [[2, 3, 5, 2]], options: { scaleFactor: [4, 4] }, note: "4 times larger" },
    { inputs: [[1, 5, 3, 2]], options: { size: [3, 11] }, note: "smaller one way, larger the other" },
    { inputs: [[1, 4, 7, 2]], options: { size: [4, 1] }, note: "an axis unchanged, one to one pixel" },
    { inputs: [[1, 7, 9, 2]], options: { scaleFactor: [1.7, 0.6] }, note: "two scales" },
    { inputs: [[1, 1, 14, 2]], options: { size: [1, 46] }, note: "23 * f32(14 / 46) is below 7" },
    { inputs: [[1, 3, 23, 3]], options: { size: [2, 70] }, note: "several workgroups" },
  ],
});

/** Sizes of the output, and how to dispatch over the elements of one of the two images. */
function plan(shape: Shape, options: InterpolateNearestOptions) {
  const [n, h, w, channels] = shape;
  const [height, width] = axes(shape, options);
  const params = { in_h: h, in_w: w, out_h: height.outSize, out_w: width.outSize };
  const steps = { step_h: Math.fround(height.step), step_w: Math.fround(width.step) };
  return {
    output: [n, height.outSize, width.outSize, channels],
    dispatch: ([, rows, columns]: Shape) => ({
      grid: [Math.ceil((columns * channels) / 64), rows, n] as const,
      params: { ...params, ...steps },
      constants: { CHANNELS: channels },
    }),
  };
}

/** The input that an output takes; PyTorch computes in f32. */
function source({ step, inSize }: Axis, i: number): number {
  return Math.min(Math.floor(Math.fround(i * Math.fround(step))), inSize - 1);
}

/**
 * x [n, h, w, c] resampled to [n, height, width, c] without mixing pixels: torch.nn.functional.interpolate with
 * mode="nearest" and either `size` or `scaleFactor` (output floor(n·scale) pixels, PyTorch's choice of pixels).
 *
 * @throws Error as `interpolateBilinear`
 */
export function interpolateNearest(x: Tensor, options: InterpolateNearestOptions): Tensor {
  checkRequest("interpolateNearest", x.shape, options);
  return apply(interpolateNearestOp, [x], options);
}
