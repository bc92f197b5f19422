import { Tensor } from "../tensor/tensor.ts";
import { normalizeAxis, showShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { axisSizes, axisStrides, collapseAxes } from "./strides.ts";
import { excerpt, fits, unitsPerPart } from "./parts.ts";
import { insert, window, windowReference } from "./window.ts";

const reshapeOp = defineOp<readonly [Tensor], { shape: Shape }>({
  name: "reshape",
  forward: (_ctx, [x], { shape }) => x.view(shape),
  backward: (_ctx, dy, [x]) => [dy.view(x.shape)],
  reference: ([x], { shape }) => ({ shape, data: x!.data }),
  samples: [
    { inputs: [[]], options: { shape: [1, 1] } },
    { inputs: [[2, 3, 5]], options: { shape: [5, 6] } },
    { inputs: [[7]], options: { shape: [7] } },
  ],
});

/**
 * What `move` makes of x, of whose axes it takes axis k of the result from axis `dims[k]`. Of x that is too large for
 * it, what it makes of pieces of the first axis; `mirrored`: which then follow each other backwards.
 */
function byPieces(
  x: Tensor,
  dims: readonly number[],
  mirrored: (axis: number) => boolean,
  move: (x: Tensor) => Tensor,
): Tensor {
  if (fits(x.gpu, x.size)) return move(x);
  const axis = x.shape.findIndex((size) => size > 1);
  const out = Tensor.empty(x.gpu, dims.map((dim) => x.shape[dim]), x.dtype);
  const length = x.shape[axis];
  const most = unitsPerPart(x.gpu, length, x.size / length);
  for (let first = 0; first < length; first += most) {
    const count = Math.min(most, length - first);
    const piece = excerpt(x, (first * x.size) / length, x.shape.with(axis, count));
    const moved = byPieces(piece, dims, mirrored, move);
    insert(moved, out, dims.indexOf(axis), mirrored(axis) ? length - first - count : first);
    [piece, moved].forEach((tensor) => tensor.release());
  }
  return out;
}

/** Copies x into `shape`, moving `strides[k]` elements in x per step along axis k, from element `start` on. */
function gather(x: Tensor, shape: Shape, strides: readonly number[], start = 0): Tensor {
  const out = Tensor.empty(x.gpu, shape, x.dtype);
  const axes = collapseAxes(shape, [strides]);
  const [s0, s1, s2, s3, s4] = axisStrides(axes, 0);
  x.gpu.run("gather", { x, out }, {
    elements: Math.ceil(out.size / 4),
    params: { count: out.size, start, ...axisSizes(axes), s0, s1, s2, s3, s4 },
  });
  return out;
}

function permuted(x: Tensor, dims: readonly number[]): Tensor {
  return byPieces(x, dims, () => false, (x) => {
    const strides = stridesOf(x.shape);
    return gather(x, dims.map((dim) => x.shape[dim]), dims.map((dim) => strides[dim]));
  });
}

const permuteOp = defineOp<readonly [Tensor], { dims: readonly number[] }>({
  name: "permute",
  forward: (_ctx, [x], { dims }) => permuted(x, dims),
  backward: (_ctx, dy, _inputs, { dims }) => [permuted(dy, dims.map((_, axis) => dims.indexOf(axis)))],
  reference([x], { dims }) {
    const out = ndarray(dims.map((dim) => x!.shape[dim]));
    forEachIndex(out.shape, (index, flat) => {
      out.data[flat] = x!.data[at(x!.shape, dims.map((_, axis) => index[dims.indexOf(axis)]))];
    });
    return out;
  },
  samples: [
    { inputs: [[]], options: { dims: [] } },
    { inputs: [[3, 5]], options: { dims: [1, 0] } },
    { inputs: [[2, 3, 5, 7]], options: { dims: [0, 2, 3, 1] }, note: "NCHW to NHWC" },
    { inputs: [[2, 3, 2, 3, 2]], options: { dims: [4, 2, 0, 3, 1] } },
    { inputs: [[2, 1, 3]], options: { dims: [1, 0, 2] }, note: "nothing moves" },
  ],
});

function flipped(x: Tensor, dims: readonly number[]): Tensor {
  return byPieces(x, x.shape.map((_, axis) => axis), (axis) => dims.includes(axis), (x) => {
    const strides = stridesOf(x.shape);
    const start = dims.reduce((total, dim) => total + strides[dim] * (x.shape[dim] - 1), 0);
    return gather(x, x.shape, strides.map((step, axis) => (dims.includes(axis) ? -step : step)), start);
  });
}

const flipOp = defineOp<readonly [Tensor], { dims: readonly number[] }>({
  name: "flip",
  forward: (_ctx, [x], { dims }) => flipped(x, dims),
  backward: (_ctx, dy, _inputs, { dims }) => [flipped(dy, dims)],
  reference([x], { dims }) {
    const out = ndarray(x!.shape);
    forEachIndex(x!.shape, (index, flat) => {
      const mirrored = index.map((n, axis) => (dims.includes(axis) ? x!.shape[axis] - 1 - n : n));
      out.data[at(x!.shape, mirrored)] = x!.data[flat];
    });
    return out;
  },
  samples: [
    { inputs: [[1]], options: { dims: [0] } },
    { inputs: [[11]], options: { dims: [0] } },
    { inputs: [[2, 3, 5, 2]], options: { dims: [2] } },
    { inputs: [[2, 3, 5]], options: { dims: [0, 2] } },
    { inputs: [[2, 3]], options: { dims: [] }, note: "no axis" },
  ],
});

interface PadOptions {
  /** Per axis: places before and after; negative numbers cut. */
  readonly padding: readonly Pair[];
  readonly value: number;
}

const padOp = defineOp<readonly [Tensor], PadOptions>({
  name: "pad",
  forward(_ctx, [x], { padding, value }) {
    const grow = (t: Tensor, dim: number, before: number, after: number): Tensor =>
      window(t, dim, before, t.shape[dim] + before + after, value);
    return eachAxis(x, padding, grow);
  },
  backward(_ctx, dy, _inputs, { padding }) {
    const cut = (t: Tensor, dim: number, before: number, after: number): Tensor =>
      window(t, dim, -before, t.shape[dim] - before - after);
    return [eachAxis(dy, padding, cut)];
  },
  reference([x], { padding, value }) {
    return padding.reduce((t, [before, after], dim) => {
      return windowReference(t, dim, before, t.shape[dim] + before + after, value);
    }, x!);
  },
  samples: [
    { inputs: [[1]], options: { padding: [[1, 2]], value: 0 } },
    { inputs: [[2, 3, 5, 2]], options: { padding: [[0, 0], [1, 2], [3, 0], [0, 0]], value: 0 } },
    { inputs: [[3, 4]], options: { padding: [[2, 1], [0, 3]], value: -1.5 }, note: "a value" },
    { inputs: [[2, 3, 8]], options: { padding: [[0, 0], [2, 1], [4, 0]], value: -1.5 }, note: "whole vectors" },
    { inputs: [[5, 6]], options: { padding: [[-1, 2], [1, -3]], value: 7 }, note: "negative padding cuts" },
    { inputs: [[2, 3]], options: { padding: [[0, 0], [0, 0]], value: 0 }, note: "nothing to pad" },
  ],
});

/** Applies `step` along every axis that changes, releasing what lies between. */
function eachAxis(
  x: Tensor,
  padding: readonly Pair[],
  step: (x: Tensor, dim: number, before: number, after: number) => Tensor,
): Tensor {
  const changed = padding.flatMap(([before, after], dim) => (before === 0 && after === 0 ? [] : [dim]));
  const out = changed.reduce((current, dim) => {
    const next = step(current, dim, padding[dim][0], padding[dim][1]);
    if (current !== x) current.release();
    return next;
  }, x);
  return out === x ? x.view(x.shape) : out;
}

/**
 * x under another shape of the same size, sharing its memory; one size may be -1, which stands for what is left.
 *
 * @throws Error where the sizes differ
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  if (shape.filter((n) => n === -1).length > 1) throw new Error("only one dimension can be inferred");
  const wrong = shape.find((n) => !Number.isInteger(n) || n < -1);
  if (wrong !== undefined) throw new Error(`invalid shape dimension ${wrong}`);
  const known = sizeOf(shape.filter((n) => n !== -1));
  const sizes = shape.map((n) => (n === -1 ? x.size / known : n));
  if (sizeOf(sizes) !== x.size || !sizes.every(Number.isInteger)) {
    throw new Error(`shape '${showShape(shape)}' is invalid for input of size ${x.size}`);
  }
  return apply(reshapeOp, [x], { shape: sizes });
}

/**
 * Axis k of the result is axis dims[k] of x. A copy.
 *
 * @throws Error where `dims` does not name every axis once
 */
export function permute(x: Tensor, dims: readonly number[]): Tensor {
  const rank = x.shape.length;
  if (dims.length !== rank) {
    throw new Error(
      "permute: number of dimensions in the tensor input does not match the length of the desired ordering of " +
        `dimensions i.e. input.dim() = ${rank} is not equal to len(dims) = ${dims.length}`,
    );
  }
  const axes = dims.map((dim) => normalizeAxis(dim, rank));
  if (new Set(axes).size !== rank) throw new Error(`permute(): duplicate dims are not allowed: ${showShape(dims)}`);
  return apply(permuteOp, [x], { dims: axes });
}

/**
 * x mirrored along every axis in `dims`. A copy.
 *
 * @throws Error where there is no such axis, or it is named twice
 */
export function flip(x: Tensor, dims: readonly number[]): Tensor {
  const axes = dims.map((dim) => normalizeAxis(dim, x.shape.length));
  const twice = axes.find((axis, i) => axes.indexOf(axis) !== i);
  if (twice !== undefined) throw new Error(`dim ${twice} appears multiple times in the list of dims`);
  return apply(flipOp, [x], { dims: axes.filter((axis) => axis < x.shape.length) });
}

/**
 * x with padding[k] = [before, after] places of `value` along each axis k; negative numbers cut places off.
 *
 * @throws Error where a length would be negative, or axes are left out
 */
export function pad(x: Tensor, padding: readonly Pair[], value = 0): Tensor {
  if (padding.length !== x.shape.length) {
    throw new Error(`pad needs [before, after] for each of the ${x.shape.length} axes, got ${padding.length} pairs`);
  }
  padding.forEach(([before, after], axis) => {
    const size = x.shape[axis] + before + after;
    if (Number.isInteger(size) && Number.isInteger(before) && size >= 0) return;
    throw new Error(
      `The input size ${x.shape[axis]}, plus negative padding ${before} and ${after} ` +
        `resulted in a negative or fractional output size ${size} along axis ${axis}`,
    );
  });
  return apply(padOp, [x], { padding, value });
}
