/** Looking at values inside a network, and at the gradients that reach them. */
import { apply } from "../ops/define.ts";
import type { Op } from "../ops/define.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Networks pass named intermediate values through this. What it returns is used in place of the value: the value
 * itself, or what `onGradient` made of it.
 */
export type Watch = (name: string, value: Tensor) => Tensor;

export const unwatched: Watch = (_, value) => value;

const onGradientOp: Op<readonly [Tensor], { readonly listener: (grad: Tensor) => void }> = {
  name: "on_gradient",
  forward: (_, [x]) => x.detach(),
  backward(_ctx, grad, _inputs, { listener }) {
    listener(grad);
    return [grad];
  },
  reference: ([x]) => x!,
  samples: [],
};

/** The same value; `listener` gets the complete gradient of what is computed from it. It lives as long as the step. */
export function onGradient(x: Tensor, listener: (grad: Tensor) => void): Tensor {
  return apply(onGradientOp, [x], { listener });
}
