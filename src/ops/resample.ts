/** Where the outputs of a bilinear or nearest resampling lie between its inputs. */
import { showShape } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";

/** Of `interpolateBilinear`. */
export interface InterpolateOptions {
  /** Height and width of the output. */
  readonly size?: Pair;
  /** In the place of `size`: the output has floor(n·scale) pixels along an axis. */
  readonly scaleFactor?: Pair;
  /** Whether the centres of the corner pixels coincide, rather than the outer edges of the images. */
  readonly alignCorners?: boolean;
  /** First and end (exclusive) of the rows of the output to make; default all. */
  readonly rows?: Pair;
}

/** Resampling along one axis of x: output i lies at max(origin + i·step, 0) between the inputs. */
export interface Axis {
  readonly axis: 1 | 2;
  readonly inSize: number;
  readonly outSize: number;
  readonly origin: number;
  readonly step: number;
}

/** Pixels a side that the kernels' fixed-point positions have room for. */
const MAX_SIZE = 65535;

/** Throws, as PyTorch does, where x is no image or the options do not say how large to make it. */
export function checkRequest(name: string, shape: Shape, { size, scaleFactor }: InterpolateOptions): void {
  if (shape.length !== 4) throw new Error(`${name} needs x [n, h, w, c], got ${showShape(shape)}`);
  if (size && scaleFactor) throw new Error("only one of size or scale_factor should be defined");
  if (!size && !scaleFactor) throw new Error("either size or scale_factor should be defined");
}

/** The resampling of the height and of the width of x [n, h, w, c]. */
export function axes(shape: Shape, options: InterpolateOptions): readonly [Axis, Axis] {
  const { size, scaleFactor, alignCorners, rows } = options;
  const axisOf = (axis: 1 | 2): Axis => {
    const inSize = shape[axis];
    const scale = scaleFactor?.[axis - 1];
    const outSize = scale === undefined ? size![axis - 1] : Math.floor(inSize * scale);
    // An axis that keeps its size stays as it is, whatever scale was asked for: so PyTorch does it on the CPU.
    if (outSize === inSize) return { axis, inSize, outSize, origin: 0, step: 1 };
    const aligned = outSize > 1 ? (inSize - 1) / (outSize - 1) : 0;
    if (alignCorners) return { axis, inSize, outSize, origin: 0, step: aligned };
    // The ratio that was asked for, although rounding the output size down may have changed it: PyTorch's choice.
    const step = scale === undefined ? inSize / outSize : 1 / scale;
    return { axis, inSize, outSize, origin: 0.5 * step - 0.5, step };
  };
  const [height, width] = [axisOf(1), axisOf(2)];
  checkSizes(height, width);
  if (!rows) return [height, width];
  const [start, end] = rows;
  if (!(start >= 0 && start < end && end <= height.outSize && Number.isInteger(start) && Number.isInteger(end))) {
    throw new Error(`rows ${start} to ${end} are not among the ${height.outSize} rows of the output`);
  }
  return [{ ...height, outSize: end - start, origin: height.origin + start * height.step }, width];
}

function checkSizes(height: Axis, width: Axis): void {
  if (![height, width].every(({ inSize, outSize }) => inSize > 0 && outSize > 0 && Number.isInteger(outSize))) {
    throw new Error(
      `Input and output sizes should be greater than 0, but got input (H: ${height.inSize}, W: ${width.inSize}) ` +
        `output (H: ${height.outSize}, W: ${width.outSize})`,
    );
  }
  if (Math.max(height.outSize, width.outSize) > MAX_SIZE) {
    const asked = showShape([height.outSize, width.outSize]);
    throw new Error(`resampling makes images of up to ${MAX_SIZE} pixels a side, not ${asked}`);
  }
}

/** Origin and step as whole + fraction / 2^32. */
export function fixedPoint({ origin, step }: Axis) {
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
export function taps({ inSize, origin, step }: Axis, i: number): readonly (readonly [number, number])[] {
  const position = Math.max(origin + i * step, 0);
  const low = Math.min(Math.floor(position), inSize - 1);
  const t = position - low;
  return [
    [low, 1 - t],
    [Math.min(low + 1, inSize - 1), t],
  ];
}
