/** Rows of another length along one axis, not recorded: what slice, pad, concat and their gradients share. */
import { Tensor } from "../tensor/tensor.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { NdArray } from "./ndarray.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";
import { elementDispatch, vectorDispatch } from "./variants.ts";

/**
 * x with its axis `dim` replaced by one of `length` places, in which x begins at place `before`: `before` >= 0 pads,
 * < 0 cuts. Places that x does not reach hold `filler`.
 */
export function window(x: Tensor, dim: number, before: number, length: number, filler = 0): Tensor {
  const out = Tensor.empty(x.gpu, x.shape.with(dim, length), x.dtype);
  const { vectors, ...options } = rows(out.size, x, out, dim, before, bitsOf(filler, x));
  x.gpu.run(vectors ? "window_vec4" : "window", { x, out }, options);
  return out;
}

/** Writes x into `out` along the axis `dim` from place `before` on. */
export function insert(x: Tensor, out: Tensor, dim: number, before: number): void {
  const { vectors, ...options } = rows(x.size, x, out, dim, before, 0);
  x.gpu.run(vectors ? "window_vec4.insert" : "window.insert", { x, out }, options);
}

/** How the kernels see it: rows of everything that the axis spans, in vectors of 4 where all of it divides. */
function rows(count: number, x: Tensor, out: Tensor, dim: number, before: number, filler: number) {
  const inner = sizeOf(x.shape.slice(dim + 1));
  const sizes = [count, x.shape[dim] * inner, out.shape[dim] * inner, before * inner];
  const vectors = sizes.every((n) => n % 4 === 0);
  const [units, xRow, outRow, shift] = vectors ? sizes.map((n) => n / 4) : sizes;
  return {
    vectors,
    ...(vectors ? vectorDispatch(x.gpu, "window_vec4", units) : elementDispatch(x.gpu, units)),
    params: { count: units, xRow, outRow, before: shift, filler },
  };
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
