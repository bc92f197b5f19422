/** Arrays of doubles for the references: shape and row-major data. */
import { sizeOf, stridesOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";

/** Values in f64, row-major. */
export interface NdArray {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export function ndarray(shape: Shape, data?: ArrayLike<number>): NdArray {
  return { shape, data: data ? Float64Array.from(data) : new Float64Array(sizeOf(shape)) };
}

export function map(x: NdArray, fn: (value: number, index: number) => number): NdArray {
  return { shape: x.shape, data: x.data.map(fn) };
}

/** Calls `fn` with every index of the shape in row-major order; the array passed is reused. */
export function forEachIndex(shape: Shape, fn: (index: readonly number[], flat: number) => void): void {
  const total = sizeOf(shape);
  const index = new Array<number>(shape.length).fill(0);
  for (let flat = 0; flat < total; flat++) {
    fn(index, flat);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis] === shape[axis]; axis--) index[axis] = 0;
  }
}

/** Flat position of an index. */
export function at(shape: Shape, index: readonly number[]): number {
  const strides = stridesOf(shape);
  return index.reduce((flat, i, axis) => flat + i * strides[axis], 0);
}
