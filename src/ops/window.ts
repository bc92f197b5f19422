/** Rows of another length along one axis, not recorded: what slice, pad, concat and their gradients share. */
import { Tensor } from "../tensor/tensor.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { NdArray } from "./ndarray.ts";
import { at, forEachIndex, ndarray } from "./ndarray.ts";

/**
 * x with its axis `dim` replaced by one of `length` places, in which x begins at place `before`: `before` >= 0 pads,
 * < 0 cuts. Places that x does not reach hold `filler`.
 */
export function window(x: Tensor, dim: number, before: number, length: number, filler = 0): Tensor {
  const out = Tensor.empty(x.gpu, x.shape.with(dim, length), x.dtype);
  const inner = sizeOf(x.shape.slice(dim + 1));
  x.gpu.run("window", { x, out }, {
    elements: Math.ceil(out.size / 4),
    params: {
      count: out.size, xRow: x.shape[dim] * inner, outRow: length * inner, before: before * inner, filler: bitsOf(filler, x),
    },
  });
  return out;
}

/** Writes x into `out` along the axis `dim` from place `before` on. */
export function insert(x: Tensor, out: Tensor, dim: number, before: number): void {
  const inner = sizeOf(x.shape.slice(dim + 1));
  x.gpu.run("window.insert", { x, out }, {
    elements: Math.ceil(x.size / 4),
    params: { count: x.size, xRow: x.shape[dim] * inner, outRow: out.shape[dim] * inner, before: before * inner, filler: 0 },
  });
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
