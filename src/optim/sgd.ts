import { sgdStep } from "../ops/sgd.ts";
import { UserError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";

/** Factors on learning rate and weight decay. */
export interface ParamRule {
  readonly lr: number;
  readonly weightDecay: number;
}

/** As in torch.optim.SGD; the learning rate is given step by step. */
export interface SgdOptions {
  readonly momentum: number;
  /** L2 penalty: added to every gradient, biases and batch normalisation included, as in the official code. */
  readonly weightDecay: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  /** By a part of the parameters' names; of several that fit the longest counts, and of two as long the first. */
  readonly rules?: Readonly<Record<string, ParamRule>>;
}

const PLAIN: ParamRule = { lr: 1, weightDecay: 1 };

/**
 * Stochastic gradient descent with PyTorch's rule: d = g + weightDecay·p; v = momentum·v + (1 - dampening)·d, but v = d
 * at the first step; p -= lr·v (nesterov: lr·(d + momentum·v)). Parameters without a gradient stay as they are.
 */
export class Sgd {
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #options: SgdOptions;
  readonly #rules: ReadonlyMap<string, ParamRule>;
  readonly #velocities = new Map<string, Tensor>();

  /** @param parameters by name, updated in place; see Module.namedParameters */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: SgdOptions) {
    this.#parameters = parameters;
    this.#options = options;
    const rules = Object.entries(options.rules ?? {}).sort(
      ([a], [b]) => b.length - a.length || (a < b ? -1 : 1),
    );
    const ruleOf = (name: string): ParamRule => rules.find(([part]) => name.includes(part))?.[1] ?? PLAIN;
    this.#rules = new Map([...parameters.keys()].map((name) => [name, ruleOf(name)]));
  }

  /** Records the update of every parameter with its gradient; `lr` is that of parameters without a rule. */
  step(lr: number): void {
    const { rules: _, weightDecay, ...options } = this.#options;
    for (const [name, parameter] of this.#parameters) {
      if (parameter.grad === null) continue;
      const first = !this.#velocities.has(name);
      const velocity = options.momentum === 0 ? null : this.#velocity(name, parameter);
      const rule = this.#rules.get(name)!;
      const own = { lr: lr * rule.lr, weightDecay: weightDecay * rule.weightDecay };
      sgdStep(parameter, parameter.grad, velocity, { ...options, ...own, first });
    }
  }

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const parameter of this.#parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /** Momentum buffers by parameter name, in the parameters' layout; none before the first step or without momentum. */
  get velocities(): ReadonlyMap<string, Tensor> {
    return this.#velocities;
  }

  /**
   * Continues from saved momentum buffers; parameters that are not among them start anew.
   *
   * @throws UserError for a buffer without parameter or of another size; then nothing has changed
   */
  loadVelocities(values: ReadonlyMap<string, Float32Array>): void {
    for (const [name, data] of values) {
      const parameter = this.#parameters.get(name);
      if (parameter?.size === data.length) continue;
      const expected = parameter ? `shape ${showShape(parameter.shape)}` : "no parameter of that name";
      throw new UserError(`optimizer state: ${name} has ${data.length} values, the model has ${expected}`);
    }
    this.dispose();
    for (const [name, data] of values) {
      const { gpu, shape } = this.#parameters.get(name)!;
      this.#velocities.set(name, Tensor.from(gpu, data, shape).keep());
    }
  }

  /** Releases the momentum buffers. */
  dispose(): void {
    for (const velocity of this.#velocities.values()) velocity.dispose();
    this.#velocities.clear();
  }

  #velocity(name: string, { gpu, shape }: Tensor): Tensor {
    const found = this.#velocities.get(name);
    if (found) return found;
    const velocity = Tensor.empty(gpu, shape).keep(); // the first step overwrites it
    this.#velocities.set(name, velocity);
    return velocity;
  }
}
