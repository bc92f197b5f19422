/** Index arithmetic for kernels that walk one index space and read several arrays, each with its own strides. */
import { stridesOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";

/** One axis of the index space: its size and, per array, the step that one index makes there. */
export interface Axis {
  readonly size: number;
  readonly strides: readonly number[];
}

/** The most axes that the strided kernels take. */
const MAX_AXES = 5;

/** Strides with which a contiguous array of `shape` is read when it is broadcast to `target`: 0 along repeated axes. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const strides = stridesOf(shape);
  const missing = target.length - shape.length;
  return target.map((_, axis) => (axis < missing || shape[axis - missing] === 1 ? 0 : strides[axis - missing]));
}

/**
 * The fewest axes that describe the same walk: axes of size 1 go, neighbours that every array crosses without a jump
 * become one. `strides` holds one list per array. At least one axis is left; more than 5 cannot be dispatched.
 */
export function collapseAxes(shape: Shape, strides: readonly (readonly number[])[]): Axis[] {
  const axes: Axis[] = [];
  shape.forEach((size, i) => {
    if (size === 1) return;
    const inner = { size, strides: strides.map((list) => list[i]) };
    const outer = axes.at(-1);
    if (outer?.strides.every((step, k) => step === inner.strides[k] * size)) {
      axes[axes.length - 1] = { size: outer.size * size, strides: inner.strides };
    } else {
      axes.push(inner);
    }
  });
  if (axes.length > MAX_AXES) {
    throw new Error(`shape [${shape.join(", ")}] needs ${axes.length} separate axes here; at most ${MAX_AXES} are supported`);
  }
  return axes.length > 0 ? axes : [{ size: 1, strides: strides.map(() => 0) }];
}

/** The axes as kernel params, aligned to the right: sizes n1..n4 (n0 is implied) and, for array k, its strides. */
export function axisSizes(axes: readonly Axis[]) {
  const [, n1, n2, n3, n4] = padLeft(axes.map((axis) => axis.size), 1);
  return { n1, n2, n3, n4 };
}

export function axisStrides(axes: readonly Axis[], array: number): number[] {
  return padLeft(axes.map((axis) => axis.strides[array]), 0);
}

function padLeft(values: readonly number[], filler: number): number[] {
  return [...new Array<number>(MAX_AXES - values.length).fill(filler), ...values];
}
