/** A call of a PyTorch function, as cases of ops/ and opinfo/ write it down, bound to that function's parameters. */
import { backward } from "../ops/define.ts";
import type { Gpu } from "../runtime/gpu.ts";
import type { Pair } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { FixtureCase } from "./fixture.ts";
import { plain } from "./layout.ts";
import type { HostArray, Layout } from "./layout.ts";
import { Skip, download, upload } from "./runner.ts";
import type { Results, Runner } from "./runner.ts";

/** How one function is called, and what stands for it here. */
export interface Definition {
  /** PyTorch's parameters, in order; then those that only files of ops/ have. */
  readonly parameters: readonly string[];
  /** What files of ops/ call a parameter, or null for what only describes the case. */
  readonly names?: Readonly<Record<string, string | null>>;
  run(call: Call): Output | Output[] | Promise<Output | Output[]>;
}

/** A result in our layout; the gradient of the first one is what the case feeds into backward. */
export interface Output {
  /** Default: `output`, then `output_1`, ... */
  readonly name?: string;
  readonly value: Tensor;
  readonly layout?: Layout;
}

interface Leaf {
  readonly key: string;
  readonly tensor: Tensor;
  readonly layout: Layout;
}

export class Call {
  readonly gpu: Gpu;
  readonly #item: FixtureCase;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #leaves: Leaf[] = [];

  /** @throws Skip for parameters that are not the function's */
  constructor(gpu: Gpu, item: FixtureCase, definition: Definition) {
    this.gpu = gpu;
    this.#item = item;
    this.#values = "args" in item.params ? bindArguments(item, definition) : bindNames(item, definition);
  }

  get op(): string {
    return this.#item.op;
  }

  /** Whether the case names this among its results. */
  expects(name: string): boolean {
    return this.#item.expected.has(name);
  }

  /** The value given for a parameter; undefined where none is given, or None. */
  value(name: string): unknown {
    return this.#values.get(name) ?? undefined;
  }

  number(name: string, otherwise?: number): number {
    return this.#typed(name, "a number", (value) => typeof value === "number", otherwise);
  }

  boolean(name: string, otherwise?: boolean): boolean {
    return this.#typed(name, "true or false", (value) => typeof value === "boolean", otherwise);
  }

  choice<T extends string>(name: string, choices: readonly T[], otherwise: T): T {
    return this.#typed(name, `one of ${choices.join(", ")}`, (value) => choices.includes(value as T), otherwise);
  }

  /** Height and width, given as two numbers, as one for both, or, as an empty list, not at all. */
  pair(name: string, otherwise?: Pair): Pair {
    const value = this.value(name);
    if (Array.isArray(value) && value.length === 0 && otherwise) return otherwise;
    const list = Array.isArray(value) ? value : [value, value];
    if (list.length === 1) list.push(list[0]);
    const isPair = list.length === 2 && list.every((n) => typeof n === "number");
    return isPair ? (list as unknown as Pair) : this.#typed(name, "one or two numbers", () => false, otherwise);
  }

  /** Axes, given as a list or as one number; null where none are given. */
  dims(name: string): number[] | null {
    const value = this.value(name);
    if (value === undefined) return null;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    return list.every((n) => typeof n === "number") ? list : this.#typed(name, "a list of numbers", () => false);
  }

  /** Leaves only parameters at their default: @throws Skip where one of these has another value. */
  onlyDefaults(defaults: Readonly<Record<string, unknown>>): void {
    for (const [name, standard] of Object.entries(defaults)) {
      const value = this.value(name);
      if (value !== undefined && value !== standard) throw new Skip(`${name}=${JSON.stringify(value)} of ${this.op}`);
    }
  }

  /** The key under which a parameter's tensor is stored. */
  key(name: string): string {
    return tensorKey(this.#values.get(name)) ?? name;
  }

  /** The stored tensor of a parameter, or null where none is given. */
  stored(name: string): HostArray | null {
    const key = tensorKey(this.#values.get(name));
    return key === null ? null : this.#item.tensor(key);
  }

  /** Uploads a parameter's tensor, as a leaf where the case expects its gradient. A number becomes a scalar. */
  tensor(name: string, layout: Layout = plain): Tensor {
    const tensor = this.optionalTensor(name, layout);
    if (tensor) return tensor;
    const value = this.value(name);
    if (typeof value === "number") return Tensor.from(this.gpu, [value], []);
    throw new Skip(`${name}=${JSON.stringify(value)} of ${this.op}, which should be a tensor`);
  }

  optionalTensor(name: string, layout: Layout = plain): Tensor | null {
    const key = tensorKey(this.#values.get(name));
    return key === null ? null : this.#upload(key, layout);
  }

  /** The tensors of a parameter that is a list of them. */
  tensors(name: string): Tensor[] {
    const list = this.#values.get(name);
    const keys = Array.isArray(list) ? list.map(tensorKey) : [null];
    return keys.map((key) => {
      if (key === null) throw new Skip(`${name} of ${this.op}, which should be a list of tensors`);
      return this.#upload(key, plain);
    });
  }

  /** Runs the backward pass from the first output and collects everything. */
  async finish(outputs: readonly Output[]): Promise<Results> {
    const results: Results = new Map();
    for (const [i, { name, value, layout }] of outputs.entries()) {
      results.set(name ?? (i === 0 ? "output" : `output_${i}`), await download(value, layout));
    }
    if (this.#leaves.length === 0) return results;
    const [{ value, layout }] = outputs;
    backward(value, { grad: upload(this.gpu, this.#item.tensor("grad_output"), layout) });
    for (const { key, tensor, layout } of this.#leaves) {
      // Where nothing flows back to a leaf, PyTorch leaves no gradient or zeros: only empty ones are stored.
      if (tensor.grad) results.set(`grad_${key}`, await download(tensor.grad, layout));
      else if (tensor.size === 0) results.set(`grad_${key}`, this.#item.tensor(key));
    }
    return results;
  }

  #upload(key: string, layout: Layout): Tensor {
    const tensor = upload(this.gpu, this.#item.tensor(key), layout);
    if (!this.expects(`grad_${key}`)) return tensor;
    this.#leaves.push({ key, tensor: tensor.requireGrad(), layout });
    return tensor;
  }

  #typed<T>(name: string, expected: string, accepts: (value: unknown) => boolean, otherwise?: T): T {
    const value = this.value(name) ?? otherwise;
    if (value !== undefined && (accepts(value) || value === otherwise)) return value as T;
    throw new Skip(`${name}=${JSON.stringify(value)} of ${this.op}: ${expected} expected`);
  }
}

/** The runner of a function. */
export function runnerOf(definition: Definition): Runner {
  return async ({ gpu }, item) => {
    const call = new Call(gpu, item, definition);
    const outputs = await definition.run(call);
    return call.finish(Array.isArray(outputs) ? outputs : [outputs]);
  };
}

/** opinfo/: function(input, *args, **kwargs), tensors as {"tensor": key}. */
function bindArguments({ op, params }: FixtureCase, { parameters }: Definition): Map<string, unknown> {
  const { input, args, kwargs = {} } = params as { input: unknown; args: unknown[]; kwargs?: Record<string, unknown> };
  if (args.length >= parameters.length) throw new Skip(`${args.length + 1} arguments of ${op}`);
  const values = new Map<string, unknown>([input, ...args].map((value, i) => [parameters[i], value]));
  for (const [name, value] of Object.entries(kwargs)) {
    if (!parameters.includes(name)) throw new Skip(`option ${name} of ${op}`);
    values.set(name, value);
  }
  return values;
}

/** ops/: parameters by name in `params`, tensors under the parameter's name or numbered as NAME_0, NAME_1, ... */
function bindNames({ op, params, inputs }: FixtureCase, { parameters, names = {} }: Definition): Map<string, unknown> {
  const values = new Map<string, unknown>();
  const bind = (given: string, value: unknown): void => {
    const name = Object.hasOwn(names, given) ? names[given] : given;
    if (name === null) return;
    if (!parameters.includes(name)) throw new Skip(`option ${given} of ${op}`);
    values.set(name, value);
  };
  for (const [name, value] of Object.entries(params)) bind(name, value);
  const tensors = inputs.filter((name) => name !== "grad_output");
  const numbered = tensors.filter((name) => /_\d+$/.test(name));
  for (const name of tensors) if (!numbered.includes(name)) bind(name, { tensor: name });
  if (numbered.length > 0) bind(numbered[0].replace(/_\d+$/, ""), numbered.map((name) => ({ tensor: name })));
  return values;
}

function tensorKey(value: unknown): string | null {
  if (typeof value !== "object" || value === null || !("tensor" in value)) return null;
  return String(value.tensor);
}
