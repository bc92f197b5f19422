/** Which kernel variant serves an op on a device. */
import type { Gpu } from "../runtime/gpu.ts";
import type { Tune } from "../runtime/programs.ts";

export type GemmVariant = "tiled" | "panel";

/** Variants of the matrix-product family (matmul and the convolutions), base first. */
export const GEMM_VARIANTS: readonly GemmVariant[] = ["tiled", "panel"];

/** The forced variant of an op, else `panel` on adapters that run on the CPU and `tiled` on GPUs. */
export function gemmVariant(gpu: Gpu, op: string): GemmVariant {
  const { hasSubgroups, isSoftware, subgroupSize } = gpu.capabilities;
  const canShuffle = hasSubgroups && (subgroupSize ?? 0) >= 8;
  const forced = gpu.variants[op];
  if (forced === undefined) return isSoftware && canShuffle ? "panel" : "tiled";
  if (!GEMM_VARIANTS.includes(forced as GemmVariant)) {
    throw new Error(`${op} has no variant ${forced}; it has ${GEMM_VARIANTS.join(", ")}`);
  }
  if (forced === "panel" && !canShuffle) {
    throw new Error(`${op}: the variant panel needs subgroups of a known size of at least 8; this device has none`);
  }
  return forced as GemmVariant;
}

/** The output of one workgroup of the tiled kernels. */
export const TILE = { rows: 64, cols: 64 } as const;

/** That of the panel kernels, for products of `n` columns, and the `@tune` constants that make it so. */
export function panelTile(n: number): { readonly rows: number; readonly cols: number; readonly tune: Tune } {
  const LANES = n <= 16 ? 4 : 8;
  return { rows: 128 / LANES, cols: 4 * LANES, tune: { LANES } };
}

/** How many workgroups fill a device: below that, a long inner dimension is split. */
export function workgroupsToFill(gpu: Gpu): number {
  return gpu.capabilities.isSoftware ? 8 : 512;
}

/** Parts to split an inner dimension of `depth` into, given the workgroups that one part dispatches. */
export function splitCount(gpu: Gpu, workgroups: number, depth: number, leastDepth = 256): number {
  const wanted = Math.ceil(workgroupsToFill(gpu) / Math.max(workgroups, 1));
  return Math.max(1, Math.min(wanted, Math.floor(depth / leastDepth), 64));
}

/**
 * How to dispatch an elementwise kernel over `count` vectors. On a CPU adapter starting an invocation costs more than a
 * vector; on a GPU many are wanted, whose neighbours read neighbours.
 */
export function vectorDispatch(gpu: Gpu, count: number): { readonly elements: number; readonly tune: Tune } {
  const VECTORS = gpu.capabilities.isSoftware ? 16 : 2;
  return { elements: Math.ceil(count / VECTORS), tune: { VECTORS } };
}
