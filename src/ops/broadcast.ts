/** Arithmetic that is not recorded: what the ops in elementwise.ts and reduce.ts, and other gradients, share. */
import { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, sameShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { excerpt, fits, inParts, place, unitsPerPart } from "./parts.ts";
import { axisSizes, axisStrides, broadcastStrides, collapseAxes } from "./strides.ts";
import type { Axis } from "./strides.ts";
import { vectorDispatch } from "./variants.ts";

export type Arithmetic = "add" | "sub" | "mul" | "div";
const CODE: Readonly<Record<Arithmetic, number>> = { add: 0, sub: 1, mul: 2, div: 3 };

/** a + b, a - b, a * b or a / b, each operand broadcast by NumPy's rule. */
export function arithmetic(kind: Arithmetic, a: Tensor, b: Tensor): Tensor {
  const out = Tensor.empty(a.gpu, broadcastShapes(a.shape, b.shape));
  overParts(out, [a, b], (out, [a, b]) => compute(kind, a, b, out));
  return out;
}

function compute(kind: Arithmetic, a: Tensor, b: Tensor, out: Tensor): void {
  const { shape } = out;
  const axes = collapseAxes(shape, [broadcastStrides(a.shape, shape), broadcastStrides(b.shape, shape)]);
  const constants = { OP: CODE[kind], AXES: kernelAxes(axes) };
  if (inVectors(axes)) {
    const walked = vectorWalk(out, axes);
    const params = { ...walked.params, factor: 1 };
    a.gpu.run("elementwise_vec4.binary", { a, b, out }, { ...walked, params, constants });
  } else {
    const { elements, params } = walk(out.size, axes);
    a.gpu.run("elementwise.binary", { a, b, out }, { elements, params: { ...params, factor: 1 }, constants });
  }
}

/** factor * x, repeated to `shape`, which x must broadcast to. */
export function broadcastTo(x: Tensor, shape: Shape, factor = 1): Tensor {
  const out = Tensor.empty(x.gpu, shape);
  overParts(out, [x], (out, [x]) => repeat(x, out, factor));
  return out;
}

function repeat(x: Tensor, out: Tensor, factor: number): void {
  const strides = broadcastStrides(x.shape, out.shape);
  const axes = collapseAxes(out.shape, [strides, strides]);
  const constants = { AXES: kernelAxes(axes) };
  if (inVectors(axes)) {
    const walked = vectorWalk(out, axes);
    const params = { ...walked.params, factor };
    x.gpu.run("elementwise_vec4.scale", { a: x, out }, { ...walked, params, constants });
  } else {
    const { elements, params } = walk(out.size, axes);
    x.gpu.run("elementwise.scale", { a: x, out }, { elements, params: { ...params, factor }, constants });
  }
}

/** Runs `body` on parts of out and of operands that broadcast to its shape, along its first axis if that is enough. */
function overParts(out: Tensor, operands: Tensor[], body: (out: Tensor, operands: Tensor[]) => void): void {
  if (fits(out.gpu, out.size)) return body(out, operands);
  const isFlat = operands.every(({ size }) => size === out.size || size === 1);
  const shape = isFlat ? [out.size] : out.shape;
  const axis = shape.findIndex((size) => size > 1);
  const inner = shape.slice(axis + 1);
  const innerOf = (x: Tensor): Shape => (isFlat ? [] : x.shape.slice(Math.max(0, x.shape.length - inner.length)));
  const isCut = operands.map((x) => sizeOf(innerOf(x)) < x.size);
  inParts(shape[axis], operands.map((x, i) => (isCut[i] ? x : null)), [out], (parts, [target], count) => {
    const views = parts.map((part, i) => {
      const shape = innerOf(operands[i]);
      return part ? part.view([count, ...shape]) : operands[i].view(shape);
    });
    const view = target.view([count, ...inner]);
    overParts(view, views, body);
    [view, ...views].forEach((tensor) => tensor.release());
  });
}

/** The adjoint of `broadcastTo`: factor * the sum over every place that an element of `shape` was repeated to. */
export function sumTo(x: Tensor, shape: Shape, factor = 1): Tensor {
  if (sameShape(x.shape, shape)) return factor === 1 ? x : broadcastTo(x, shape, factor);
  const missing = x.shape.length - shape.length;
  const repeated = x.shape.flatMap((size, i) => (i < missing || (shape[i - missing] === 1 && size !== 1) ? [i] : []));
  const kept = sumAxes(x, repeated, factor);
  const out = kept.view(shape);
  kept.release();
  return out;
}

/**
 * factor * the sum over the axes `dims` (0..rank-1), which stay in the result with size 1. Shares x's memory where
 * there is nothing to add up.
 */
export function sumAxes(x: Tensor, dims: readonly number[], factor = 1): Tensor {
  const shape = x.shape.map((size, i) => (dims.includes(i) ? 1 : size));
  if (sizeOf(shape) === x.size) return factor === 1 ? x.view(shape) : broadcastTo(x, shape, factor);
  const runs = axisRuns(x.shape, dims);
  let current = x;
  // From the inside out, one run of neighbouring axes at a time; the factor goes with the last.
  const reduced = runs.flatMap((run, i) => (run.reduced ? [i] : [])).reverse();
  reduced.forEach((at, step) => {
    const outer = sizeOf(runs.slice(0, at).map((run) => run.size));
    const inner = sizeOf(runs.slice(at + 1).map((run) => (run.reduced ? 1 : run.size)));
    const sum = sumMiddle(current, outer, runs[at].size, inner, step === reduced.length - 1 ? factor : 1);
    if (current !== x) current.release();
    current = sum;
  });
  const out = current.view(shape);
  current.release();
  return out;
}

/** Enough invocations to fill a GPU, where the axis is long enough to be cut; short axes are summed by one. */
const INVOCATIONS = 4096;
const SHORT = 128;

function sumMiddle(x: Tensor, outer: number, length: number, inner: number, factor: number): Tensor {
  const { gpu } = x;
  if (fits(gpu, x.size)) return sumAtOnce(x, outer, length, inner, factor);
  if (outer > 1) {
    const out = Tensor.empty(gpu, [outer, 1, inner]);
    inParts(outer, [x], [out], ([part], [target], count) => {
      place(sumMiddle(part, count, length, inner, factor), target, 0);
    });
    return out;
  }
  const most = unitsPerPart(gpu, length, inner);
  const sums = Tensor.empty(gpu, [1, Math.ceil(length / most), inner]);
  for (let i = 0; i < sums.shape[1]; i++) {
    const count = Math.min(most, length - i * most);
    const part = excerpt(x, i * most * inner, [1, count, inner]);
    place(count === 1 ? part.view(part.shape) : sumMiddle(part, 1, count, inner, 1), sums, i * inner);
    part.release();
  }
  const total = fits(gpu, inner) ? sumMiddle(sums, 1, sums.shape[1], inner, factor) : addUp(sums, factor);
  sums.release();
  return total;
}

/** factor * the sum of the rows of [1, rows, inner], for rows that are too long for the kernel. */
function addUp(x: Tensor, factor: number): Tensor {
  const shape = x.shape.with(1, 1);
  let total = excerpt(x, 0, shape);
  for (let row = 1; row < x.shape[1]; row++) {
    const part = excerpt(x, row * sizeOf(shape), shape);
    const next = arithmetic("add", total, part);
    [total, part].forEach((tensor) => tensor.release());
    total = next;
  }
  const out = broadcastTo(total, shape, factor);
  total.release();
  return out;
}

function sumAtOnce(x: Tensor, outer: number, length: number, inner: number, factor: number): Tensor {
  const outputs = outer * inner;
  const wanted = length <= SHORT ? 1 : Math.max(1, Math.min(Math.ceil(length / 64), Math.floor(INVOCATIONS / outputs)));
  const chunk = Math.ceil(length / wanted);
  const slices = Math.max(1, Math.ceil(length / Math.max(chunk, 1)));
  const out = Tensor.empty(x.gpu, [outer, slices, inner]);
  x.gpu.run("reduce", { x, out }, {
    elements: out.size,
    params: { count: out.size, length, inner, slices, chunk, factor: slices === 1 ? factor : 1 },
  });
  if (slices === 1) return out;
  const total = sumMiddle(out, outer, slices, inner, factor);
  out.release();
  return total;
}

/** Neighbouring axes that are all summed or all kept, as one. */
function axisRuns(shape: Shape, dims: readonly number[]): { size: number; reduced: boolean }[] {
  const runs: { size: number; reduced: boolean }[] = [];
  shape.forEach((size, i) => {
    const reduced = dims.includes(i);
    const last = runs.at(-1);
    if (size === 1) return;
    if (last?.reduced === reduced) last.size *= size;
    else runs.push({ size, reduced });
  });
  return runs;
}

/** Whether the vec4 kernel can take the walk: both operands run along whole vectors of the innermost axis. */
function inVectors(axes: readonly Axis[]): boolean {
  const inner = axes[axes.length - 1];
  return (
    inner.size % 4 === 0 &&
    inner.strides.every((step) => step === 1) &&
    axes.slice(0, -1).every((axis) => axis.strides.every((step) => step % 4 === 0))
  );
}

function walk(count: number, axes: readonly Axis[]) {
  const [a0, a1, a2, a3, a4] = axisStrides(axes, 0);
  const [b0, b1, b2, b3, b4] = axisStrides(axes, 1);
  return {
    elements: Math.ceil(count / 4),
    params: { count, ...axisSizes(axes), a0, a1, a2, a3, a4, b0, b1, b2, b3, b4 },
  };
}

/** As `walk`, counted in vectors. */
function vectorWalk({ gpu, size }: Tensor, axes: readonly Axis[]) {
  const last = axes.length - 1;
  const vectors = axes.map(({ size, strides }, i) =>
    i === last ? { size: size / 4, strides } : { size, strides: strides.map((step) => step / 4) },
  );
  const { params } = walk(size / 4, vectors);
  return { ...vectorDispatch(gpu, "elementwise_vec4", size / 4), params };
}

function kernelAxes(axes: readonly Axis[]): number {
  return axes.length <= 2 ? axes.length : 5;
}
