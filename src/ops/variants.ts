/**
 * Which kernel, with which tile sizes, serves an op on a device. The rule: the variant that the caller forces, else what
 * was measured on this family of adapters (tuned.json), else the heuristics below. All of it is a function of device,
 * table and shape, so that runs repeat.
 */
import type { Choice } from "../runtime/choice.ts";
import type { Gpu } from "../runtime/gpu.ts";
import type { Tune } from "../runtime/programs.ts";
import { tunedFor } from "./tuned.ts";

export type GemmVariant = "tiled" | "panel" | "blocked";

/** Variants of the matrix-product family (matmul and the convolutions), base first. */
export const GEMM_VARIANTS: readonly GemmVariant[] = ["tiled", "panel", "blocked"];

/** The rule, for a kernel for which those of `files` can stand in. */
function choose(gpu: Gpu, kernel: string, shape: string, files: readonly string[], heuristic: Choice): Choice {
  const measured = (gpu.tuned ?? tunedFor(gpu.family)).get(kernel, shape);
  const choice = measured && files.includes(measured.kernel) ? measured : heuristic;
  gpu.decisions?.push({ kernel, shape, files, heuristic, choice });
  return choice;
}

/** The tile of a kernel without variants, for work of these sizes. */
export function tileOf(gpu: Gpu, kernel: string, sizes: readonly number[], heuristic: Tune): Tune {
  return choose(gpu, kernel, anchored(sizes), [kernel], { kernel, tune: heuristic }).tune;
}

/** Sizes that share their measurements: each rounded to a power of two. */
function anchored(sizes: readonly number[]): string {
  return sizes.map((size) => 2 ** Math.round(Math.log2(size))).join("x");
}

/** A product that a kernel of the matrix-product family has to compute. */
export interface Product extends GemmSize {
  /** The base kernel, which the files of the variants are named after. */
  readonly kernel: "matmul" | "conv2d" | "conv2d_backward_input" | "conv2d_backward_weight";
  /** See `gemmVariant`. */
  readonly lengths: readonly number[];
}

/**
 * Variant and tile for a product, by the rule.
 *
 * @throws as `gemmVariant`
 */
export function gemmChoice(gpu: Gpu, product: Product): { readonly variant: GemmVariant; readonly tune: Tune } {
  const { kernel, lengths, rows, cols, slices, depth } = product;
  const op = kernel === "matmul" ? kernel : "conv2d";
  const variant = gemmVariant(gpu, op, lengths);
  const isForced = gpu.variants[op] !== undefined;
  const able = isForced ? [variant] : GEMM_VARIANTS.filter((other) => obstacle(gpu, other, lengths) === null);
  const fileOf = (other: GemmVariant): string => (other === "tiled" ? kernel : `${kernel}_${other}`);
  const isWhole = lengths.every((length) => length % 4 === 0);
  const shape = `${anchored([slices, rows, cols, depth])}${isWhole ? "" : " ragged"}`;
  const heuristic = { kernel: fileOf(variant), tune: gemmTile(gpu, variant, product) };
  const choice = choose(gpu, kernel, shape, able.map(fileOf), heuristic);
  return { variant: able.find((other) => fileOf(other) === choice.kernel)!, tune: choice.tune };
}

/**
 * Multiplications from which on two panels at once, which share loads, save more in some hundred calls than another kernel
 * takes to compile: a second on a CPU adapter. Found by trying 2^20, 2^24 and 2^27 on `tiny`.
 */
const SECOND_PANEL = 2 ** 24;

/** The heuristics for the tiles of the variants. */
function gemmTile(gpu: Gpu, variant: GemmVariant, { rows, cols, slices, depth }: GemmSize): Tune {
  if (variant === "tiled") return {};
  if (variant === "panel") {
    const isLarge = cols > 32 && slices * rows * cols * depth >= SECOND_PANEL;
    return { LANES: cols <= 16 ? 4 : 8, PANELS: isLarge ? 2 : 1 };
  }
  // The larger tile, which loads less, where that fills the device.
  const workgroups = Math.ceil(cols / 64) * Math.ceil(rows / 128) * slices;
  return { ROWS: workgroups >= workgroupsToFill(gpu) ? 128 : 64 };
}

/**
 * The forced variant of an op, else `panel` on adapters that run on the CPU and, on GPUs, `blocked` where it can run
 * and is not mostly padding.
 *
 * @param lengths of the axes along which operands and result lie in memory; of channels, those of a group
 * @throws where the forced variant cannot run
 */
export function gemmVariant(gpu: Gpu, op: string, lengths: readonly number[]): GemmVariant {
  const forced = gpu.variants[op];
  if (forced === undefined) {
    const preferred = gpu.capabilities.isSoftware ? "panel" : "blocked";
    const isMostlyPadding = preferred === "blocked" && lengths.some((length) => length < BLOCK_DEPTH);
    return isMostlyPadding || obstacle(gpu, preferred, lengths) !== null ? "tiled" : preferred;
  }
  if (!GEMM_VARIANTS.includes(forced as GemmVariant)) {
    throw new Error(`${op} has no variant ${forced}; it has ${GEMM_VARIANTS.join(", ")}`);
  }
  const reason = obstacle(gpu, forced as GemmVariant, lengths);
  if (reason !== null) throw new Error(`${op}: the variant ${forced} ${reason}`);
  return forced as GemmVariant;
}

/** Why a variant cannot run; null where it can. */
function obstacle({ capabilities }: Gpu, variant: GemmVariant, lengths: readonly number[]): string | null {
  const { hasSubgroups, subgroupSize } = capabilities;
  if (variant === "panel" && !(hasSubgroups && (subgroupSize ?? 0) >= 8)) {
    return "needs subgroups of a known size of at least 8; this device has none";
  }
  if (variant === "blocked" && lengths.some((length) => length % 4 !== 0)) {
    return (
      "reads and writes 4 values at once; the innermost axes (channels per group) have to be multiples of 4 long, " +
      `these are ${lengths.join(", ")}`
    );
  }
  return null;
}

/** Terms of a sum that the blocked kernels stage at a time: shorter axes would be filled up with zeros. */
const BLOCK_DEPTH = 16;

/** The output of one workgroup of the tiled kernels. */
export const TILE = { rows: 64, cols: 64 } as const;

/** That of the panel kernels. */
export function panelTile({ LANES, PANELS }: Tune): { readonly rows: number; readonly cols: number } {
  return { rows: 128 / LANES, cols: PANELS * 4 * LANES };
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
  /** Tiles across and down. */
  readonly tiles: readonly [number, number];
  readonly splits: number;
}

/** Where the tiles do not fill the device, splitting the sums does. */
export function blockedPlan(gpu: Gpu, { rows, cols, slices, depth }: GemmSize, { ROWS }: Tune): BlockedPlan {
  const tiles = [Math.ceil(cols / 64), Math.ceil(rows / ROWS)] as const;
  return { tiles, splits: splitCount(gpu, tiles[0] * tiles[1] * slices, depth) };
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
 * How to dispatch `kernel`, an elementwise one, over `count` vectors. On a CPU adapter starting an invocation costs more than a
 * vector; on a GPU many are wanted, whose neighbours read neighbours.
 */
export function vectorDispatch(gpu: Gpu, kernel: string, count: number) {
  const tune = tileOf(gpu, kernel, [count], { VECTORS: gpu.capabilities.isSoftware ? 16 : 2 });
  return { elements: Math.ceil(count / tune.VECTORS), tune };
}

/** The same for kernels that take element by element. */
export function elementDispatch(gpu: Gpu, count: number): { readonly elements: number; readonly tune: Tune } {
  const ELEMENTS = gpu.capabilities.isSoftware ? 16 : 4;
  return { elements: Math.ceil(count / ELEMENTS), tune: { ELEMENTS } };
}
