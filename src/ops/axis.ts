/** Tensors seen along one axis, as [outer, size, inner]: for kernels that work on one axis at a time. */
import type { Shape } from "../tensor/shape.ts";

const MAX_GROUPS = 65535;

/** How many places the axes before `axis` make, and those behind it. */
export function around(shape: Shape, axis: number): { readonly outer: number; readonly inner: number } {
  const product = (sizes: Shape): number => sizes.reduce((total, n) => total * n, 1);
  return { outer: product(shape.slice(0, axis)), inner: product(shape.slice(axis + 1)) };
}

/** Workgroups of 64 for `lanes` invocations in x for each of `outer` in y times z; a few too many where y is full. */
export function gridOver(lanes: number, outer: number): readonly [number, number, number] {
  const rows = Math.min(outer, MAX_GROUPS);
  return [Math.ceil(lanes / 64), rows, rows === 0 ? 0 : Math.ceil(outer / rows)];
}
