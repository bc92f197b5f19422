/** Which kernel variant serves an op on a device. */
import type { Gpu } from "../runtime/gpu.ts";
import type { Tune } from "../runtime/programs.ts";

export type GemmVariant = "tiled" | "shuffle";

/** Variants of the matrix-product family (matmul and the convolutions), base first. */
export const GEMM_VARIANTS: readonly GemmVariant[] = ["tiled", "shuffle"];

/** The forced variant of an op, else `shuffle` on adapters that run on the CPU and `tiled` on GPUs. */
export function gemmVariant(gpu: Gpu, op: string): GemmVariant {
  const { hasSubgroups, isSoftware, subgroupSize } = gpu.capabilities;
  const canShuffle = hasSubgroups && (subgroupSize ?? 0) >= 8;
  const forced = gpu.variants[op];
  if (forced === undefined) return isSoftware && canShuffle ? "shuffle" : "tiled";
  if (!GEMM_VARIANTS.includes(forced as GemmVariant)) {
    throw new Error(`${op} has no variant ${forced}; it has ${GEMM_VARIANTS.join(", ")}`);
  }
  if (forced === "shuffle" && !canShuffle) {
    throw new Error(`${op}: the variant shuffle needs subgroups of a known size of at least 8; this device has none`);
  }
  return forced as GemmVariant;
}

/** The output tile of one workgroup, and the `@tune` constants that make the kernel so. */
export interface GemmTile {
  readonly rows: number;
  readonly cols: number;
  readonly tune: Tune;
}

/**
 * The tile for a product with `n` columns: of the shuffled kernels' two, the one that pads fewer columns, else the wide
 * one, which loads less. Two and not more: each is another second of compiling on a CPU adapter.
 */
export function gemmTile(variant: GemmVariant, n: number): GemmTile {
  if (variant === "tiled") return { rows: 64, cols: 64, tune: {} };
  const isNarrow = Math.ceil(n / 32) * 32 < Math.ceil(n / 64) * 64;
  const [ROWS, COLS] = isNarrow ? [32, 4] : [16, 8];
  return { rows: ROWS, cols: 8 * COLS, tune: { ROWS, COLS } };
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
