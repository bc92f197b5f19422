/**
 * What a network computes, as a list of values: its forward pass runs without a device while a tracer sees every op.
 * Traces for several sizes of the inputs are laid over each other, which tells sizes that are fixed from those that are
 * not, and in what they agree.
 */
import { noGrad } from "../autograd/tape.ts";
import { UserError } from "../errors.ts";
import type { Layout } from "../nn/variable.ts";
import { traced } from "../ops/define.ts";
import { MetaGpu } from "../runtime/meta.ts";
import type { Storage } from "../runtime/memory.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";

/** Where a value comes from. */
export type Source =
  | { readonly kind: "input"; readonly index: number }
  | { readonly kind: "variable"; readonly name: string; readonly layout: Layout }
  | { readonly kind: "constant"; readonly data: Float32Array }
  | OpSource;

interface OpSource {
  readonly kind: "op";
  readonly op: string;
  /** Places in the list of values. */
  readonly operands: readonly (number | null)[];
  readonly options: object;
}

export interface TracedValue {
  /** One for each trace. */
  readonly shapes: readonly Shape[];
  readonly source: Source;
}

export interface Program {
  /** Each after its operands. */
  readonly values: readonly TracedValue[];
  readonly output: number;
}

/** What is known to have a name: the parameters and buffers of a module, by their tensors. */
export type Named = ReadonlyMap<Tensor, { readonly name: string; readonly layout: Layout }>;

/**
 * @param shapes those of the inputs, for each trace; sizes that are to stay open differ from all others of a trace
 * @param compute applies ops to the inputs and to tensors in `named`, always the same ones
 * @throws UserError where the traces are not the same ops, or a value comes from elsewhere than ops
 */
export function trace(
  gpu: MetaGpu,
  shapes: readonly (readonly Shape[])[],
  named: Named,
  compute: (inputs: readonly Tensor[]) => Tensor,
): Program {
  const recordings = shapes.map((inputs) => {
    using _arena = gpu.arena();
    const tensors = inputs.map((shape) => Tensor.empty(gpu, shape));
    const recording = new Recording(gpu, tensors, named);
    const output = noGrad(() => traced(recording.see, () => compute(tensors)));
    return { values: recording.values, output: recording.placeOf(output) };
  });
  return { values: overlay(recordings.map(({ values }) => values)), output: recordings[0].output };
}

interface RecordedValue {
  readonly shape: Shape;
  readonly source: Source;
}

class Recording {
  readonly values: RecordedValue[] = [];
  readonly #gpu: MetaGpu;
  readonly #tensors = new Map<Tensor, number>();
  readonly #storages = new Map<Storage, number>();

  constructor(gpu: MetaGpu, inputs: readonly Tensor[], named: Named) {
    this.#gpu = gpu;
    inputs.forEach((tensor, index) => this.#add(tensor, { kind: "input", index }));
    for (const [tensor, { name, layout }] of named) this.#add(tensor, { kind: "variable", name, layout });
  }

  readonly see = (op: string, inputs: readonly (Tensor | null)[], options: unknown, output: Tensor): void => {
    const operands = inputs.map((tensor) => tensor && this.placeOf(tensor));
    this.#add(output, { kind: "op", op, operands, options: options as object });
  };

  /** A tensor that shares the memory of a value is a view of it. */
  placeOf(tensor: Tensor): number {
    const own = this.#tensors.get(tensor);
    if (own !== undefined) return own;
    const base = this.#storages.get(tensor.storage);
    if (base !== undefined) {
      if (sameShape(this.values[base].shape, tensor.shape)) return base;
      return this.#add(tensor, { kind: "op", op: "reshape", operands: [base], options: {} });
    }
    const data = this.#gpu.uploaded(tensor.storage);
    if (data instanceof Float32Array) return this.#add(tensor, { kind: "constant", data });
    throw new UserError(
      `this network makes a ${tensor.dtype} tensor of shape ${showShape(tensor.shape)} by something that is not ` +
        "an op of src/ops: it cannot be exported",
    );
  }

  #add(tensor: Tensor, source: Source): number {
    const place = this.values.push({ shape: tensor.shape, source }) - 1;
    this.#tensors.set(tensor, place);
    this.#storages.set(tensor.storage, place);
    return place;
  }
}

function overlay(recordings: readonly (readonly RecordedValue[])[]): TracedValue[] {
  const [first] = recordings;
  const isSame = recordings.every(
    (values) => values.length === first.length && values.every(({ source }, i) => isAlike(source, first[i].source)),
  );
  if (!isSame) {
    throw new UserError(
      "what this network computes depends on the size of the image: give the one to export for, --size H,W",
    );
  }
  return first.map(({ source }, i) => {
    const all = recordings.map((values) => values[i]);
    const shapes = all.map(({ shape }) => shape);
    if (source.kind !== "op") return { shapes, source };
    const options = commonOptions(source.op, all.map((value) => (value.source as typeof source).options));
    return { shapes, source: { ...source, options } };
  });
}

function isAlike(a: Source, b: Source): boolean {
  if (a.kind === "op" && b.kind === "op") return a.op === b.op && String(a.operands) === String(b.operands);
  if (a.kind === "constant" && b.kind === "constant") {
    return a.data.length === b.data.length && a.data.every((value, i) => Object.is(value, b.data[i]));
  }
  return a.kind === b.kind;
}

/** Options of which those that are not the same in all traces throw where they are read. */
function commonOptions(op: string, traces: readonly object[]): object {
  const [first, ...others] = traces as Record<string, unknown>[];
  const common = Array.isArray(first) ? [] : {};
  for (const [key, value] of Object.entries(first)) {
    const text = JSON.stringify(value);
    const isFixed = others.every((options) => JSON.stringify(options[key]) === text);
    const get = (): unknown => {
      if (isFixed) return value;
      throw new UserError(`${op}: ${key} depends on the size of the image: give the one to export for, --size H,W`);
    };
    Object.defineProperty(common, key, { get, enumerable: true });
  }
  return common;
}
