/** Rows of another length along one axis, not recorded: what slice, pad, concat and their gradients share. */
import { Tensor } from "../tensor/tensor.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { around } from "./axis.ts";
import type { NdArray } from "./ndarray.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { fits, inParts } from "./parts.ts";
import { elementDispatch, vectorDispatch } from "./variants.ts";

/**
 * x with its axis `dim` replaced by one of `length` places, in which x begins at place `before`: `before` >= 0 pads,
 * < 0 cuts. Places that x does not reach hold `filler`.
 */
export function window(x: Tensor, dim: number, before: number, length: number, filler = 0): Tensor {
  const out = Tensor.empty(x.gpu, x.shape.with(dim, length), x.dtype);
  const rows = rowsOf(x, out, dim, before);
  const bits = bitsOf(filler, x);
  if (fits(x.gpu, rows.x, rows.out)) {
    inParts(rows.outer, [x], [out], ([x], [out]) => {
      const { vectors, ...options } = dispatch(x.gpu, out.size, rows, bits);
      x.gpu.run(vectors ? "window_vec4" : "window", { x, out }, options);
    });
  } else {
    fill(out, bits);
    copyRows(x, out, rows);
  }
  return out;
}

/** Writes x into `out` along the axis `dim` from place `before` on. */
export function insert(x: Tensor, out: Tensor, dim: number, before: number): void {
  const rows = rowsOf(x, out, dim, before);
  if (!fits(x.gpu, rows.x, rows.out)) return copyRows(x, out, rows);
  inParts(rows.outer, [x], [out], ([x], [out]) => {
    const { vectors, ...options } = dispatch(x.gpu, x.size, rows, 0);
    x.gpu.run(vectors ? "window_vec4.insert" : "window.insert", { x, out }, options);
  });
}

/** Rows of everything that the axis spans, in elements: how many, their lengths, and where those of x begin in out. */
interface Rows {
  readonly outer: number;
  readonly x: number;
  readonly out: number;
  readonly before: number;
}

function rowsOf(x: Tensor, out: Tensor, dim: number, before: number): Rows {
  const { outer, inner } = around(x.shape, dim);
  return { outer, x: x.shape[dim] * inner, out: out.shape[dim] * inner, before: before * inner };
}

/** How the kernels see them: in vectors of 4 where all of it divides. */
function dispatch(gpu: Gpu, count: number, { x, out, before }: Omit<Rows, "outer">, filler: number) {
  const sizes = [count, x, out, before];
  const vectors = sizes.every((n) => n % 4 === 0);
  const [units, xRow, outRow, shift] = vectors ? sizes.map((n) => n / 4) : sizes;
  return {
    vectors,
    ...(vectors ? vectorDispatch(gpu, "window_vec4", units) : elementDispatch(gpu, units)),
    params: { count: units, xRow, outRow, before: shift, filler },
  };
}

/** Rows that are too long for kernels, each copied as a whole. */
function copyRows(x: Tensor, out: Tensor, rows: Rows): void {
  const first = Math.max(0, -rows.before);
  const count = Math.min(rows.x, rows.out - rows.before) - first;
  for (let row = 0; count > 0 && row < rows.outer; row++) {
    x.gpu.copy(x, out, 4 * count, 4 * (row * rows.x + first), 4 * (row * rows.out + rows.before + first));
  }
}

function fill(out: Tensor, bits: number): void {
  if (bits === 0) return out.gpu.clear(out);
  const nothing = Tensor.empty(out.gpu, [1], out.dtype);
  inParts(out.size, [], [out], (_, [out], count) => {
    const { vectors, ...options } = dispatch(out.gpu, count, { x: 0, out: count, before: 0 }, bits);
    out.gpu.run(vectors ? "window_vec4" : "window", { x: nothing, out }, options);
  });
  nothing.release();
}

/** `window` in plain loops. */
export function windowReference(x: NdArray, dim: number, before: number, length: number, filler = 0): NdArray {
  const out = ndarray(x.shape.with(dim, length));
  forEachIndex(out.shape, (index, flat) => {
    const place = index[dim] - before;
    out.data[flat] = place >= 0 && place < x.shape[dim] ? x.data[at(x.shape, index.with(dim, place))] : filler;
  });
  return out;
}

function bitsOf(value: number, { dtype }: Tensor): number {
  const typed = dtype === "f32" ? Float32Array.of(value) : Int32Array.of(value);
  return new Uint32Array(typed.buffer)[0];
}
