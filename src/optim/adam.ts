import { adamStep } from "../ops/adam.ts";
import type { AdamRule } from "../ops/adam.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Optimizer } from "./optimizer.ts";
import type { OptimizerOptions, ParamStep } from "./optimizer.ts";

/** As in torch.optim.Adam and AdamW; the learning rate is given step by step. */
export type AdamOptions = OptimizerOptions & AdamRule;

/**
 * Adam and AdamW with PyTorch's rules, see `adamStep`. Parameters count their own steps: one that gets no gradient at
 * first starts when it does.
 */
export class Adam extends Optimizer {
  readonly #rule: AdamRule;

  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamOptions) {
    super(parameters, options, ["exp_avg", "exp_avg_sq"], true);
    const { betas, eps, decoupled } = options;
    this.#rule = { betas, eps, decoupled };
  }

  protected override update(
    parameter: Tensor,
    grad: Tensor,
    [average, averageOfSquares]: readonly Tensor[],
    { lr, weightDecay, step }: ParamStep,
  ): void {
    adamStep(parameter, grad, average, averageOfSquares, { ...this.#rule, lr, weightDecay, step });
  }
}
