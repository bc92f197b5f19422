/** Sums behind the scenes: where paths meet in the graph, into the `grad` of a leaf, over the slabs of a product. */
import type { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { arithmetic, sumAxes } from "./broadcast.ts";

/** a + b, unrecorded. */
export function sum(a: Tensor, b: Tensor): Tensor {
  return arithmetic("add", a, b);
}

/** The slabs [splits, ...shape] of a product whose inner dimension was split, summed in order; releases them. */
export function sumSlabs(slabs: Tensor, shape: Shape): Tensor {
  const total = sumAxes(slabs, [0]);
  const out = total.view(shape);
  total.release();
  slabs.release();
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
