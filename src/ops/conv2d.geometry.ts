import { showShape, windowOutput } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import type { Product } from "./variants.ts";

/** Of `conv2d`; pairs are height, width. */
export interface Conv2dOptions {
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
}

/** Everything the kernels want to know about a convolution, sizes checked. */
export interface Conv2dGeometry {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly oh: number;
  readonly ow: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
}

/** Geometry of x [n, h, w, in] with weight [kh, kw, in / groups, out]. Throws where they do not fit, as PyTorch does. */
export function conv2dGeometry(x: Shape, weight: Shape, bias: Shape | null, options: Conv2dOptions): Conv2dGeometry {
  const { stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = options;
  const given = `input ${showShape(x)} (n, h, w, channels), weight ${showShape(weight)} (kh, kw, in / groups, out)`;
  if (x.length !== 4 || weight.length !== 4) throw new Error(`conv2d takes 4-dimensional tensors; got ${given}`);
  if ([...stride, ...dilation].some((v) => !(v >= 1))) throw new Error(`non-positive stride or dilation is not supported: ${stride} ${dilation}`);
  if (padding.some((v) => !(v >= 0))) throw new Error(`negative padding is not supported: ${padding}`);
  const [n, h, w, inChannels] = x;
  const [kh, kw, perGroup, outChannels] = weight;
  if (!(groups >= 1) || inChannels !== perGroup * groups || outChannels % groups !== 0) {
    throw new Error(
      `Given groups=${groups}, expected input to have ${perGroup * groups} channels and the output channels to be ` +
        `divisible by groups; got ${given}`,
    );
  }
  if (bias && (bias.length !== 1 || bias[0] !== outChannels)) {
    throw new Error(`expected bias of shape [${outChannels}], got ${showShape(bias)}`);
  }
  const oh = windowOutput(h, kh, stride[0], padding[0], dilation[0]);
  const ow = windowOutput(w, kw, stride[1], padding[1], dilation[1]);
  if (oh < 1 || ow < 1) {
    const span = [dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1];
    throw new Error(
      `Calculated padded input size: (${h + 2 * padding[0]} x ${w + 2 * padding[1]}). Kernel size: (${span.join(" x ")}). ` +
        "Kernel size can't be greater than actual input size",
    );
  }
  return { n, h, w, oh, ow, inChannels, outChannels, kernel: [kh, kw], stride, padding, dilation, groups };
}

/** Lengths along which the operands lie in memory: the channels of a group, since those of groups are side by side. */
export function channelsPerGroup({ inChannels, outChannels, groups }: Conv2dGeometry): readonly [number, number] {
  return [inChannels / groups, outChannels / groups];
}

/** The matrix product that a convolution (`kernel` "conv2d") or a gradient of it is. */
export function conv2dProduct(kernel: Exclude<Product["kernel"], "matmul">, g: Conv2dGeometry): Product {
  const lengths = channelsPerGroup(g);
  const [groupIn, groupOut] = lengths;
  const [sy, sx] = g.stride;
  const taps = g.kernel[0] * g.kernel[1];
  const pixels = g.n * g.oh * g.ow;
  const common = { kernel, lengths, slices: g.groups };
  if (kernel === "conv2d") return { ...common, rows: pixels, cols: groupOut, depth: taps * groupIn };
  if (kernel === "conv2d_backward_weight") return { ...common, rows: taps * groupIn, cols: groupOut, depth: pixels };
  const phases = sy * sx; // each meets as large a share of the taps
  const phasePixels = g.n * Math.ceil(g.h / sy) * Math.ceil(g.w / sx);
  return { ...common, slices: g.groups * phases, rows: phasePixels, cols: groupIn, depth: (taps * groupOut) / phases };
}

/** What the layer fixes, as overrides of the tiled and the blocked kernels. */
export function layerConstants(g: Conv2dGeometry) {
  return {
    IN: g.inChannels,
    OUT: g.outChannels,
    GROUPS: g.groups,
    KH: g.kernel[0],
    KW: g.kernel[1],
    STRIDE_Y: g.stride[0],
    STRIDE_X: g.stride[1],
    PAD_Y: g.padding[0],
    PAD_X: g.padding[1],
    DIL_Y: g.dilation[0],
    DIL_X: g.dilation[1],
  };
}

/** What the image fixes, as params of the same kernels. */
export function imageParams({ n, h, w, oh, ow }: Conv2dGeometry) {
  return { n, h, w, oh, ow };
}
