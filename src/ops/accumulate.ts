/** Sums behind the scenes: where paths meet in the graph, into the `grad` of a leaf, over the slabs of a product. */
import { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { excerpt, fits, place } from "./parts.ts";
import { arithmetic, sumAxes } from "./broadcast.ts";

/** a + b, unrecorded. */
export function sum(a: Tensor, b: Tensor): Tensor {
  return arithmetic("add", a, b);
}

/** Adds `part` to the elements of `whole` from `first` on. Releases it. */
export function addTo(part: Tensor, whole: Tensor, first: number): void {
  const before = excerpt(whole, first, part.shape);
  place(sum(before, part), whole, first);
  [before, part].forEach((tensor) => tensor.release());
}

/** The slabs [splits, ...shape] of a product whose inner dimension was split, summed in order; releases them. */
export function sumSlabs(slabs: Tensor, shape: Shape): Tensor {
  const total = totalOf(slabs);
  const out = total.view(shape);
  total.release();
  slabs.release();
  return out;
}

function totalOf(slabs: Tensor): Tensor {
  const count = slabs.shape[0];
  const quads = slabs.size / count / 4;
  if (count === 1 || !Number.isInteger(quads) || !fits(slabs.gpu, slabs.size)) return sumAxes(slabs, [0]);
  const out = Tensor.empty(slabs.gpu, slabs.shape.with(0, 1));
  slabs.gpu.run("sum_slabs", { slabs, out }, { elements: quads, params: { quads, slabs: count } });
  return out;
}

/** `leaf.grad += grad`. The gradient may still be in use elsewhere in the graph, so the sum gets memory of its own. */
export function addInto(leaf: Tensor, grad: Tensor): void {
  if (leaf.grad === null) {
    leaf.grad = grad.detach().keep();
    return;
  }
  const total = sum(leaf.grad, grad).keep();
  leaf.grad.dispose();
  leaf.grad = total;
}
