import { foldGroups } from "../runtime/grid.ts";
import { Tensor } from "../tensor/tensor.ts";
import { normalizeAxis } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { around } from "./axis.ts";
import { inBlocks } from "./blocks.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { ndarray } from "./ndarray.ts";

interface SoftmaxOptions {
  /** Axis, 0..rank-1. */
  readonly dim: number;
}

interface Rows {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

const samples: Sample<SoftmaxOptions>[] = [
  { inputs: [[1]], options: { dim: 0 } },
  { inputs: [[]], options: { dim: 0 }, note: "scalar" },
  { inputs: [[5, 19]], options: { dim: 1 } },
  { inputs: [[2, 3, 2, 7]], options: { dim: 1 }, note: "axis in the middle" },
  { inputs: [[131, 3]], options: { dim: 0 }, note: "first axis" },
  { inputs: [[3, 300]], options: { dim: 1 }, note: "long rows" },
  { inputs: [{ shape: [2, 5], values: () => 3 }], options: { dim: 1 }, note: "ties" },
  { inputs: [{ shape: [2, 6], values: (i) => 1e4 + i }], options: { dim: 1 }, note: "offset" },
  { inputs: [{ shape: [2, 9], values: (i) => (i % 9) * 40 - 160 }], options: { dim: 1 }, note: "wide range" },
  { inputs: [[0, 3]], options: { dim: 1 }, note: "no rows" },
];

/** From this length on a row is worth a workgroup, unless there are rows enough to occupy a CPU adapter. */
const LONG_ROW = 256;
const MANY_ROWS = 64;

const softmaxOp = (name: string, log: boolean) => {
  const dispatch = (x: Tensor, length: number, outer: number, inner: number) => {
    const sizes = { rows: outer * inner, length, inner };
    const long = sizes.length >= LONG_ROW && !(x.gpu.capabilities.isSoftware && sizes.rows >= MANY_ROWS);
    const variant = x.gpu.variants[name] ?? (long ? "group" : "row");
    const options = { params: { ...sizes }, constants: { LOG: log } };
    return variant === "group"
      ? { entry: "Group" as const, options: { ...options, grid: foldGroups(sizes.rows) } }
      : { entry: "" as const, options: { ...options, elements: sizes.rows } };
  };
  return defineOp<readonly [Tensor], SoftmaxOptions>({
    name,
    variants: ["row", "group"],
    forward(ctx, [x], { dim }) {
      const y = Tensor.empty(x.gpu, x.shape);
      const { outer, length, inner } = rowsOf(x.shape, dim);
      inBlocks({ outer, inner }, [x], [y], ([x], [y], outer, inner) => {
        const { entry, options } = dispatch(x, length, outer, inner);
        x.gpu.run(`softmax.forward${entry}`, { x, y }, options);
      });
      ctx.save(y);
      return y;
    },
    backward(ctx, dy, [x], { dim }) {
      const dx = Tensor.empty(x.gpu, x.shape);
      const { outer, length, inner } = rowsOf(x.shape, dim);
      inBlocks({ outer, inner }, [ctx.saved[0], dy], [dx], ([result, dy], [dx], outer, inner) => {
        const { entry, options } = dispatch(dy, length, outer, inner);
        dy.gpu.run(`softmax.backward${entry}`, { result, dy, dx }, options);
      });
      return [dx];
    },
    reference([x], { dim }) {
      const { outer, length, inner } = rowsOf(x!.shape, dim);
      const rows = outer * inner;
      const out = ndarray(x!.shape);
      for (let row = 0; row < rows; row++) {
        const start = Math.floor(row / inner) * length * inner + (row % inner);
        const places = Array.from({ length }, (_, j) => start + j * inner);
        const top = Math.max(...places.map((p) => x!.data[p]));
        const total = places.reduce((sum, p) => sum + Math.exp(x!.data[p] - top), 0);
        for (const p of places) out.data[p] = log ? x!.data[p] - top - Math.log(total) : Math.exp(x!.data[p] - top) / total;
      }
      return out;
    },
    samples,
  });
};

const plainOp = softmaxOp("softmax", false);
const logOp = softmaxOp("log_softmax", true);

/**
 * exp(x) / sum(exp(x)) along `dim`; any shape.
 *
 * @throws Error where there is no such axis
 */
export function softmax(x: Tensor, dim = -1): Tensor {
  return apply(plainOp, [x], { dim: normalizeAxis(dim, x.shape.length) });
}

/**
 * log(softmax(x)) along `dim`, without the loss of precision that this formula would have.
 *
 * @throws Error where there is no such axis
 */
export function logSoftmax(x: Tensor, dim = -1): Tensor {
  return apply(logOp, [x], { dim: normalizeAxis(dim, x.shape.length) });
}

function rowsOf(shape: Shape, dim: number): Rows {
  return { ...around(shape, dim), length: shape[dim] ?? 1 };
}
