/** An ONNX graph under construction. */
import { UserError } from "../errors.ts";
import type { OnnxNode, OnnxTensor } from "../io/onnx.ts";
import type { Shape } from "../tensor/shape.ts";

/** Which axis of the tensor stands at each place in ONNX: [0, 3, 1, 2] for an image in NCHW. */
export type Order = readonly number[];

/** The name of a value in the graph, and how its axes are ordered there. */
export interface Form {
  readonly name: string;
  readonly order: Order;
}

/** A tensor; it may be in the graph several times, in different orders. */
export interface Value {
  /** In our order, one for each trace. */
  readonly shapes: readonly Shape[];
  readonly forms: Form[];
}

export const identity = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis);

/** The last axis, the channels, moved behind the first. */
export function channelsFirst(rank: number): number[] {
  return rank < 3 ? identity(rank) : [0, rank - 1, ...identity(rank).slice(1, -1)];
}

/** Shapes by trace in the order that they have in the graph. */
export const reordered = (shapes: readonly Shape[], order: Order): Shape[] =>
  shapes.map((shape) => order.map((axis) => shape[axis]));

export class Graph {
  readonly nodes: OnnxNode[] = [];
  readonly initializers = new Map<string, OnnxTensor>();
  /** Where a size that is not fixed can be read off, by what it is in each trace. */
  readonly #places = new Map<string, { readonly name: string; readonly axis: number }>();
  readonly #counts = new Map<string, number>();

  /** A node with one output, which has the node's name: `name`, numbered where it is taken. */
  add(operator: string, inputs: readonly string[], attributes: OnnxNode["attributes"] = {}, name = operator): string {
    const unique = this.#unique(name);
    this.nodes.push({ name: unique, operator, inputs, outputs: [unique], attributes });
    return unique;
  }

  initializer(name: string, shape: Shape, data: OnnxTensor["data"]): string {
    const unique = this.#unique(name);
    this.initializers.set(unique, { shape, data });
    return unique;
  }

  /** The values of [length]. */
  integers(...values: number[]): string {
    return this.#constant("integers", [values.length], BigInt64Array.from(values, BigInt));
  }

  /** The values of [length]; without a shape those of a scalar. */
  float(value: number, shape: Shape = []): string {
    const length = shape.reduce((product, n) => product * n, 1);
    return this.#constant("float", shape, new Float32Array(length).fill(value));
  }

  value(shapes: readonly Shape[], form: Form): Value {
    reordered(shapes, form.order)[0].forEach((_, axis) => {
      const key = String(shapes.map((shape) => shape[form.order[axis]]));
      if (!this.#places.has(key)) this.#places.set(key, { name: form.name, axis });
    });
    return { shapes, forms: [form] };
  }

  /** The name of a value in this order. */
  as({ forms }: Value, order: Order): string {
    const found = forms.find((form) => String(form.order) === String(order));
    if (found) return found.name;
    const [from] = forms;
    const name = this.add("Transpose", [from.name], { perm: order.map((axis) => from.order.indexOf(axis)) });
    forms.push({ name, order });
    return name;
  }

  /**
   * A shape, of which the sizes that differ between the traces are read off other values.
   *
   * @param infers leaves a single size that no other value has to the node that takes the shape
   */
  shape(traces: readonly Shape[], infers = false): string {
    const [first] = traces;
    let open = infers ? 1 : 0;
    const sizes = first.map((size, axis) => {
      const all = traces.map((shape) => shape[axis]);
      if (all.every((other) => other === size)) return size;
      const place = this.#places.get(String(all));
      if (place) return this.add("Shape", [place.name], { start: place.axis, end: place.axis + 1 });
      if (open-- > 0) return -1;
      throw new UserError(
        "the sizes within this network cannot be told from the image's: give the one to export for, --size H,W",
      );
    });
    if (sizes.every((size) => typeof size === "number")) return this.integers(...sizes);
    const parts = sizes.map((size) => (typeof size === "number" ? this.integers(size) : size));
    return this.add("Concat", parts, { axis: 0 });
  }

  #constant(kind: string, shape: Shape, data: OnnxTensor["data"]): string {
    const distinct = [...new Set<number | bigint>(data)];
    const values = distinct.length === 1 ? distinct : [...(data as Iterable<number | bigint>)];
    const name = `${kind}[${shape}]=${values}`;
    if (!this.initializers.has(name)) this.initializer(name, shape, data);
    return name;
  }

  #unique(name: string): string {
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    return count === 0 ? name : `${name}_${count}`;
  }
}
