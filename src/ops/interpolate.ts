import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { around, gridOver } from "./axis.ts";
import { inBlocks } from "./blocks.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { axes, checkRequest, fixedPoint, taps } from "./resample.ts";
import type { Axis, InterpolateOptions } from "./resample.ts";
import { tileOf } from "./variants.ts";

const interpolateOp = defineOp<readonly [Tensor], InterpolateOptions>({
  name: "interpolate_bilinear",
  forward(_ctx, [x], options) {
    const [height, width] = axes(x.shape, options);
    const tall = resize(x, height, "forward");
    const y = resize(tall, width, "forward");
    tall.release();
    return y;
  },
  backward(_ctx, dy, [x], options) {
    const [height, width] = axes(x.shape, options);
    const tall = resize(dy, width, "adjoint");
    const dx = resize(tall, height, "adjoint");
    tall.release();
    return [dx];
  },
  reference([x], options) {
    const [n, , , c] = x!.shape;
    const [height, width] = axes(x!.shape, options);
    const y = ndarray([n, height.outSize, width.outSize, c]);
    forEachIndex(y.shape, ([image, row, column, channel], flat) => {
      for (const [iy, wy] of taps(height, row)) {
        for (const [ix, wx] of taps(width, column)) {
          y.data[flat] += wy * wx * x!.data[at(x!.shape, [image, iy, ix, channel])];
        }
      }
    });
    return y;
  },
  samples: samples(),
});

/** x with one axis resized; `adjoint` goes from the output's size back to the input's. */
function resize(from: Tensor, axis: Axis, pass: "forward" | "adjoint"): Tensor {
  const size = pass === "forward" ? axis.outSize : axis.inSize;
  const to = Tensor.empty(from.gpu, from.shape.with(axis.axis, size));
  inBlocks(around(from.shape, axis.axis), [from], [to], ([from], [to], outer, inner) => {
    resizeBlock(from, to, { ...axis, outer, inner }, pass);
  });
  return to;
}

interface Block extends Axis {
  readonly outer: number;
  readonly inner: number;
}

function resizeBlock(from: Tensor, to: Tensor, axis: Block, pass: "forward" | "adjoint"): void {
  const { outer, inner } = axis;
  const size = pass === "forward" ? axis.outSize : axis.inSize;
  // SEGMENT outputs (of the adjoint: inputs) per invocation.
  const tune = tileOf(from.gpu, "interpolate_linear", [outer, axis.inSize, axis.outSize, inner], { SEGMENT: 16 });
  const options = {
    grid: gridOver(Math.ceil(size / tune.SEGMENT) * inner, outer),
    params: { outer, in_size: axis.inSize, out_size: axis.outSize, inner, ...fixedPoint(axis) },
    tune,
  };
  if (pass === "forward") from.gpu.run("interpolate_linear.forward", { x: from, y: to }, options);
  else from.gpu.run("interpolate_linear.adjoint", { dy: from, dx: to }, options);
}

function samples(): Sample<InterpolateOptions>[] {
  const cases: readonly (readonly [Shape, InterpolateOptions, string])[] = [
    [[1, 1, 1, 1], { size: [1, 1] }, "one pixel"],
    [[2, 1, 1, 3], { size: [3, 5] }, "one pixel repeated"],
    [[1, 3, 5, 2], { size: [1, 1] }, "to one pixel"],
    [[2, 3, 4, 1], { size: [24, 32] }, "8 times larger, several segments"],
    [[1, 4, 5, 7], { size: [13, 11] }, "odd ratios"],
    [[1, 37, 11, 2], { size: [7, 3] }, "smaller: most inputs have no gradient"],
    [[1, 35, 3, 1], { size: [34, 3] }, "one less than the input, and an axis unchanged"],
    [[1, 2, 5, 3], { size: [9, 3] }, "larger one way, smaller the other"],
    [[2, 4, 3, 2], { size: [23, 5], rows: [7, 12] }, "a strip"],
    [[1, 9, 2, 1], { size: [4, 3], rows: [3, 4] }, "the last row of a smaller image"],
  ];
  const scales: readonly (readonly [Shape, InterpolateOptions, string])[] = [
    [[1, 7, 9, 2], { scaleFactor: [1.75, 1.75] }, "scale 1.75: 12 rows at the ratio 1 / 1.75"],
    [[1, 7, 9, 2], { scaleFactor: [0.6, 2.5] }, "two scales"],
    [[1, 3, 5, 2], { scaleFactor: [1.25, 1.25] }, "an axis that stays as it is"],
  ];
  return [...cases, ...scales].flatMap(([shape, options, note]) =>
    [false, true].map((alignCorners) => ({
      inputs: [shape],
      options: { ...options, alignCorners },
      note: alignCorners ? `${note}, align_corners` : note,
    })),
  );
}

/**
 * Bilinear resampling of x [n, h, w, c] to [n, height, width, c]: torch.nn.functional.interpolate(mode="bilinear") with
 * either `size` or `scaleFactor`, without antialiasing. `rows` makes a strip of what would be too large as a whole.
 *
 * @throws Error where x is no image, or not exactly one of `size` and `scaleFactor` is given
 */
export function interpolateBilinear(x: Tensor, options: InterpolateOptions): Tensor {
  checkRequest("interpolateBilinear", x.shape, options);
  return apply(interpolateOp, [x], options);
}
