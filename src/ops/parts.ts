/**
 * Work on tensors that are larger than what a kernel can see at a time (Gpu.maxBinding). Where rows are independent,
 * kernels run on ranges of them; where channels are, on excerpts of those. Tensors that fit are passed on as they are.
 */
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";

type Operands = readonly (Tensor | null)[];

/** Every start at a multiple of so many units can be bound, whatever they are: WebGPU wants multiples of 256 bytes. */
const ALIGNED_UNITS = 64;

/** Whether a kernel can see each of these numbers of elements as a whole. */
export function fits(gpu: Gpu, ...sizes: readonly number[]): boolean {
  return sizes.every((size) => 4 * size <= gpu.maxBinding);
}

/** How many of `units` units of `size` elements each a kernel can see at a time, at least one. */
export function unitsPerPart(gpu: Gpu, units: number, size: number): number {
  const most = Math.max(1, Math.floor(gpu.maxBinding / (4 * size)));
  if (most >= units) return units;
  return most < ALIGNED_UNITS ? most : most - (most % ALIGNED_UNITS);
}

/** Elements of x from `first` on, as `shape`: x itself, its own memory where the device can bind that, or a copy. */
export function excerpt(x: Tensor, first: number, shape: Shape): Tensor {
  const size = sizeOf(shape);
  if (size === x.size) return x.view(shape);
  const part = x.part(first, shape);
  const offset = part.storage.offset % x.gpu.device.limits.minStorageBufferOffsetAlignment;
  if (offset === 0) return part;
  const copy = Tensor.empty(x.gpu, shape, x.dtype);
  x.gpu.copy(part, copy, 4 * size);
  part.release();
  return copy;
}

/** Writes `part` over the elements of `whole` from `first` on, unless it is an excerpt of them. Releases it. */
export function place(part: Tensor, whole: Tensor, first: number): void {
  if (part.storage.buffer !== whole.storage.buffer) part.gpu.copy(part, whole, 4 * part.size, 0, 4 * first);
  part.release();
}

/**
 * Runs `body` on parts of tensors that all consist of `units` units: on [units, size of a unit], cut along the units
 * where one of the tensors is too large.
 *
 * @param step parts begin at multiples of so many units
 */
export function inParts<const R extends Operands, const W extends Operands>(
  units: number,
  reads: R,
  writes: W,
  body: (reads: R, writes: W, count: number, first: number) => void,
  step = 1,
): void {
  const all = [...reads, ...writes].filter((x) => x !== null);
  const { gpu } = all[0];
  const largest = Math.max(...all.map(({ size }) => size));
  if (fits(gpu, largest)) return body(reads, writes, units, 0);
  const most = unitsPerPart(gpu, Math.ceil(units / step), (step * largest) / units) * step;
  for (let first = 0; first < units; first += most) {
    const count = Math.min(most, units - first);
    const cut = (x: Tensor | null) => x && excerpt(x, (first * x.size) / units, [count, x.size / units]);
    const [sources, targets] = [reads.map(cut), writes.map(cut)];
    body(sources as unknown as R, targets as unknown as W, count, first);
    sources.forEach((part) => part?.release());
    targets.forEach((part, i) => part && place(part, writes[i]!, (first * writes[i]!.size) / units));
  }
}
