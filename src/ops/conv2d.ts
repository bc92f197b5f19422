import { Tensor } from "../tensor/tensor.ts";
import { showShape, windowOutput } from "../tensor/shape.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { sumSlabs } from "./accumulate.ts";
import { referenceConv2d } from "./conv2d.reference.ts";
import { sum } from "./reduce.ts";
import { GEMM_TILE, GEMM_VARIANTS, gemmVariant, splitCount } from "./variants.ts";

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

function constants(g: Conv2dGeometry) {
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

/** Unrecorded y = conv(x, w) + bias. */
export function conv2dForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry): Tensor {
  const { n, h, w: width, oh, ow } = g;
  const variant = gemmVariant(x.gpu, "conv2d");
  const tile = GEMM_TILE[variant];
  const y = Tensor.empty(x.gpu, [n, oh, ow, g.outChannels]);
  x.gpu.run(variant === "tiled" ? "conv2d" : "conv2d_shuffle", { x, w, bias: bias ?? w, y }, {
    grid: [Math.ceil(g.outChannels / g.groups / tile.cols), Math.ceil((n * oh * ow) / tile.rows), g.groups],
    params: { n, h, w: width, oh, ow },
    constants: { ...constants(g), HAS_BIAS: bias !== null },
  });
  return y;
}

/** Unrecorded gradient of the input. */
export function conv2dBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry): Tensor {
  const { n, h, w: width, oh, ow } = g;
  const variant = gemmVariant(dy.gpu, "conv2d");
  const tile = GEMM_TILE[variant];
  const [sy, sx] = g.stride;
  const dx = Tensor.empty(dy.gpu, [n, h, width, g.inChannels]);
  const pixels = n * Math.ceil(h / sy) * Math.ceil(width / sx);
  dy.gpu.run(variant === "tiled" ? "conv2d_backward_input" : "conv2d_backward_input_shuffle", { dy, w, dx }, {
    grid: [Math.ceil(g.inChannels / g.groups / tile.cols), Math.ceil(pixels / tile.rows), g.groups * sy * sx],
    params: { n, h, w: width, oh, ow },
    constants: constants(g),
  });
  return dx;
}

/** Unrecorded gradient of the weights. */
export function conv2dBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry): Tensor {
  const { n, h, w, oh, ow } = g;
  const variant = gemmVariant(x.gpu, "conv2d");
  const tile = GEMM_TILE[variant];
  const shape = [...g.kernel, g.inChannels / g.groups, g.outChannels];
  const across = Math.ceil(g.outChannels / g.groups / tile.cols);
  const down = Math.ceil((g.kernel[0] * g.kernel[1] * g.inChannels) / g.groups / tile.rows);
  const splits = Math.min(splitCount(x.gpu, across * down * g.groups, n * oh * ow), n * oh);
  const dw = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run(variant === "tiled" ? "conv2d_backward_weight" : "conv2d_backward_weight_shuffle", { x, dy, dw }, {
    grid: [across, down, g.groups * splits],
    params: { n, h, w, oh, ow, splits },
    constants: constants(g),
  });
  return sumSlabs(dw, shape);
}

const geometryOf = (x: Shape, w: Shape, bias: Shape | null | undefined, options: Conv2dOptions) =>
  conv2dGeometry(x, w, bias ?? null, options);

const conv2dOp = defineOp<readonly [Tensor, Tensor, Tensor | null], Conv2dOptions>({
  name: "conv2d",
  variants: GEMM_VARIANTS,
  forward(ctx, [x, w, bias], options) {
    ctx.save(x, w);
    return conv2dForward(x, w, bias, geometryOf(x.shape, w.shape, bias?.shape, options));
  },
  backward(ctx, dy, [x, w, bias], options) {
    const geometry = geometryOf(x.shape, w.shape, bias?.shape, options);
    const [wantX, wantW, wantBias] = ctx.needsGrad;
    return [
      wantX ? conv2dBackwardInput(dy, w, geometry) : null,
      wantW ? conv2dBackwardWeight(x, dy, geometry) : null,
      wantBias ? sum(dy, [0, 1, 2]) : null,
    ];
  },
  reference: ([x, w, bias], options) =>
    referenceConv2d(x!, w!, bias, geometryOf(x!.shape, w!.shape, bias?.shape, options)),
  samples: [
    { inputs: [[1, 1, 1, 1], [1, 1, 1, 1], null], options: {} },
    { inputs: [[2, 5, 7, 3], [3, 3, 3, 5], [5]], options: { padding: [1, 1] } },
    { inputs: [[1, 7, 6, 4], [3, 3, 4, 6], null], options: { stride: [2, 2], padding: [1, 1] }, note: "strided" },
    { inputs: [[1, 9, 8, 2], [3, 2, 2, 3], [3]], options: { stride: [2, 3], padding: [2, 1], dilation: [1, 2] }, note: "each axis its own" },
    { inputs: [[1, 5, 5, 3], [3, 3, 3, 4], null], options: { padding: [4, 4], dilation: [4, 4] }, note: "dilation beyond the map" },
    { inputs: [[1, 6, 5, 6], [3, 3, 2, 9], [9]], options: { padding: [1, 1], groups: 3 }, note: "groups" },
    { inputs: [[1, 5, 4, 5], [3, 3, 1, 5], null], options: { padding: [1, 1], groups: 5 }, note: "depthwise" },
    { inputs: [[1, 3, 3, 70], [1, 1, 70, 67], [67]], options: {}, note: "1x1, more than one tile" },
    { inputs: [[1, 8, 8, 3], [4, 4, 3, 2], null], options: { stride: [3, 3] }, note: "even kernel, unread border" },
    { inputs: [[2, 23, 24, 1], [2, 2, 1, 1], null], options: {}, note: "split weight gradient" },
    { inputs: [[1, 4, 3, 2], [1, 1, 2, 2], null], options: { stride: [2, 2] }, note: "stride larger than the kernel" },
  ],
});

/**
 * Cross-correlation of x [n, h, w, in] with weight [kh, kw, in / groups, out] (HWIO), zero padding: [n, oh, ow, out] as
 * torch.nn.functional.conv2d. Throws PyTorch's message where shapes do not fit.
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: Conv2dOptions = {}): Tensor {
  return apply(conv2dOp, [x, weight, bias], options);
}
