import { sgdStep } from "../ops/sgd.ts";
import { UserError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";

export interface SgdOptions {
  readonly momentum: number;
  /** L2 penalty: added to every gradient, biases and batch normalisation included, as in the official code. */
  readonly weightDecay: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with PyTorch's rule: d = g + weightDecay·p; v = momentum·v + (1 - dampening)·d, but v = d
 * at the first step; p -= lr·v (nesterov: lr·(d + momentum·v)). Parameters without a gradient stay as they are.
 */
export class Sgd {
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #options: SgdOptions;
  readonly #velocities = new Map<string, Tensor>();

  /** @param parameters by name, updated in place; see Module.namedParameters */
  constructor(parameters: ReadonlyMap<string, Tensor>, options: SgdOptions) {
    this.#parameters = parameters;
    this.#options = options;
  }

  /** Records the update of every parameter with its gradient. */
  step(lr: number): void {
    for (const [name, parameter] of this.#parameters) {
      if (parameter.grad === null) continue;
      const first = !this.#velocities.has(name);
      const velocity = this.#options.momentum === 0 ? null : this.#velocity(name, parameter);
      sgdStep(parameter, parameter.grad, velocity, { ...this.#options, lr, first });
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
