import type { Tensor } from "../tensor/tensor.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { vectorDispatch } from "./variants.ts";

/** What holds for all parameters and steps. */
export interface AdamRule {
  /** Weights of the past in the averages of the gradient and of its square. */
  readonly betas: readonly [number, number];
  readonly eps: number;
  /** AdamW: the weight decay shrinks the parameter itself, instead of being added to its gradient. */
  readonly decoupled: boolean;
}

export interface AdamOptions extends AdamRule {
  readonly lr: number;
  readonly weightDecay: number;
  /** Counting from 1. */
  readonly step: number;
}

/**
 * One step of torch.optim.Adam, or with `decoupled` of torch.optim.AdamW: changes `param` and the averages of its
 * gradient and of the square of that, which are 0 before the first step, in place. Not recorded.
 */
export function adamStep(
  param: Tensor,
  grad: Tensor,
  average: Tensor,
  averageOfSquares: Tensor,
  { lr, betas, eps, weightDecay, decoupled, step }: AdamOptions,
): void {
  if (!(lr >= 0)) throw new Error(`Invalid learning rate: ${lr}`);
  if (!(eps >= 0)) throw new Error(`Invalid epsilon value: ${eps}`);
  betas.forEach((beta, i) => {
    if (!(beta >= 0 && beta < 1)) throw new Error(`Invalid beta parameter at index ${i}: ${beta}`);
  });
  if (!(weightDecay >= 0)) throw new Error(`Invalid weight_decay value: ${weightDecay}`);
  if (!(Number.isInteger(step) && step >= 1)) throw new Error(`Steps count from 1, got ${step}`);
  for (const other of [grad, average, averageOfSquares]) {
    if (sameShape(other.shape, param.shape)) continue;
    const found = `gradient or average of ${showShape(other.shape)}`;
    throw new Error(`parameter of shape ${showShape(param.shape)} with ${found}`);
  }
  const [beta1, beta2] = betas;
  const isVec4 = param.size % 4 === 0;
  const count = isVec4 ? param.size / 4 : param.size;
  const params = {
    ...{ count, eps, beta1, beta2, share1: 1 - beta1, share2: 1 - beta2 },
    stepSize: lr / (1 - beta1 ** step),
    root: Math.sqrt(1 - beta2 ** step),
    penalty: decoupled ? 0 : weightDecay,
    keep: decoupled ? 1 - lr * weightDecay : 1,
  };
  const walk = isVec4 ? vectorDispatch(param.gpu, "adam_vec4", count) : { elements: Math.ceil(count / 4) };
  param.gpu.run(isVec4 ? "adam_vec4" : "adam", { param, grad, average, averageOfSquares }, { params, ...walk });
}
