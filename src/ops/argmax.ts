import { Tensor } from "../tensor/tensor.ts";
import { inBlocks } from "./blocks.ts";
import { normalizeAxis, sizeOf } from "../tensor/shape.ts";

/**
 * Position of the largest element along `dim`, or in the flattened tensor (null), as i32. The first of equal ones wins;
 * NaN counts as largest. The axis vanishes, or stays as 1 with keepdim.
 *
 * @throws Error where there is no such axis, or it is empty
 */
export function argmax(x: Tensor, dim: number | null = -1, keepdim = false): Tensor {
  const shape = dim === null ? [x.size] : x.shape;
  const axis = normalizeAxis(dim ?? 0, shape.length);
  const length = shape[axis] ?? 1; // a scalar is its own maximum
  if (length === 0) throw new Error(`argmax(): Expected reduction dim ${axis} to have non-zero size.`);
  const inner = sizeOf(shape.slice(axis + 1));
  const reduced = (_: number, i: number): number[] => (dim !== null && i !== axis ? [x.shape[i]] : keepdim ? [1] : []);
  const out = Tensor.empty(x.gpu, x.shape.flatMap(reduced), "i32");
  inBlocks({ outer: sizeOf(shape.slice(0, axis)), inner }, [x], [out], ([x], [out], _, inner) => {
    x.gpu.run("argmax", { x, out }, { elements: out.size, params: { count: out.size, length, inner } });
  });
  return out;
}
