/** What the optimisers have in common: parameters with their rules, and state that a run can be continued from. */
import { UserError } from "../errors.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";

/** Factors on learning rate and weight decay. */
export interface ParamRule {
  readonly lr: number;
  readonly weightDecay: number;
}

/** What all optimisers are told. */
export interface OptimizerOptions {
  readonly weightDecay: number;
  /** By a part of the parameters' names; of several that fit the longest counts, and of two as long the first. */
  readonly rules?: Readonly<Record<string, ParamRule>>;
}

/** What is kept between steps, by PyTorch's name for it and then by parameter. */
export type Buffers<T> = ReadonlyMap<string, ReadonlyMap<string, T>>;

/** One update of one parameter. */
export interface ParamStep extends ParamRule {
  /** Counting from 1, where the optimiser counts steps. */
  readonly step: number;
  /** Whether it has buffers for the first time. */
  readonly first: boolean;
}

const PLAIN: ParamRule = { lr: 1, weightDecay: 1 };

/** Updates parameters by their gradients, step by step. */
export abstract class Optimizer {
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #weightDecay: number;
  readonly #rules: ReadonlyMap<string, ParamRule>;
  readonly #buffers: ReadonlyMap<string, Map<string, Tensor>>;
  readonly #steps: Map<string, number> | null;

  /**
   * @param parameters by name, updated in place; see Module.namedParameters
   * @param kinds of the buffers of each parameter
   * @param countsSteps whether updates depend on how many there were
   */
  constructor(
    parameters: ReadonlyMap<string, Tensor>,
    { weightDecay, rules = {} }: OptimizerOptions,
    kinds: readonly string[],
    countsSteps: boolean,
  ) {
    this.#parameters = parameters;
    this.#weightDecay = weightDecay;
    const sorted = Object.entries(rules).sort(([a], [b]) => b.length - a.length || (a < b ? -1 : 1));
    const ruleOf = (name: string): ParamRule => sorted.find(([part]) => name.includes(part))?.[1] ?? PLAIN;
    this.#rules = new Map([...parameters.keys()].map((name) => [name, ruleOf(name)]));
    this.#buffers = new Map(kinds.map((kind) => [kind, new Map<string, Tensor>()]));
    this.#steps = countsSteps ? new Map() : null;
  }

  /** Records the update of every parameter that has a gradient; `lr` is that of parameters without a rule. */
  step(lr: number): void {
    for (const [name, parameter] of this.#parameters) {
      if (parameter.grad === null) continue;
      const rule = this.#rules.get(name)!;
      const step = (this.#steps?.get(name) ?? 0) + 1;
      const all = [...this.#buffers.values()];
      const first = !all[0]?.has(name);
      const own = { lr: lr * rule.lr, weightDecay: this.#weightDecay * rule.weightDecay, step, first };
      this.update(parameter, parameter.grad, all.map((buffers) => bufferOf(buffers, name, parameter)), own);
      this.#steps?.set(name, step);
    }
  }

  /** Drops the gradients. */
  zeroGrad(): void {
    for (const parameter of this.#parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
  }

  /** In the parameters' layouts; empty before the first step. */
  get buffers(): Buffers<Tensor> {
    return this.#buffers;
  }

  /** Steps of each parameter that has made any, where the optimiser counts them. */
  get steps(): ReadonlyMap<string, number> {
    return this.#steps ?? new Map();
  }

  /**
   * Continues from saved buffers and steps; parameters that are not among them start anew.
   *
   * @throws UserError for a buffer that is none of this optimiser's, without parameter or of another size, and where
   *   one of a parameter's is missing; then nothing has changed
   */
  load(buffers: Buffers<Float32Array>, steps: ReadonlyMap<string, number>): void {
    for (const [kind, values] of buffers) this.#check(kind, values);
    const counted = this.#steps ? [["step", steps] as const] : [];
    const saved = [...[...this.#buffers.keys()].map((kind) => [kind, buffers.get(kind)] as const), ...counted];
    const names = new Set(saved.flatMap(([, values]) => [...(values?.keys() ?? [])]));
    for (const [kind, values] of saved) {
      const missing = [...names].find((name) => !values?.has(name));
      if (missing) throw new UserError(`optimizer state: the ${kind} of ${missing} is missing`);
    }
    this.dispose();
    for (const [kind, values] of buffers) {
      for (const [name, data] of values) {
        const { gpu, shape } = this.#parameters.get(name)!;
        this.#buffers.get(kind)!.set(name, Tensor.from(gpu, data, shape).keep());
      }
    }
    for (const [name, step] of steps) this.#steps?.set(name, step);
  }

  /** Releases the buffers and forgets the steps. */
  dispose(): void {
    for (const values of this.#buffers.values()) {
      for (const buffer of values.values()) buffer.dispose();
      values.clear();
    }
    this.#steps?.clear();
  }

  /**
   * @param buffers in the order of the kinds, all 0 the first time
   * @param own rate and decay by the parameter's rule; `step` counts from 1
   */
  protected abstract update(
    parameter: Tensor,
    grad: Tensor,
    buffers: readonly Tensor[],
    own: ParamStep,
  ): void;

  #check(kind: string, values: ReadonlyMap<string, Float32Array>): void {
    if (!this.#buffers.has(kind)) {
      const expected = [...this.#buffers.keys()].join(", ") || "none";
      throw new UserError(`optimizer state: it holds ${kind}, this optimiser's buffers are ${expected}`);
    }
    for (const [name, data] of values) {
      const parameter = this.#parameters.get(name);
      if (parameter?.size === data.length) continue;
      const expected = parameter ? `shape ${showShape(parameter.shape)}` : "no parameter of that name";
      throw new UserError(`optimizer state: ${kind} of ${name} has ${data.length} values, the model has ${expected}`);
    }
  }
}

function bufferOf(buffers: Map<string, Tensor>, name: string, { gpu, shape }: Tensor): Tensor {
  const found = buffers.get(name) ?? Tensor.zeros(gpu, shape).keep();
  buffers.set(name, found);
  return found;
}
