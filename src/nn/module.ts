/** The base of layers and networks: named children, parameters and buffers, as PyTorch's nn.Module. */
import { isGradEnabled } from "../autograd/tape.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { checkpoint } from "../ops/checkpoint.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { loadState, readState, stateShapes } from "./state.ts";
import type { LoadOptions, LoadReport, StateDict, StateTensor } from "./state.ts";
import { Counter, Variable } from "./variable.ts";
import type { VariableOptions } from "./variable.ts";

/**
 * Building a module describes it: names and shapes are known without a device. `initialize` allocates what it
 * describes. Names passed to `child`, `variable` and `counter` are those of the official state dicts.
 */
export abstract class Module {
  #training = true;
  #recomputes = false;
  readonly #children = new Map<string, Module>();
  readonly #own = new Map<string, Variable | Counter>();

  /** Whether batch normalisation uses the batch's statistics and dropout drops. */
  get training(): boolean {
    return this.#training;
  }

  protected child<M extends Module>(name: string, module: M): M {
    this.#children.set(name, module);
    return module;
  }

  protected variable(name: string, options: VariableOptions): Variable {
    const variable = new Variable(options);
    this.#own.set(name, variable);
    return variable;
  }

  protected counter(name: string): Counter {
    const counter = new Counter();
    this.#own.set(name, counter);
    return counter;
  }

  /** This module and everything below it; one that is a child twice comes twice. */
  *walk(): Generator<Module, void, undefined> {
    yield this;
    for (const module of this.#children.values()) yield* module.walk();
  }

  /** Switches this module and everything below it. */
  train(mode = true): this {
    this.#training = mode;
    for (const module of this.#children.values()) module.train(mode);
    return this;
  }

  /** Evaluation from now on, as `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Lets blocks of this module and everything below it keep only their input for backward, which computes the rest
   * again (ops/checkpoint): less memory, more time, the same bytes. Which parts are blocks is up to the modules.
   */
  recompute(mode = true): this {
    this.#recomputes = mode;
    for (const module of this.#children.values()) module.recompute(mode);
    return this;
  }

  /** fn(x), as a block. Without recording, it leaves nothing but its result. */
  protected block(fn: (x: Tensor) => Tensor, x: Tensor): Tensor {
    return this.#recomputes || !isGradEnabled() ? checkpoint(fn, x) : fn(x);
  }

  /** Everything that is saved, under its full name. A module that is a child twice appears under both names. */
  entries(prefix = ""): Map<string, Variable | Counter> {
    const entries = new Map([...this.#own].map(([name, entry]) => [prefix + name, entry]));
    for (const [name, module] of this.#children) {
      for (const [inner, entry] of module.entries(`${prefix}${name}.`)) entries.set(inner, entry);
    }
    return entries;
  }

  /** Every variable once, under its first name. */
  #variables(): Map<string, Variable> {
    const seen = new Set<Variable | Counter>();
    const variables = new Map<string, Variable>();
    for (const [name, entry] of this.entries()) {
      if (entry instanceof Variable && !seen.has(entry)) variables.set(name, entry);
      seen.add(entry);
    }
    return variables;
  }

  /**
   * Allocates every parameter and buffer. The same seed (u32) gives the same bytes; see init.ts. Without one (null) the
   * values are undefined until some are loaded.
   */
  initialize(gpu: Gpu, seed: number | null): this {
    for (const [name, variable] of this.#variables()) variable.initialize(gpu, seed, name);
    for (const entry of this.entries().values()) if (entry instanceof Counter) entry.value = 0;
    return this;
  }

  /** Trainable tensors by name, each once. */
  namedParameters(): Map<string, Tensor> {
    return new Map([...this.parameterVariables()].map(([name, variable]) => [name, variable.tensor]));
  }

  /** Trainable tensors, each once. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** As `namedParameters`, with what is needed to save values of the same shape (gradients, momentum): see state.ts. */
  parameterVariables(): Map<string, Variable> {
    return new Map([...this.#variables()].filter(([, variable]) => variable.trainable));
  }

  /** Number of trainable values. */
  parameterCount(): number {
    return [...this.parameterVariables().values()].reduce((count, variable) => count + variable.size, 0);
  }

  /** Stops or resumes the recording of gradients for every parameter. */
  requireGrad(required = true): this {
    for (const tensor of this.parameters()) tensor.requiresGrad = required;
    return this;
  }

  /** Names and shapes of the state dict; needs no device. */
  stateShapes(): Map<string, Shape> {
    return stateShapes(this.entries());
  }

  /** Parameters, buffers and counters in PyTorch's names, shapes and layouts. */
  stateDict(): Promise<Map<string, StateTensor>> {
    return readState(this.entries());
  }

  /**
   * Takes over what `dict` holds.
   *
   * @throws UserError listing names that are missing, unexpected or of another shape; then nothing has changed
   */
  loadStateDict(dict: StateDict, options?: LoadOptions): LoadReport {
    return loadState(this.entries(), dict, options);
  }

  /** Releases the GPU memory of parameters and buffers. */
  dispose(): void {
    for (const entry of this.#own.values()) if (entry instanceof Variable) entry.dispose();
    for (const module of this.#children.values()) module.dispose();
  }
}

/** A module from one tensor to one tensor. */
export abstract class Layer extends Module {
  /** The result, recorded for backward; the class says which shapes it takes and gives. */
  abstract forward(x: Tensor): Tensor;

  /** As `forward`, of a layer that is a block: see `recompute`. */
  forwardBlock(x: Tensor): Tensor {
    return this.block((input) => this.forward(input), x);
  }
}
