import { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, normalizeAxis, sameShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { around } from "./axis.ts";
import { inBlocks } from "./blocks.ts";
import { apply, defineOp } from "./define.ts";
import { expand } from "./elementwise.ts";
import { ndarray } from "./ndarray.ts";

interface CosineOptions {
  /** Axis, 0..rank-1. */
  readonly dim: number;
  readonly eps: number;
}

/** Of `normalize`. */
export interface NormalizeOptions extends CosineOptions {
  readonly p: number;
}

/** A walk along the rows that `dim` forms: sizes for the kernels, and for the references where each row lies. */
function rowsOf(shape: Shape, dim: number) {
  return { ...around(shape, dim), length: shape[dim] ?? 1 };
}

function places(shape: Shape, dim: number): number[][] {
  const { outer, length, inner } = rowsOf(shape, dim);
  return Array.from({ length: outer * inner }, (_, row) => {
    const start = Math.floor(row / inner) * length * inner + (row % inner);
    return Array.from({ length }, (_, j) => start + j * inner);
  });
}

function norm(values: readonly number[], p: number): number {
  if (p === 0) return values.filter((v) => v !== 0).length;
  return values.reduce((sum, v) => sum + Math.abs(v) ** p, 0) ** (1 / p);
}

const cosineOp = defineOp<readonly [Tensor, Tensor], CosineOptions>({
  name: "cosine_similarity",
  forward(ctx, [a, b], { dim, eps }) {
    const sizes = rowsOf(a.shape, dim);
    const y = Tensor.empty(a.gpu, a.shape.toSpliced(dim, 1));
    // Two per row. Blocks of columns have theirs one after the other, and backward has the same blocks.
    const norms = Tensor.empty(a.gpu, [y.size, 2]);
    inBlocks(sizes, [a, b], [y, norms], ([a, b], [y, norms], outer, inner) => {
      const params = { rows: outer * inner, length: sizes.length, inner };
      a.gpu.run("cosine.forward", { a, b, y, norms }, { elements: params.rows, params, constants: { EPS: eps } });
    });
    ctx.save(a, b, y);
    ctx.own(norms);
    return y;
  },
  backward(ctx, dy, [a, b], { dim, eps }) {
    const sizes = rowsOf(a.shape, dim);
    const [da, db] = [Tensor.empty(a.gpu, a.shape), Tensor.empty(a.gpu, a.shape)];
    const [, , result, lengths] = ctx.saved;
    inBlocks(sizes, [a, b, result, lengths, dy], [da, db], ([a, b, result, lengths, dy], [da, db], outer, inner) => {
      const params = { rows: outer * inner, length: sizes.length, inner };
      a.gpu.run("cosine.backward", { a, b, result, lengths, dy, da, db }, {
        elements: params.rows, params, constants: { EPS: eps },
      });
    });
    return [da, db];
  },
  reference([a, b], { dim, eps }) {
    return ndarray(a!.shape.toSpliced(dim, 1), places(a!.shape, dim).map((row) => {
      const product = row.reduce((sum, i) => sum + a!.data[i] * b!.data[i], 0);
      const [x, y] = [a!, b!].map((t) => Math.max(norm(row.map((i) => t.data[i]), 2), eps));
      return product / x / y;
    }));
  },
  samples: [
    { inputs: [[1], [1]], options: { dim: 0, eps: 1e-8 } },
    { inputs: [[5, 16], [5, 16]], options: { dim: 1, eps: 1e-8 } },
    { inputs: [[2, 7, 3], [2, 7, 3]], options: { dim: 1, eps: 1e-8 }, note: "axis in the middle" },
    { inputs: [[4, 3], [4, 3]], options: { dim: 0, eps: 2.2 }, note: "some norms clamped" },
  ],
});

const normalizeOp = defineOp<readonly [Tensor], NormalizeOptions>({
  name: "normalize",
  forward(ctx, [x], { dim, ...options }) {
    const sizes = rowsOf(x.shape, dim);
    const y = Tensor.empty(x.gpu, x.shape);
    const norms = Tensor.empty(x.gpu, [sizes.outer * sizes.inner]);
    inBlocks(sizes, [x], [y, norms], ([x], [y, norms], outer, inner) => {
      const params = { rows: outer * inner, length: sizes.length, inner };
      x.gpu.run("normalize.forward", { x, y, norms }, {
        elements: params.rows, params, constants: constants(options),
      });
    });
    ctx.save(x);
    ctx.own(norms);
    return y;
  },
  backward(ctx, dy, [x], { dim, ...options }) {
    const sizes = rowsOf(x.shape, dim);
    const dx = Tensor.empty(x.gpu, x.shape);
    inBlocks(sizes, [x, ctx.saved[1], dy], [dx], ([x, lengths, dy], [dx], outer, inner) => {
      const params = { rows: outer * inner, length: sizes.length, inner };
      x.gpu.run("normalize.backward", { x, lengths, dy, dx }, {
        elements: params.rows, params, constants: constants(options),
      });
    });
    return [dx];
  },
  reference([x], { dim, p, eps }) {
    const out = ndarray(x!.shape);
    for (const row of places(x!.shape, dim)) {
      const divisor = Math.max(norm(row.map((i) => x!.data[i]), p), eps);
      for (const i of row) out.data[i] = x!.data[i] / divisor;
    }
    return out;
  },
  samples: [
    { inputs: [[1]], options: { p: 2, dim: 0, eps: 1e-12 } },
    { inputs: [[5, 16]], options: { p: 2, dim: 1, eps: 1e-12 } },
    { inputs: [[2, 7, 3]], options: { p: 2, dim: 1, eps: 1e-12 }, note: "axis in the middle" },
    { inputs: [[4, 3]], options: { p: 2, dim: 0, eps: 2.2 }, note: "some norms clamped" },
    { inputs: [{ shape: [3, 5], values: (i) => (i % 2 ? -1 : 1) * (i + 1) }], options: { p: 1, dim: 1, eps: 1e-12 } },
    { inputs: [{ shape: [3, 5], values: (i) => (i % 2 ? -1 : 1) * (i + 1) }], options: { p: 3, dim: 1, eps: 1e-12 } },
    { inputs: [{ shape: [2, 4], values: (i) => 90 + i }], options: { p: 20, dim: 1, eps: 1e-12 }, note: "90^20 > f32" },
    { inputs: [{ shape: [2, 4], values: (i) => 1 + i }], options: { p: 0, dim: 1, eps: 1e-12 }, note: "counts" },
  ],
});

/**
 * Similarity of a and b along `dim`, which vanishes: their product over both norms, each at least eps. Shapes are
 * broadcast.
 *
 * @throws Error where the shapes do not broadcast, or there is no such axis
 */
export function cosineSimilarity(a: Tensor, b: Tensor, dim = 1, eps = 1e-8): Tensor {
  const shape = broadcastShapes(a.shape, b.shape);
  const axis = normalizeAxis(dim, shape.length);
  const [x, y] = [a, b].map((t) => (sameShape(t.shape, shape) ? t : expand(t, shape)));
  return apply(cosineOp, [x, y], { dim: axis, eps });
}

/**
 * x / max(norm of order p along `dim`, eps).
 *
 * @throws Error where there is no such axis, or p is not finite
 */
export function normalize(x: Tensor, { p = 2, dim = 1, eps = 1e-12 }: Partial<NormalizeOptions> = {}): Tensor {
  if (!Number.isFinite(p)) throw new Error(`normalize: p must be a finite number, got ${p}`);
  return apply(normalizeOp, [x], { p, dim: normalizeAxis(dim, x.shape.length), eps });
}

function constants({ p, eps }: Omit<NormalizeOptions, "dim">) {
  return { P: p, EPS: eps };
}
