/** Which kernel variant serves an op on a device. */
import type { Gpu } from "../runtime/gpu.ts";
import type { Tune } from "../runtime/programs.ts";

export type GemmVariant = "tiled" | "panel" | "blocked";

/** Variants of the matrix-product family (matmul and the convolutions), base first. */
export const GEMM_VARIANTS: readonly GemmVariant[] = ["tiled", "panel", "blocked"];

/**
 * The forced variant of an op, else `panel` on adapters that run on the CPU and, on GPUs, `blocked` where it can run
 * and is not mostly padding.
 *
 * @param lengths of the axes along which operands and result lie in memory; of channels, those of a group
 * @throws where the forced variant cannot run
 */
export function gemmVariant(gpu: Gpu, op: string, lengths: readonly number[]): GemmVariant {
  const { hasSubgroups, isSoftware, subgroupSize } = gpu.capabilities;
  const canShuffle = hasSubgroups && (subgroupSize ?? 0) >= 8;
  const canBlock = lengths.every((length) => length % 4 === 0);
  const forced = gpu.variants[op];
  if (forced === undefined) {
    if (isSoftware) return canShuffle ? "panel" : "tiled";
    return canBlock && lengths.every((length) => length >= BLOCK_DEPTH) ? "blocked" : "tiled";
  }
  if (!GEMM_VARIANTS.includes(forced as GemmVariant)) {
    throw new Error(`${op} has no variant ${forced}; it has ${GEMM_VARIANTS.join(", ")}`);
  }
  if (forced === "panel" && !canShuffle) {
    throw new Error(`${op}: the variant panel needs subgroups of a known size of at least 8; this device has none`);
  }
  if (forced === "blocked" && !canBlock) {
    throw new Error(
      `${op}: the variant blocked reads and writes 4 values at once; the innermost axes (channels per group) have to be ` +
        `multiples of 4 long, these are ${lengths.join(", ")}`,
    );
  }
  return forced as GemmVariant;
}

/** Terms of a sum that the blocked kernels stage at a time: shorter axes would be filled up with zeros. */
const BLOCK_DEPTH = 16;

/** The output of one workgroup of the tiled kernels. */
export const TILE = { rows: 64, cols: 64 } as const;

/** That of the panel kernels, for products of `n` columns, and the `@tune` constants that make it so. */
export function panelTile(n: number): { readonly rows: number; readonly cols: number; readonly tune: Tune } {
  const LANES = n <= 16 ? 4 : 8;
  return { rows: 128 / LANES, cols: 4 * LANES, tune: { LANES } };
}

/** Sizes of a product: `slices` of rows x cols elements, each the sum of `depth` terms. */
export interface GemmSize {
  readonly rows: number;
  readonly cols: number;
  readonly slices: number;
  readonly depth: number;
}

/** How the blocked kernels share a product out. */
export interface BlockedPlan {
  readonly tune: Tune;
  /** Tiles across and down. */
  readonly tiles: readonly [number, number];
  readonly splits: number;
}

/**
 * Of the blocked kernels' two tiles the larger one, which loads less, where that fills the device; what the smaller one
 * does not fill is filled by splitting the sums.
 */
export function blockedPlan(gpu: Gpu, { rows, cols, slices, depth }: GemmSize): BlockedPlan {
  const tilesOf = (height: number) => [Math.ceil(cols / 64), Math.ceil(rows / height)] as const;
  const workgroups = ([across, down]: readonly [number, number]): number => across * down * slices;
  const ROWS = workgroups(tilesOf(128)) >= workgroupsToFill(gpu) ? 128 : 64;
  const tiles = tilesOf(ROWS);
  return { tune: { ROWS }, tiles, splits: splitCount(gpu, workgroups(tiles), depth) };
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

/** The same for kernels that take element by element. */
export function elementDispatch(gpu: Gpu, count: number): { readonly elements: number; readonly tune: Tune } {
  const ELEMENTS = gpu.capabilities.isSoftware ? 16 : 4;
  return { elements: Math.ceil(count / ELEMENTS), tune: { ELEMENTS } };
}
