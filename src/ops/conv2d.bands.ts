/**
 * Convolutions of maps that are larger than what a kernel can see at a time: image by image, and images in bands of
 * rows. A band of the output needs the rows of the input that its window reaches; where that is too many, because the
 * window is dilated, each row of the window is a convolution of its own.
 */
import { Tensor } from "../tensor/tensor.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { addTo } from "./accumulate.ts";
import { channelsPerGroup } from "./conv2d.geometry.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";
import { toFour } from "./panels.ts";
import { excerpt, fits, place } from "./parts.ts";

/** Consecutive elements of a tensor. */
interface Span {
  readonly first: number;
  readonly shape: Shape;
}

interface Band {
  readonly geometry: Conv2dGeometry;
  /** Input, weight and output that it is of. */
  readonly x: Span;
  readonly w: Span;
  readonly y: Span;
}

interface Cut {
  readonly bands: readonly Band[];
  /** Whether several bands reach the same rows of the input, and of the output. */
  readonly sharesInput: boolean;
  readonly sharesOutput: boolean;
}

type Pass = (a: Tensor, b: Tensor, g: Conv2dGeometry) => Tensor;

/** Whether kernels can see input, weight and output as wholes. */
export function isWhole({ gpu }: Tensor, g: Conv2dGeometry): boolean {
  const { x, w, y } = linesOf(g);
  return fits(gpu, g.n * g.h * x, g.kernel[0] * w, g.n * g.oh * y);
}

/** y = conv(x, w), each band by `pass`. */
export function bandsForward(x: Tensor, w: Tensor, g: Conv2dGeometry, pass: Pass): Tensor {
  const { bands, sharesOutput } = cut(x, g);
  const y = Tensor.zeros(x.gpu, [g.n, g.oh, g.ow, g.outChannels]);
  for (const band of bands) put(pass, [x, band.x], [w, band.w], band.geometry, y, band.y, sharesOutput);
  return y;
}

/** The gradient of the input. */
export function bandsBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry, pass: Pass): Tensor {
  const { bands, sharesInput } = cut(dy, g);
  const dx = Tensor.zeros(dy.gpu, [g.n, g.h, g.w, g.inChannels]);
  for (const band of bands) put(pass, [dy, band.y], [w, band.w], band.geometry, dx, band.x, sharesInput);
  return dx;
}

/** The gradient of the weights. */
export function bandsBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry, pass: Pass): Tensor {
  const dw = Tensor.zeros(x.gpu, [...g.kernel, channelsPerGroup(g)[0], g.outChannels]);
  for (const band of cut(x, g).bands) put(pass, [x, band.x], [dy, band.y], band.geometry, dw, band.w, true);
  return dw;
}

function put(
  pass: Pass,
  a: readonly [Tensor, Span],
  b: readonly [Tensor, Span],
  geometry: Conv2dGeometry,
  whole: Tensor,
  { first }: Span,
  adds: boolean,
): void {
  const [left, right] = [a, b].map(([x, span]) => excerpt(x, span.first, span.shape));
  const part = pass(left, right, geometry);
  if (adds) addTo(part, whole, first);
  else place(part, whole, first);
  [left, right].forEach((tensor) => tensor.release());
}

function cut({ gpu }: Tensor, g: Conv2dGeometry): Cut {
  const [stride, padding, dilation] = [g.stride[0], g.padding[0], g.dilation[0]];
  const lines = (line: number): number => Math.floor(gpu.maxBinding / (4 * line));
  const { x, w, y } = linesOf(g);
  const [inLines, outLines] = [lines(x), lines(y)];
  const [groupIn] = channelsPerGroup(g);
  const tapShape = [g.kernel[1], groupIn, g.outChannels];
  const fitsWeight = fits(gpu, g.kernel[0] * w);
  const imagesAtOnce = Math.floor(Math.min(inLines / g.h, outLines / g.oh));
  const reach = dilation * (g.kernel[0] - 1);
  const rowsFor = (halo: number): number => {
    const rows = inLines >= g.h ? g.oh : Math.floor((inLines - halo - 1) / stride) + 1;
    return Math.min(rows, outLines, g.oh);
  };
  // Much more halo than band would be read, and of gradients computed, several times.
  const isJoint = fitsWeight && (imagesAtOnce > 0 || rowsFor(reach) >= Math.max(1, reach));
  const images = isJoint ? imagesAtOnce : 0;
  const taps = isJoint ? g.kernel[0] : 1;
  const rows = images > 0 ? g.oh : Math.max(1, rowsFor(isJoint ? reach : 0));
  const bands: Band[] = [];
  for (let image = 0; image < g.n; image += Math.max(1, images)) {
    const n = Math.min(Math.max(1, images), g.n - image);
    for (let row = 0; row < g.oh; row += rows) {
      for (let tap = 0; tap < g.kernel[0]; tap += taps) {
        const shift = tap * dilation - padding;
        // A single row of the window adds nothing where it lies in the padding: elsewhere it has none.
        const isInside = images === 0 && taps === 1;
        const oy = isInside ? Math.max(row, Math.ceil(-shift / stride)) : row;
        const stop = isInside ? Math.floor((g.h - 1 - shift) / stride) + 1 : g.oh;
        const oh = Math.min(row + rows, stop, g.oh) - oy;
        const top = oy * stride + shift;
        const begin = Math.max(top, 0);
        const end = Math.min(top + (oh - 1) * stride + (taps - 1) * dilation + 1, g.h);
        if (oh <= 0 || begin >= end) continue; // nothing but padding
        const h = images > 0 ? g.h : end - begin;
        bands.push({
          geometry: { ...g, n, h, oh, kernel: [taps, g.kernel[1]], padding: [begin - top, g.padding[1]] },
          x: { first: (image * g.h + begin) * g.w * g.inChannels, shape: [n, h, g.w, g.inChannels] },
          w: { first: tap * sizeOf(tapShape), shape: [taps, ...tapShape] },
          y: { first: (image * g.oh + oy) * g.ow * g.outChannels, shape: [n, oh, g.ow, g.outChannels] },
        });
      }
    }
  }
  const overlaps = images === 0 && (reach > 0 || stride > 1);
  return { bands, sharesInput: !isJoint || overlaps, sharesOutput: !isJoint };
}

/** Elements of a row of input, weight and output, in the multiples of 4 channels that some kernels take. */
function linesOf(g: Conv2dGeometry) {
  const [groupIn, groupOut] = channelsPerGroup(g).map(toFour);
  return {
    x: g.w * g.groups * groupIn,
    w: g.kernel[1] * groupIn * g.groups * groupOut,
    y: g.ow * g.groups * groupOut,
  };
}
