/** What a translation of an op to ONNX is given, and gives. */
import type { Shape } from "../tensor/shape.ts";
import type { Form, Graph, Value } from "./graph.ts";

export interface Operands<I extends readonly (Value | null)[], O> {
  readonly graph: Graph;
  readonly inputs: I;
  /** As the op got them; those that depend on the size of the image throw where they are read. */
  readonly options: O;
  /** Of the result, one for each trace. */
  readonly shapes: readonly Shape[];
  /** For the node: that of the layer, where it has one. */
  readonly name: string | undefined;
}

export type Translation<I extends readonly (Value | null)[], O> = (operands: Operands<I, O>) => Form;

/** By the op's name. Operands and options are those of the op: the type says how the translation reads them. */
export type Translations = Readonly<Record<string, Translation<never, never>>>;
