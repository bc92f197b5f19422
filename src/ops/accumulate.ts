/** Adding gradients: where paths meet in the graph, and into the `grad` of a leaf. */
import { Tensor } from "../tensor/tensor.ts";

/** a + b of one shape, unrecorded. */
export function sum(a: Tensor, b: Tensor): Tensor {
  const out = Tensor.empty(a.gpu, a.shape);
  a.gpu.run("add", { a, b, out }, { elements: Math.ceil(a.size / 4), params: { count: a.size } });
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
