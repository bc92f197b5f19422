/** Pooling in ONNX; see operators.ts. */
import { UserError } from "../errors.ts";
import type { Pair } from "../tensor/shape.ts";
import { channelsFirst } from "./graph.ts";
import type { Graph, Value } from "./graph.ts";
import type { Translation, Translations } from "./translation.ts";

interface PoolOptions {
  readonly kernel: Pair;
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
  readonly ceilMode?: boolean;
}

interface AvgPoolOptions extends PoolOptions {
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number;
}

const ORDER = channelsFirst(4);

/** @throws UserError where PyTorch leaves out a last window that lies in the padding, and ONNX runtimes disagree */
function window({ kernel, stride = kernel, padding: [py, px] = [0, 0], ceilMode = false }: PoolOptions) {
  if (ceilMode && (py > 0 || px > 0)) {
    throw new UserError("pooling with ceilMode and padding at once means different things to different ONNX runtimes");
  }
  return { kernel_shape: kernel, strides: stride, pads: [py, px, py, px], ceil_mode: Number(ceilMode) };
}

const maxPool: Translation<readonly [Value], PoolOptions> = ({ graph, inputs: [x], options, name }) => {
  const attributes = { ...window(options), dilations: options.dilation ?? [1, 1] };
  return { name: graph.add("MaxPool", [graph.as(x, ORDER)], attributes, name), order: ORDER };
};

const avgPool: Translation<readonly [Value], AvgPoolOptions> = ({ graph, inputs: [x], options, name }) => {
  const { countIncludePad = true, divisorOverride } = options;
  if (divisorOverride !== undefined) {
    throw new UserError("avg_pool2d: ONNX divides by the number of pixels, not by a divisorOverride");
  }
  const attributes = { ...window(options), count_include_pad: Number(countIncludePad) };
  return { name: graph.add("AveragePool", [graph.as(x, ORDER)], attributes, name), order: ORDER };
};

/**
 * ONNX has the mean over the whole image alone. Means over a grid of bins are products with matrices that have a row
 * for each bin; the graph computes those from the size that the image turns out to have.
 */
const adaptivePool: Translation<readonly [Value], Pair> = ({ graph, inputs: [x], options: [rows, columns], name }) => {
  const image = graph.as(x, ORDER);
  if (rows === 1 && columns === 1) return { name: graph.add("GlobalAveragePool", [image], {}, name), order: ORDER };
  const tall = graph.add("MatMul", [bins(graph, image, 2, rows), image], {}, name);
  const wide = graph.add("Transpose", [bins(graph, image, 3, columns)], { perm: [1, 0] });
  return { name: graph.add("MatMul", [tall, wide], {}, name), order: ORDER };
};

/**
 * [count, size of the axis]: row i is 1 / (end - begin) from begin = floor(i·size / count) up to
 * end = ceil((i + 1)·size / count).
 */
function bins(graph: Graph, image: string, axis: number, count: number): string {
  const int = (value: number): string => graph.integers(value);
  const column = (from: number): string =>
    graph.add("Unsqueeze", [graph.integers(...Array.from({ length: count }, (_, i) => from + i)), int(1)]);
  const size = graph.add("Shape", [image], { start: axis, end: axis + 1 });
  const begin = graph.add("Div", [graph.add("Mul", [column(0), size]), int(count)]);
  const above = graph.add("Add", [graph.add("Mul", [column(1), size]), int(count - 1)]);
  const end = graph.add("Div", [above, int(count)]);
  const scalar = (value: string): string => graph.add("Squeeze", [value, int(0)]);
  const places = graph.add("Range", [scalar(int(0)), scalar(size), scalar(int(1))]);
  const isInside = graph.add("And", [graph.add("GreaterOrEqual", [places, begin]), graph.add("Less", [places, end])]);
  const share = graph.add("Cast", [graph.add("Sub", [end, begin])], { to: FLOAT });
  return graph.add("Div", [graph.add("Cast", [isInside], { to: FLOAT }), share]);
}

/** TensorProto.DataType */
const FLOAT = 1;

export const translations: Translations = {
  adaptive_avg_pool2d: adaptivePool,
  avg_pool2d: avgPool,
  max_pool2d: maxPool,
};
