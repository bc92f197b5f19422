/**
 * What the `panel` variants of the matrix-product family share: the right-hand operand packed into the scratch texture, and
 * feature maps whose channels are multiples of 4, which is all that those kernels take.
 */
import type { Scratch } from "../runtime/scratch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { window } from "./window.ts";

/** Columns of a panel, and lines that a workgroup packs: as in kernels/pack_panels.wgsl. */
const PANEL = 32;
const LINES = 64;

/** The matrices [outer · inner, n], one per slice, that lie in a tensor with these strides, in elements. */
export interface Matrices {
  readonly n: number;
  readonly inner: number;
  readonly innerStride: number;
  readonly columnStride: number;
  readonly outer?: number;
  readonly outerStride?: number;
  readonly slices?: number;
  readonly sliceStride?: number;
}

/** Records packing; valid until the next call. The inner index is padded with zeros to a multiple of 4. */
export function packPanels(b: Tensor, matrices: Matrices): Scratch {
  const { n, inner, innerStride, columnStride, outer = 1, outerStride = 0, slices = 1, sliceStride = 0 } = matrices;
  const length = toFour(inner);
  const across = Math.ceil(n / PANEL);
  const panels = b.gpu.scratch(slices * across * outer * length * (PANEL / 4));
  b.gpu.run("pack_panels", { b, panels }, {
    grid: [Math.ceil((outer * length) / LINES), across, slices],
    params: {
      n, outer, inner, length, slice_stride: sliceStride, outer_stride: outerStride, inner_stride: innerStride,
      column_stride: columnStride,
    },
  });
  return panels;
}

export const toFour = (length: number): number => 4 * Math.ceil(length / 4);

/** x [..., groups · channels] with zeros behind each group's channels up to a multiple of 4; x itself where it is one. */
export function padToFours(x: Tensor, groups = 1): Tensor {
  const channels = x.shape.at(-1)! / groups;
  return channels % 4 === 0 ? x.detach() : withChannels(x, groups, toFour(channels));
}

/** The opposite: x [..., groups · toFour(channels)] without the padding. Releases x. */
export function cutFromFours(x: Tensor, channels: number, groups = 1): Tensor {
  if (channels % 4 === 0) return x;
  const cut = withChannels(x, groups, channels);
  x.release();
  return cut;
}

function withChannels(x: Tensor, groups: number, channels: number): Tensor {
  const outer = x.shape.slice(0, -1);
  const grouped = x.view([...outer, groups, x.shape.at(-1)! / groups]);
  const changed = window(grouped, outer.length + 1, 0, channels);
  const flat = changed.view([...outer, groups * channels]);
  [grouped, changed].forEach((tensor) => tensor.release());
  return flat;
}
