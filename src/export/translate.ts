/** From what was traced to an ONNX graph. */
import { UserError } from "../errors.ts";
import type { OnnxTensor } from "../io/onnx.ts";
import type { Layout } from "../nn/variable.ts";
import { Graph, identity } from "./graph.ts";
import type { Form, Order, Value } from "./graph.ts";
import { translations } from "./operators.ts";
import type { Program, Source, TracedValue } from "./trace.ts";
import type { Operands } from "./translation.ts";

/** How the state dict has the axes of a variable. */
const STORED: Readonly<Record<Layout, Order | null>> = { plain: null, HWIO: [3, 2, 0, 1] };

export interface Naming {
  readonly inputs: readonly Form[];
  readonly output: Form;
  /** Values of a parameter or buffer as in the state dict. */
  readonly stored: (name: string) => OnnxTensor;
}

/** What leads to the output of the program, and nothing else. */
export function translate({ values, output }: Program, { inputs, output: result, stored }: Naming): Graph {
  const graph = new Graph();
  const isNeeded = neededFor(values, output);
  const done: Value[] = [];
  values.forEach(({ shapes, source }, place) => {
    if (!isNeeded[place]) return;
    done[place] = graph.value(shapes, formOf(source, shapes));
  });

  function formOf(source: Source, shapes: TracedValue["shapes"]): Form {
    if (source.kind === "input") return inputs[source.index];
    const order = identity(shapes[0].length);
    if (source.kind === "constant") {
      return { name: graph.initializer("constant", shapes[0], source.data), order };
    }
    if (source.kind === "variable") {
      const { shape, data } = stored(source.name);
      return { name: graph.initializer(source.name, shape, data), order: STORED[source.layout] ?? order };
    }
    const { op, options } = source;
    if (!Object.hasOwn(translations, op)) {
      throw new UserError(`the op ${op}, which this network uses, has no translation to ONNX`);
    }
    const operands = source.operands.map((operand) => (operand === null ? null : done[operand]));
    const layer = source.operands.map((operand) => operand !== null && values[operand].source).find(isVariable);
    const name = layer && layer.name.slice(0, layer.name.lastIndexOf("."));
    // What an op gets is what the translation of that op takes.
    return translations[op]({ graph, inputs: operands, options, shapes, name } as Operands<never, never>);
  }

  graph.add("Identity", [graph.as(done[output], result.order)], {}, result.name);
  return graph;
}

const isVariable = (source: Source | false): source is Source & { kind: "variable" } =>
  source !== false && source.kind === "variable";

function neededFor(values: readonly TracedValue[], output: number): boolean[] {
  const isNeeded = values.map((_, place) => place === output);
  for (let place = output; place >= 0; place--) {
    const { source } = values[place];
    if (!isNeeded[place] || source.kind !== "op") continue;
    for (const operand of source.operands) if (operand !== null) isNeeded[operand] = true;
  }
  return isNeeded;
}
