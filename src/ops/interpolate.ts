import { showShape } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { around, gridOver } from "./axis.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";

export interface InterpolateOptions {
  /** Height and width of the output. */
  readonly size?: Pair;
  /** In the place of `size`: the output has floor(n·scale) pixels along an axis. */
  readonly scaleFactor?: Pair;
  /** Whether the centres of the corner pixels coincide, rather than the outer edges of the images. */
  readonly alignCorners?: boolean;
}

/** Resampling along one axis of x: output i lies at max(origin + i·step, 0) between the inputs. */
interface Axis {
  readonly axis: 1 | 2;
  readonly inSize: number;
  readonly outSize: number;
  readonly origin: number;
  readonly step: number;
}

const SEGMENT = 16; // outputs (of the adjoint: inputs) per invocation
const MAX_SIZE = 65535; // of the kernel's fixed-point positions

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

function axes(shape: Shape, { size, scaleFactor, alignCorners }: InterpolateOptions): readonly [Axis, Axis] {
  const axisOf = (axis: 1 | 2): Axis => {
    const inSize = shape[axis];
    const scale = scaleFactor?.[axis - 1];
    const outSize = scale === undefined ? size![axis - 1] : Math.floor(inSize * scale);
    const aligned = outSize > 1 ? (inSize - 1) / (outSize - 1) : 0;
    if (alignCorners) return { axis, inSize, outSize, origin: 0, step: aligned };
    // The ratio that was asked for, although rounding the output size down may have changed it: PyTorch's choice.
    const step = scale === undefined ? inSize / outSize : 1 / scale;
    return { axis, inSize, outSize, origin: 0.5 * step - 0.5, step };
  };
  return [axisOf(1), axisOf(2)];
}

/** x with one axis resized; `adjoint` goes from the output's size back to the input's. */
function resize(from: Tensor, axis: Axis, pass: "forward" | "adjoint"): Tensor {
  const size = pass === "forward" ? axis.outSize : axis.inSize;
  const to = Tensor.empty(from.gpu, from.shape.with(axis.axis, size));
  const { outer, inner } = around(from.shape, axis.axis);
  const options = {
    grid: gridOver(Math.ceil(size / SEGMENT) * inner, outer),
    params: { outer, in_size: axis.inSize, out_size: axis.outSize, inner, ...fixedPoint(axis) },
    tune: { SEGMENT },
  };
  if (pass === "forward") from.gpu.run("interpolate_linear.forward", { x: from, y: to }, options);
  else from.gpu.run("interpolate_linear.adjoint", { dy: from, dx: to }, options);
  return to;
}

/** Origin and step as whole + fraction / 2^32. */
function fixedPoint({ origin, step }: Axis) {
  const [origin_whole, origin_fraction] = split(origin);
  const [step_whole, step_fraction] = split(step);
  return { origin_whole, origin_fraction, step_whole, step_fraction };
}

function split(value: number): readonly [number, number] {
  const units = Math.round(value * 2 ** 32);
  const whole = Math.floor(units / 2 ** 32);
  return [whole, units - whole * 2 ** 32];
}

/** The two inputs that an output lies between, with their weights. */
function taps({ inSize, origin, step }: Axis, i: number): readonly (readonly [number, number])[] {
  const position = Math.max(origin + i * step, 0);
  const low = Math.min(Math.floor(position), inSize - 1);
  const t = position - low;
  return [
    [low, 1 - t],
    [Math.min(low + 1, inSize - 1), t],
  ];
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
  ];
  const scales: readonly (readonly [Shape, InterpolateOptions, string])[] = [
    [[1, 7, 9, 2], { scaleFactor: [1.75, 1.75] }, "scale 1.75: 12 rows at the ratio 1 / 1.75"],
    [[1, 7, 9, 2], { scaleFactor: [0.6, 2.5] }, "two scales"],
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
 * either `size` or `scaleFactor`, without antialiasing.
 */
export function interpolateBilinear(x: Tensor, options: InterpolateOptions): Tensor {
  if (x.shape.length !== 4) throw new Error(`interpolateBilinear needs x [n, h, w, c], got ${showShape(x.shape)}`);
  const { size, scaleFactor } = options;
  if (size && scaleFactor) throw new Error("only one of size or scale_factor should be defined");
  if (!size && !scaleFactor) throw new Error("either size or scale_factor should be defined");
  const [height, width] = axes(x.shape, options);
  if (![height, width].every(({ inSize, outSize }) => inSize > 0 && outSize > 0 && Number.isInteger(outSize))) {
    throw new Error(
      `Input and output sizes should be greater than 0, but got input (H: ${height.inSize}, W: ${width.inSize}) ` +
        `output (H: ${height.outSize}, W: ${width.outSize})`,
    );
  }
  if (Math.max(height.outSize, width.outSize) > MAX_SIZE) {
    const asked = showShape([height.outSize, width.outSize]);
    throw new Error(`interpolateBilinear makes images of up to ${MAX_SIZE} pixels a side, not ${asked}`);
  }
  return apply(interpolateOp, [x], options);
}
