import { sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { moments, planBlocks, sumPairs } from "./moments.ts";
import { excerpt, inParts, place } from "./parts.ts";
import { map } from "./ndarray.ts";

/** Of `layerNorm`. */
export interface LayerNormOptions {
  readonly eps: number;
  /** How many of the last axes are normalised together (default 1). */
  readonly axes?: number;
}

const COLUMNS_PER_INVOCATION = 16; // of the elementwise passes

const layerNormOp = defineOp<readonly [Tensor, Tensor | null, Tensor | null], LayerNormOptions>({
  name: "layer_norm",
  forward(ctx, [x, weight, bias], options) {
    const y = Tensor.empty(x.gpu, x.shape);
    if (x.size === 0) return y;
    const { rows, columns } = matrixOf(x.shape, options);
    const [mean, variance] = [Tensor.empty(x.gpu, [rows]), Tensor.empty(x.gpu, [rows])];
    inParts(rows, [x], [y, mean, variance], ([x], [y, mean, variance], rows) => {
      const layout = { groups: rows, members: columns, groupStride: columns, memberStride: 1 };
      x.gpu.run(
        "layer_norm.forward",
        { x, y, ...moments(x, layout, null, { mean, variance }), weight: weight ?? x, bias: bias ?? x },
        { ...elementwise(rows, columns, options.eps), constants: { WEIGHT: weight !== null, BIAS: bias !== null } },
      );
    });
    ctx.save(x);
    ctx.own(mean, variance);
    if (weight) ctx.save(weight);
    return y;
  },
  backward(ctx, dy, [x, weight, bias], options) {
    const { gpu } = x;
    if (x.size === 0) return [x, weight, bias].map((input) => input && Tensor.zeros(gpu, input.shape));
    const { rows, columns } = matrixOf(x.shape, options);
    const [, mean, variance] = ctx.saved;
    const [wantsX, wantsWeight, wantsBias] = ctx.needsGrad;
    const constants = { WEIGHT: weight !== null };
    const { eps } = options;
    let dx: Tensor | null = null;
    if (wantsX) {
      dx = Tensor.empty(gpu, x.shape);
      inParts(rows, [x, dy, mean, variance], [dx], ([x, dy, mean, variance], [dx], rows) => {
        const { block, blocks } = planBlocks(rows, columns);
        const pairs = Tensor.empty(gpu, [blocks, rows, 2]);
        const buffers = { x, dy, mean, variance, weight: weight ?? x };
        const dispatch = { elements: blocks * rows, params: { rows, columns, block, eps }, constants };
        gpu.run("layer_norm.row_sums", { ...buffers, pairs }, dispatch);
        const [sum_g, sum_g_xhat] = sumPairs(pairs);
        const options = { ...elementwise(rows, columns, eps), constants };
        gpu.run("layer_norm.backward", { ...buffers, dx, sum_g, sum_g_xhat }, options);
        sum_g.release();
        sum_g_xhat.release();
      });
    }
    if (!wantsWeight && !wantsBias) return [dx, null, null];
    const { block, blocks } = planBlocks(columns, rows);
    const pairs = Tensor.empty(gpu, [blocks, columns, 2]);
    inParts(rows, [x, dy, mean, variance], [], ([x, dy, mean, variance], _, count, first) => {
      const own = excerpt(pairs, (first / block) * columns * 2, [Math.ceil(count / block), columns, 2]);
      const dispatch = { elements: own.size / 2, params: { rows: count, columns, block, eps } };
      gpu.run("layer_norm.weight_sums", { x, dy, mean, variance, pairs: own }, dispatch);
      place(own, pairs, (first / block) * columns * 2);
    }, block);
    const sums = sumPairs(pairs);
    const shaped = ([wantsBias, wantsWeight] as const).map((wanted, i) => {
      const gradient = wanted ? sums[i].view(normalizedShape(x.shape, options)) : null;
      sums[i].release();
      return gradient;
    });
    return [dx, shaped[1], shaped[0]];
  },
  reference([x, weight, bias], options) {
    const { columns } = matrixOf(x!.shape, options);
    return map(x!, (value, i) => {
      const column = i % columns;
      const row = x!.data.subarray(i - column, i - column + columns);
      const mean = row.reduce((sum, v) => sum + v, 0) / columns;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / columns;
      const normalized = (value - mean) / Math.sqrt(variance + options.eps);
      return normalized * (weight?.data[column] ?? 1) + (bias?.data[column] ?? 0);
    });
  },
  samples: samples(),
});

function normalizedShape(shape: Shape, { axes = 1 }: LayerNormOptions): Shape {
  return shape.slice(shape.length - axes);
}

function matrixOf(shape: Shape, options: LayerNormOptions): { readonly rows: number; readonly columns: number } {
  const columns = sizeOf(normalizedShape(shape, options));
  return { rows: columns === 0 ? 0 : sizeOf(shape) / columns, columns };
}

function elementwise(rows: number, columns: number, eps: number) {
  const block = COLUMNS_PER_INVOCATION;
  return { elements: rows * Math.ceil(columns / block), params: { rows, columns, block, eps } };
}

function samples(): Sample<LayerNormOptions>[] {
  const eps = 1e-5;
  return [
    { inputs: [[1, 1], [1], [1]], options: { eps }, note: "one column: the output is the bias" },
    { inputs: [[2, 3, 5], [5], [5]], options: { eps: 1e-6 } },
    { inputs: [[7, 64], [64], null], options: { eps }, note: "no bias" },
    { inputs: [[3, 17], null, [17]], options: { eps: 0.5 }, note: "no weight" },
    { inputs: [[2, 3, 4, 5], [4, 5], [4, 5]], options: { eps, axes: 2 }, note: "two axes" },
    { inputs: [[2, 97], null, null], options: { eps }, note: "several blocks of columns" },
    { inputs: [[71, 3], [3], [3]], options: { eps }, note: "several blocks of rows" },
    { inputs: [{ shape: [4, 6], values: (i) => (i < 6 ? 2.5 : 1000 + i * i) }, [6], [6]], options: { eps: 1e-3 } },
  ];
}

/**
 * Layer normalisation over the last `axes` axes of x (torch.nn.functional.layer_norm): subtracts their mean, divides by
 * the root of their biased variance plus eps. `weight` and `bias` have the shape of these axes, or are null.
 *
 * @throws Error where weight or bias has not the shape of the axes, or x not so many
 */
export function layerNorm(x: Tensor, weight: Tensor | null, bias: Tensor | null, options: LayerNormOptions): Tensor {
  const { axes = 1 } = options;
  if (!Number.isInteger(axes) || axes < 1 || axes > x.shape.length) {
    throw new Error(`layerNorm normalises 1 to ${x.shape.length} axes of ${showShape(x.shape)}, not ${axes}`);
  }
  const normalized = normalizedShape(x.shape, options);
  for (const [name, vector] of Object.entries({ weight, bias })) {
    if (vector && !sameShape(vector.shape, normalized)) {
      throw new Error(
        `Expected ${name} to be of same shape as normalized_shape, but got ${name} of shape ` +
          `${showShape(vector.shape)} and normalized_shape = ${showShape(normalized)}`,
      );
    }
  }
  return apply(layerNormOp, [x, weight, bias], options);
}
