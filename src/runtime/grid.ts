/** How many workgroups a dispatch has, and along which axes. */
import type { KernelEntry } from "./kernels.ts";

/** Along an axis, in WebGPU. */
export const MAX_GROUPS = 65535;

export type Grid = [number, number, number];

export function toGrid(grid: number | readonly [number, number, number?]): Grid {
  return typeof grid === "number" ? [grid, 1, 1] : [grid[0], grid[1], grid[2] ?? 1];
}

/**
 * Spreads a linear count of workgroups over x and y, each at most 65535. Kernels recover the linear index as
 * `id.x + id.y * num_workgroups.x * WG`; the surplus is below one row and is cut off by their bounds check.
 */
export function foldGroups(groups: number): Grid {
  if (groups <= MAX_GROUPS) return [groups, 1, 1];
  const rows = Math.ceil(groups / MAX_GROUPS);
  return [Math.ceil(groups / rows), rows, 1];
}

/** For a kernel with one invocation per element and a folded linear index. */
export function foldElements(
  name: string,
  { workgroup: [size], overrides }: KernelEntry,
  constants: Readonly<Record<string, number | boolean>>,
  elements: number,
): Grid {
  const perGroup = Number(size) || Number(constants[size] ?? overrides[size]?.value);
  if (!(perGroup > 0)) throw new Error(`${name}: cannot tell the workgroup size ${size}; give a grid`);
  return foldGroups(Math.ceil(elements / perGroup));
}
