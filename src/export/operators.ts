/**
 * What each op of src/ops is in ONNX (https://onnx.ai/onnx/operators). A translation asks for its operands in the order
 * of axes that the operator takes, convolutions channels first, and says in which order its result is; what does not
 * care keeps the order it finds, so that an image is turned where it enters and hardly anywhere else.
 */
import { UserError } from "../errors.ts";
import type { OnnxNode } from "../io/onnx.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import { channelsFirst, identity, reordered } from "./graph.ts";
import type { Form, Graph, Order, Value } from "./graph.ts";
import { translations as pools } from "./pool_operators.ts";
import type { Translation, Translations } from "./translation.ts";

type Unary<O = object> = Translation<readonly [Value], O>;
type Binary<O = object> = Translation<readonly [Value, Value], O>;

const rankOf = ({ shapes }: Value): number => shapes[0].length;

const plain = (name: string, { shapes }: { shapes: readonly Shape[] }): Form => ({
  name,
  order: identity(shapes[0].length),
});

/** The value as it is in the graph, in whichever order. */
const asFound = ({ forms }: Value): Form => forms[0];

/** Operators that take one number after the other. */
const elementwise =
  <O>(compute: (graph: Graph, x: string, options: O, name: string | undefined) => string): Unary<O> =>
  ({ graph, inputs: [x], options, name }) => {
    const { name: input, order } = asFound(x);
    return { name: compute(graph, input, options, name), order };
  };

/** Operands of one rank keep their axes where they are; others are lined up at the last axis. */
const arithmetic =
  (operator: string): Binary =>
  ({ graph, inputs, shapes, name }) => {
    const isOneRank = rankOf(inputs[0]) === rankOf(inputs[1]);
    const order = isOneRank ? asFound(inputs[0]).order : identity(shapes[0].length);
    const operands = inputs.map((x) => graph.as(x, isOneRank ? order : identity(rankOf(x))));
    return { name: graph.add(operator, operands, {}, name), order };
  };

const softmax =
  (operator: string): Unary<{ dim: number }> =>
  ({ graph, inputs: [x], options: { dim }, name }) => {
    const { name: input, order } = asFound(x);
    if (order.length === 0) throw new UserError(`${operator} of a scalar has no counterpart in ONNX`);
    return { name: graph.add(operator, [input], { axis: order.indexOf(dim) }, name), order };
  };

/** Axes that vanish leave the others in the order they were found in. */
const reduce =
  (operator: string): Unary<{ dims: readonly number[]; keepdim: boolean }> =>
  ({ graph, inputs: [x], options: { dims, keepdim }, name }) => {
    const { name: input, order } = asFound(x);
    const axes = graph.integers(...dims.map((dim) => order.indexOf(dim)));
    const attributes = { keepdims: Number(keepdim), noop_with_empty_axes: 1 };
    const left = order.filter((axis) => !dims.includes(axis));
    const renumbered = left.map((axis) => axis - dims.filter((dim) => dim < axis).length);
    return { name: graph.add(operator, [input, axes], attributes, name), order: keepdim ? order : renumbered };
  };

/** OIHW, of weights that are HWIO with us. */
const OIHW: Order = [3, 2, 0, 1];

interface ConvOptions {
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
}

const conv2d: Translation<readonly [Value, Value, Value | null], ConvOptions> = (operands) => {
  const { graph, inputs, options, name } = operands;
  const [x, weight, bias] = inputs;
  const { stride = [1, 1], padding: [py, px] = [0, 0], dilation = [1, 1], groups = 1 } = options;
  const order = channelsFirst(4);
  const tensors = [graph.as(x, order), graph.as(weight, OIHW), ...(bias ? [graph.as(bias, [0])] : [])];
  const attributes = { strides: stride, pads: [py, px, py, px], dilations: dilation, group: groups };
  return { name: graph.add("Conv", tensors, attributes, name), order };
};

type NormInputs = readonly [
  x: Value,
  weight: Value | null,
  bias: Value | null,
  mean: Value | null,
  variance: Value | null,
  residual: Value | null,
];

interface BatchNormOptions {
  readonly training: boolean;
  readonly eps: number;
  readonly slope?: number;
}

const batchNorm: Translation<NormInputs, BatchNormOptions> = ({ graph, inputs, options, name }) => {
  const [x, weight, bias, mean, variance, residual] = inputs;
  const { training, eps, slope } = options;
  if (training) throw new UserError("batch_norm: a network in training mode cannot be exported; call eval() first");
  const order = channelsFirst(rankOf(x));
  const channels: Shape = [x.shapes[0].at(-1)!];
  const vector = (value: Value | null, missing: number): string =>
    value ? graph.as(value, [0]) : graph.float(missing, channels);
  const vectors = [vector(weight, 1), vector(bias, 0), vector(mean, 0), vector(variance, 1)];
  let y = graph.add("BatchNormalization", [graph.as(x, order), ...vectors], { epsilon: eps }, name);
  if (residual) y = graph.add("Add", [y, graph.as(residual, order)], {}, name);
  if (slope !== undefined) y = activated(graph, y, slope, name);
  return { name: y, order };
};

function activated(graph: Graph, x: string, slope: number, name: string | undefined): string {
  return slope === 0 ? graph.add("Relu", [x], {}, name) : graph.add("LeakyRelu", [x], { alpha: slope }, name);
}

type LayerNormInputs = readonly [x: Value, weight: Value | null, bias: Value | null];

const layerNorm: Translation<LayerNormInputs, { eps: number; axes?: number }> = (operands) => {
  const { graph, inputs, options, shapes, name } = operands;
  const [x, weight, bias] = inputs;
  const { eps, axes = 1 } = options;
  const own = (value: Value): string => graph.as(value, identity(rankOf(value)));
  const scale = weight ? own(weight) : graph.float(1, shapes[0].slice(-axes));
  const tensors = [own(x), scale, ...(bias ? [own(bias)] : [])];
  return plain(graph.add("LayerNormalization", tensors, { axis: -axes, epsilon: eps }, name), { shapes });
};

/** x·P(X <= x) by the error function, or its approximation by the hyperbolic tangent: operators since version 9. */
const gelu = elementwise<{ approximate?: "none" | "tanh" }>((graph, x, { approximate }, name) => {
  const times = (a: string, b: string): string => graph.add("Mul", [a, b], {}, name);
  const plus = (a: string, b: string): string => graph.add("Add", [a, b], {}, name);
  let share: string;
  if (approximate === "tanh") {
    const cubic = times(graph.float(0.044715), times(x, times(x, x)));
    share = graph.add("Tanh", [times(graph.float(Math.sqrt(2 / Math.PI)), plus(x, cubic))], {}, name);
  } else {
    share = graph.add("Erf", [times(graph.float(Math.SQRT1_2), x)], {}, name);
  }
  return times(times(graph.float(0.5), x), plus(graph.float(1), share));
});

interface InterpolateOptions {
  readonly scaleFactor?: Pair;
  readonly alignCorners?: boolean;
  readonly rows?: Pair;
}

const interpolate =
  (attributesOf: (options: InterpolateOptions) => OnnxNode["attributes"]): Unary<InterpolateOptions> =>
  ({ graph, inputs: [x], options, shapes, name }) => {
    const { scaleFactor, rows } = options;
    if (rows) throw new UserError("interpolate_bilinear: a strip of rows has no counterpart in ONNX");
    const order = channelsFirst(4);
    // An axis that keeps its size stays as it is, whatever the factor.
    const factors = scaleFactor?.map((factor, i) => {
      return shapes.every((shape, trace) => shape[i + 1] === x.shapes[trace][i + 1]) ? 1 : factor;
    });
    const target = factors
      ? [graph.initializer("scales", [4], Float32Array.of(1, 1, ...factors))]
      : ["", graph.shape(reordered(shapes, order))];
    return { name: graph.add("Resize", [graph.as(x, order), "", ...target], attributesOf(options), name), order };
  };

const bilinear = interpolate(({ alignCorners }) => ({
  mode: "linear",
  coordinate_transformation_mode: alignCorners ? "align_corners" : "half_pixel",
}));

const nearest = interpolate(() => ({
  mode: "nearest",
  coordinate_transformation_mode: "asymmetric",
  nearest_mode: "floor",
}));

const matrices = (rank: number, isTransposed: boolean): Order =>
  isTransposed ? [...identity(rank).slice(0, -2), rank - 1, rank - 2] : identity(rank);

const matmul: Binary<{ transposeA?: boolean; transposeB?: boolean }> = ({ graph, inputs, options, shapes, name }) => {
  const { transposeA = false, transposeB = false } = options;
  const [a, b] = inputs;
  const factors = [
    graph.as(a, matrices(rankOf(a), transposeA)),
    graph.as(b, matrices(rankOf(b), transposeB)),
  ];
  return plain(graph.add("MatMul", factors, {}, name), { shapes });
};

type Attention = Translation<readonly [Value, Value, Value], { scale: number }>;

const attention: Attention = ({ graph, inputs: [q, k, v], options: { scale }, shapes, name }) => {
  const queries = graph.add("Mul", [graph.as(q, [0, 1, 2]), graph.float(scale)], {}, name);
  const scores = graph.add("MatMul", [queries, graph.as(k, [0, 2, 1])], {}, name);
  const shares = graph.add("Softmax", [scores], { axis: -1 }, name);
  return plain(graph.add("MatMul", [shares, graph.as(v, [0, 1, 2])], {}, name), { shapes });
};

/** The row of M of the most likely class, the first of equals: logits [..., K], memory [K, F, C]. */
const memoryLookup: Binary<{ slot: number }> = ({ graph, inputs: [logits, memory], options, shapes, name }) => {
  const scores = graph.as(logits, identity(rankOf(logits)));
  const classes = graph.add("ArgMax", [scores], { axis: -1, keepdims: 0 }, name);
  const [from, to, axis] = [options.slot, options.slot + 1, 1].map((n) => graph.integers(n));
  const rows = graph.add("Slice", [graph.as(memory, [0, 1, 2]), from, to, axis], {}, name);
  const matrix = graph.add("Squeeze", [rows, axis], {}, name);
  return plain(graph.add("Gather", [matrix, classes], { axis: 0 }, name), { shapes });
};

const reshape: Unary = ({ graph, inputs: [x], shapes, name }) => {
  const source = graph.as(x, identity(rankOf(x)));
  return plain(graph.add("Reshape", [source, graph.shape(shapes, true)], {}, name), { shapes });
};

/** No node: the same value, whose axes are called otherwise. */
const permute: Unary<{ dims: readonly number[] }> = ({ inputs: [x], options: { dims } }) => {
  const { name, order } = asFound(x);
  return { name, order: order.map((axis) => dims.indexOf(axis)) };
};

const concat: Translation<readonly Value[], { dim: number }> = ({ graph, inputs, options: { dim }, name }) => {
  const { order } = asFound(inputs[0]);
  const tensors = inputs.map((x) => graph.as(x, order));
  return { name: graph.add("Concat", tensors, { axis: order.indexOf(dim) }, name), order };
};

const slice: Unary<{ dim: number; start: number; end: number }> = ({ graph, inputs: [x], options, name }) => {
  const { name: input, order } = asFound(x);
  const place = [options.start, options.end, order.indexOf(options.dim)].map((n) => graph.integers(n));
  return { name: graph.add("Slice", [input, ...place], {}, name), order };
};

const flip: Unary<{ dims: readonly number[] }> = ({ graph, inputs: [x], options: { dims }, name }) => {
  const { name: input, order } = asFound(x);
  const every = (value: number): string => graph.integers(...dims.map(() => value));
  const axes = graph.integers(...dims.map((dim) => order.indexOf(dim)));
  const backwards = [every(-1), every(-(2 ** 31)), axes, every(-1)]; // from the last place to beyond the first
  return { name: graph.add("Slice", [input, ...backwards], {}, name), order };
};

const pad: Unary<{ padding: readonly Pair[]; value: number }> = ({ graph, inputs: [x], options, name }) => {
  const { padding, value } = options;
  const { name: input, order } = asFound(x);
  const places = [0, 1].flatMap((side) => order.map((axis) => padding[axis][side]));
  return { name: graph.add("Pad", [input, graph.integers(...places), graph.float(value)], {}, name), order };
};

const expand: Unary = ({ graph, inputs: [x], shapes, name }) => {
  const source = graph.as(x, identity(rankOf(x)));
  return plain(graph.add("Expand", [source, graph.shape(shapes)], {}, name), { shapes });
};

export const translations: Translations = {
  ...pools,
  add: arithmetic("Add"),
  attention,
  batch_norm: batchNorm,
  concat,
  conv2d,
  div: arithmetic("Div"),
  expand,
  flip,
  gelu,
  interpolate_bilinear: bilinear,
  interpolate_nearest: nearest,
  layer_norm: layerNorm,
  leaky_relu: elementwise<{ slope: number }>((graph, x, { slope }, name) => activated(graph, x, slope, name)),
  log_softmax: softmax("LogSoftmax"),
  matmul,
  mean: reduce("ReduceMean"),
  memory_lookup: memoryLookup,
  mul: arithmetic("Mul"),
  pad,
  permute,
  relu: elementwise((graph, x, _, name) => activated(graph, x, 0, name)),
  reshape,
  scale: elementwise<{ factor: number }>((graph, x, { factor }, name) =>
    graph.add("Mul", [x, graph.float(factor)], {}, name),
  ),
  slice,
  softmax: softmax("Softmax"),
  sub: arithmetic("Sub"),
  sum: reduce("ReduceSum"),
};
