import type { Tensor } from "../tensor/tensor.ts";
import { normalizeAxis, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { broadcastTo, sumAxes } from "./broadcast.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";

interface ReduceOptions {
  /** Axes 0..rank-1, each at most once. */
  readonly dims: readonly number[];
  readonly keepdim: boolean;
}

const withOnes = (shape: Shape, dims: readonly number[]): number[] => shape.map((n, i) => (dims.includes(i) ? 1 : n));
const without = (shape: Shape, dims: readonly number[]): number[] => shape.filter((_, i) => !dims.includes(i));

const samples: Sample<ReduceOptions>[] = [
  { inputs: [[]], options: { dims: [], keepdim: false }, note: "scalar" },
  { inputs: [[1]], options: { dims: [0], keepdim: false } },
  { inputs: [[1009]], options: { dims: [0], keepdim: false }, note: "sliced" },
  { inputs: [[3, 5, 7]], options: { dims: [0, 1, 2], keepdim: true } },
  { inputs: [[3, 5, 7]], options: { dims: [0, 1], keepdim: false }, note: "per channel" },
  { inputs: [[2, 3, 5, 7]], options: { dims: [1, 2], keepdim: true }, note: "global pooling" },
  { inputs: [[2, 3, 5, 7]], options: { dims: [0, 2], keepdim: false }, note: "two separate axes" },
  { inputs: [[13, 6]], options: { dims: [1], keepdim: false } },
  { inputs: [[6, 1, 4]], options: { dims: [1], keepdim: false }, note: "axis of size 1" },
  { inputs: [[2, 700, 3]], options: { dims: [1], keepdim: true }, note: "sliced, not the last axis" },
  { inputs: [[2, 0, 3]], options: { dims: [0], keepdim: true }, note: "empty" },
];

const reduceOp = (name: string, factorOf: (reduced: number) => number, more: readonly Sample<ReduceOptions>[]) => {
  const factor = (shape: Shape, dims: readonly number[]): number => factorOf(sizeOf(dims.map((dim) => shape[dim])));
  return defineOp<readonly [Tensor], ReduceOptions>({
    name,
    forward(_ctx, [x], { dims, keepdim }) {
      const kept = sumAxes(x, dims, factor(x.shape, dims));
      if (keepdim) return kept;
      const out = kept.view(without(x.shape, dims));
      kept.release();
      return out;
    },
    backward(_ctx, dy, [x], { dims }) {
      const kept = dy.view(withOnes(x.shape, dims));
      const dx = broadcastTo(kept, x.shape, factor(x.shape, dims));
      kept.release();
      return [dx];
    },
    reference([x], { dims, keepdim }) {
      const kept = ndarray(withOnes(x!.shape, dims));
      forEachIndex(x!.shape, (index, flat) => {
        kept.data[at(kept.shape, index.map((n, axis) => (dims.includes(axis) ? 0 : n)))] += x!.data[flat];
      });
      const data = kept.data.map((total) => total * factor(x!.shape, dims));
      return { shape: keepdim ? kept.shape : without(x!.shape, dims), data };
    },
    samples: [...samples, ...more],
  });
};

const sumOp = reduceOp("sum", () => 1, [
  { inputs: [[2, 0, 3]], options: { dims: [1], keepdim: false }, note: "a sum of nothing is 0" },
]);
const meanOp = reduceOp("mean", (reduced) => 1 / reduced, []);

/**
 * Sum over `dims`, or over everything (null or no axis at all); reduced axes vanish, or stay as 1 with keepdim.
 *
 * @throws Error where there is no such axis, or it is named twice
 */
export function sum(x: Tensor, dims: readonly number[] | null = null, keepdim = false): Tensor {
  return apply(sumOp, [x], { dims: axes(x, dims), keepdim });
}

/**
 * Mean over `dims`, as `sum`. A mean over nothing is NaN.
 *
 * @throws Error as `sum`
 */
export function mean(x: Tensor, dims: readonly number[] | null = null, keepdim = false): Tensor {
  return apply(meanOp, [x], { dims: axes(x, dims), keepdim });
}

function axes(x: Tensor, dims: readonly number[] | null): number[] {
  const rank = x.shape.length;
  if (dims === null || dims.length === 0) return x.shape.map((_, axis) => axis);
  const normal = dims.map((dim) => normalizeAxis(dim, rank));
  const twice = normal.find((dim, i) => normal.indexOf(dim) !== i);
  if (twice !== undefined) throw new Error(`dim ${twice} appears multiple times in the list of dims`);
  return normal.filter((dim) => dim < rank); // dim 0 of a scalar is allowed and means nothing
}
