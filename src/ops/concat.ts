import { Tensor } from "../tensor/tensor.ts";
import { normalizeAxis, sameShape } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { insert, window } from "./window.ts";

interface ConcatOptions {
  /** Axis, 0..rank-1. */
  readonly dim: number;
}

/** Where each operand begins along the axis, and the length of all. */
function offsets(sizes: readonly number[]): number[] {
  return sizes.reduce((list, n) => [...list, list[list.length - 1] + n], [0]);
}

const concatOp = defineOp<readonly Tensor[], ConcatOptions>({
  name: "concat",
  forward(_ctx, tensors, { dim }) {
    const places = offsets(tensors.map((x) => x.shape[dim]));
    const out = Tensor.empty(tensors[0].gpu, tensors[0].shape.with(dim, places.at(-1)!), tensors[0].dtype);
    tensors.forEach((x, i) => insert(x, out, dim, places[i]));
    return out;
  },
  backward(ctx, dy, tensors, { dim }) {
    const places = offsets(tensors.map((x) => x.shape[dim]));
    return tensors.map((x, i) => (ctx.needsGrad[i] ? window(dy, dim, -places[i], x.shape[dim]) : null));
  },
  reference(inputs, { dim }) {
    const places = offsets(inputs.map((x) => x!.shape[dim]));
    const out = ndarray(inputs[0]!.shape.with(dim, places.at(-1)!));
    inputs.forEach((x, i) =>
      forEachIndex(x!.shape, (index, flat) => {
        out.data[at(out.shape, index.with(dim, index[dim] + places[i]))] = x!.data[flat];
      }),
    );
    return out;
  },
  samples: [
    { inputs: [[1]], options: { dim: 0 }, note: "one tensor" },
    { inputs: [[5], [3]], options: { dim: 0 } },
    { inputs: [[2, 3, 3, 5], [2, 3, 3, 7], [2, 3, 3, 1]], options: { dim: 3 }, note: "channels" },
    { inputs: [[2, 3, 4], [2, 1, 4]], options: { dim: 1 }, note: "whole vectors" },
    { inputs: [[3, 2, 8], [3, 2, 4], [3, 2, 12]], options: { dim: 2 }, note: "channels in whole vectors" },
    { inputs: [[3, 2], [0, 2], [1, 2]], options: { dim: 0 }, note: "one of them empty" },
  ],
});

/**
 * The tensors one after the other along `dim`; their other axes and types must be equal.
 *
 * @throws Error without tensors, and where their types or other axes differ
 */
export function concat(tensors: readonly Tensor[], dim: number): Tensor {
  if (tensors.length === 0) throw new Error("torch.cat(): expected a non-empty list of Tensors");
  const scalar = tensors.findIndex((x) => x.shape.length === 0);
  if (scalar >= 0) throw new Error(`zero-dimensional tensor (at position ${scalar}) cannot be concatenated`);
  // As in PyTorch, a tensor of shape [0] goes with tensors of any rank, and adds nothing.
  const rank = Math.max(...tensors.map((x) => x.shape.length));
  const used = tensors.filter((x) => x.shape.length === rank || !sameShape(x.shape, [0]));
  const axis = normalizeAxis(dim, rank);
  used.forEach((x, i) => {
    if (x.dtype !== used[0].dtype) throw new Error(`concat: tensor ${i} is ${x.dtype}, the first is ${used[0].dtype}`);
    if (x.shape.length !== used[0].shape.length) {
      throw new Error(`Tensors must have same number of dimensions: got ${used[0].shape.length} and ${x.shape.length}`);
    }
    if (sameShape(x.shape.with(axis, 0), used[0].shape.with(axis, 0))) return;
    const other = x.shape.findIndex((n, a) => a !== axis && n !== used[0].shape[a]);
    throw new Error(
      `Sizes of tensors must match except in dimension ${axis}. ` +
        `Expected size ${used[0].shape[other]} but got size ${x.shape[other]} for tensor number ${i} in the list.`,
    );
  });
  return apply(concatOp, used, { dim: axis });
}
