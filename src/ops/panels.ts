/** What the `panel` variants of the matrix-product family share: last axes of multiples of 4, which their kernels work in. */
import type { Tensor } from "../tensor/tensor.ts";
import { window } from "./window.ts";

export const toFour = (length: number): number => 4 * Math.ceil(length / 4);

/** The same numbers, the last axis padded with zeros to a multiple of 4, within each of its groups. To be released. */
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

/** x with its axis `dim` padded with zeros, or cut, to `length`. Releases x. */
export function resizeAxis(x: Tensor, dim: number, length: number): Tensor {
  if (x.shape[dim] === length) return x;
  const resized = window(x, dim, 0, length);
  x.release();
  return resized;
}

function withChannels(x: Tensor, groups: number, channels: number): Tensor {
  const outer = x.shape.slice(0, -1);
  const grouped = x.view([...outer, groups, x.shape.at(-1)! / groups]);
  const resized = resizeAxis(grouped, outer.length + 1, channels);
  const flat = resized.view([...outer, groups * channels]);
  resized.release();
  return flat;
}
