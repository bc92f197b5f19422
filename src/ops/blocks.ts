/** Work along one axis of tensors that are larger than what a kernel can see at a time: see parts.ts. */
import { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { fits, inParts, unitsPerPart } from "./parts.ts";
import { insert, window } from "./window.ts";

/**
 * Runs `body` on tensors that are [outer, any number, inner], of which it mixes only what lies along the middle: as a
 * whole, or some places of the outer axis at a time, or, where one of those is too large already, copies of some places
 * of the inner axis. `body` is told how many of each it has.
 */
export function inBlocks<const R extends readonly Tensor[], const W extends readonly Tensor[]>(
  { outer, inner }: { readonly outer: number; readonly inner: number },
  reads: R,
  writes: W,
  body: (reads: R, writes: W, outer: number, inner: number) => void,
): void {
  const { gpu } = writes[0];
  const largest = Math.max(...[...reads, ...writes].map(({ size }) => size));
  if (inner === 1 || fits(gpu, largest / Math.max(outer, 1))) {
    return inParts(outer, reads, writes, (r, w, count) => body(r, w, count, inner));
  }
  const most = unitsPerPart(gpu, inner, largest / inner);
  for (let first = 0; first < inner; first += most) {
    const count = Math.min(most, inner - first);
    const cut = (x: Tensor): Tensor => {
      const whole = x.view([outer, x.size / outer / inner, inner]);
      const part = window(whole, 2, -first, count);
      whole.release();
      return part;
    };
    const sources = reads.map(cut);
    const targets = writes.map((x) => Tensor.empty(gpu, [outer, x.size / outer / inner, count], x.dtype));
    body(sources as unknown as R, targets as unknown as W, outer, count);
    targets.forEach((part, i) => {
      const whole = writes[i].view(part.shape.with(2, inner));
      insert(part, whole, 2, first);
      whole.release();
    });
    [...sources, ...targets].forEach((part) => part.release());
  }
}

/** The same for images [n, h, w, channels], of which neither images nor channels are mixed; told their shape. */
export function inImages<const R extends readonly Tensor[], const W extends readonly Tensor[]>(
  shape: Shape,
  reads: R,
  writes: W,
  body: (reads: R, writes: W, shape: Shape) => void,
): void {
  const [n, h, w, channels] = shape;
  inBlocks({ outer: n, inner: channels }, reads, writes, (from, to, images, own) => {
    body(from, to, [images, h, w, own]);
  });
}
