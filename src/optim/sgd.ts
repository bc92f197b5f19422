import { sgdStep } from "../ops/sgd.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Optimizer } from "./optimizer.ts";
import type { OptimizerOptions, ParamStep } from "./optimizer.ts";

/** As in torch.optim.SGD; the learning rate is given step by step. */
export interface SgdOptions extends OptimizerOptions {
  readonly momentum: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with PyTorch's rule: d = g + weightDecay·p; v = momentum·v + (1 - dampening)·d, but v = d
 * at the first step; p -= lr·v (nesterov: lr·(d + momentum·v)). The weight decay is an L2 penalty: added to every
 * gradient, biases and batch normalisation included, as in the official code.
 */
export class Sgd extends Optimizer {
  readonly #options: Pick<SgdOptions, "momentum" | "dampening" | "nesterov">;

  constructor(parameters: ReadonlyMap<string, Tensor>, options: SgdOptions) {
    super(parameters, options, options.momentum === 0 ? [] : ["momentum_buffer"], false);
    const { momentum, dampening, nesterov } = options;
    this.#options = { momentum, dampening, nesterov };
  }

  protected override update(
    parameter: Tensor,
    grad: Tensor,
    [velocity]: readonly Tensor[],
    { lr, weightDecay, first }: ParamStep,
  ): void {
    sgdStep(parameter, grad, velocity ?? null, { ...this.#options, lr, weightDecay, first });
  }
}
