import type { Tensor } from "../tensor/tensor.ts";
import { normalizeAxis } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { window, windowReference } from "./window.ts";

interface SliceOptions {
  /** 0..rank-1; 0 <= start <= end <= size along it. */
  readonly dim: number;
  readonly start: number;
  readonly end: number;
}

const sliceOp = defineOp<readonly [Tensor], SliceOptions>({
  name: "slice",
  forward: (_ctx, [x], { dim, start, end }) => window(x, dim, -start, end - start),
  backward: (_ctx, dy, [x], { dim, start }) => [window(dy, dim, start, x.shape[dim])],
  reference: ([x], { dim, start, end }) => windowReference(x!, dim, -start, end - start),
  samples: [
    { inputs: [[1]], options: { dim: 0, start: 0, end: 1 } },
    { inputs: [[7]], options: { dim: 0, start: 2, end: 5 } },
    { inputs: [[3, 5, 7]], options: { dim: 2, start: 0, end: 3 } },
    { inputs: [[3, 16]], options: { dim: 1, start: 4, end: 12 }, note: "whole vectors" },
    { inputs: [[3, 5, 7]], options: { dim: 1, start: 4, end: 5 } },
    { inputs: [[3, 5, 7]], options: { dim: 0, start: 1, end: 3 } },
    { inputs: [[2, 3]], options: { dim: 1, start: 2, end: 2 }, note: "nothing" },
    {
      inputs: [{ shape: [2, 9], dtype: "i32", values: (i) => i - 4 }],
      options: { dim: 1, start: 3, end: 8 },
      note: "i32",
    },
  ],
});

/**
 * x[start:end] along `dim` by Python's rules: negative bounds count from the end, bounds beyond it are moved to it.
 *
 * @throws Error where there is no such axis, or a bound is no integer
 */
export function slice(x: Tensor, dim: number, start: number, end: number): Tensor {
  const axis = normalizeAxis(dim, x.shape.length);
  const size = x.shape[axis];
  if (size === undefined) throw new Error("slice() cannot be applied to a 0-dim tensor.");
  if (!Number.isInteger(start) || !Number.isInteger(end)) {
    throw new Error(`slice bounds must be integers, got ${start}:${end}`);
  }
  const bound = (value: number): number => Math.min(Math.max(value < 0 ? value + size : value, 0), size);
  return apply(sliceOp, [x], { dim: axis, start: bound(start), end: Math.max(bound(start), bound(end)) });
}
