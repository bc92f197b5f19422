import { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { sumSlabs } from "./accumulate.ts";
import { arithmetic } from "./broadcast.ts";
import { bandsBackwardInput, bandsBackwardWeight, bandsForward, isWhole } from "./conv2d.bands.ts";
import { blockedBackwardInput, blockedBackwardWeight, blockedForward } from "./conv2d.blocked.ts";
import { conv2dGeometry, conv2dProduct, imageParams, layerConstants } from "./conv2d.geometry.ts";
import type { Conv2dGeometry, Conv2dOptions } from "./conv2d.geometry.ts";
import { panelBackwardInput, panelBackwardWeight, panelForward } from "./conv2d.panel.ts";
import { referenceConv2d } from "./conv2d.reference.ts";
import { sum } from "./reduce.ts";
import { GEMM_VARIANTS, TILE, gemmChoice, splitCount } from "./variants.ts";

/** Unrecorded y = conv(x, w) + bias. */
export function conv2dForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry): Tensor {
  if (isWhole(x, g)) return forward(x, w, bias, g);
  const y = bandsForward(x, w, g, (x, w, band) => forward(x, w, null, band));
  if (!bias) return y;
  const biased = arithmetic("add", y, bias);
  y.release();
  return biased;
}

function forward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry): Tensor {
  const { variant, tune } = gemmChoice(x.gpu, conv2dProduct("conv2d", g));
  if (variant === "panel") return panelForward(x, w, bias, g, tune);
  if (variant === "blocked") return blockedForward(x, w, bias, g, tune);
  const y = Tensor.empty(x.gpu, [g.n, g.oh, g.ow, g.outChannels]);
  x.gpu.run("conv2d", { x, w, bias: bias ?? w, y }, {
    grid: [Math.ceil(g.outChannels / g.groups / TILE.cols), Math.ceil((g.n * g.oh * g.ow) / TILE.rows), g.groups],
    params: imageParams(g),
    constants: { ...layerConstants(g), HAS_BIAS: bias !== null },
  });
  return y;
}

/** Unrecorded gradient of the input. */
export function conv2dBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry): Tensor {
  return isWhole(dy, g) ? backwardInput(dy, w, g) : bandsBackwardInput(dy, w, g, backwardInput);
}

function backwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry): Tensor {
  const { variant, tune } = gemmChoice(dy.gpu, conv2dProduct("conv2d_backward_input", g));
  if (variant === "panel") return panelBackwardInput(dy, w, g, tune);
  if (variant === "blocked") return blockedBackwardInput(dy, w, g, tune);
  const [sy, sx] = g.stride;
  const dx = Tensor.empty(dy.gpu, [g.n, g.h, g.w, g.inChannels]);
  const phasePixels = g.n * Math.ceil(g.h / sy) * Math.ceil(g.w / sx);
  dy.gpu.run("conv2d_backward_input", { dy, w, dx }, {
    grid: [Math.ceil(g.inChannels / g.groups / TILE.cols), Math.ceil(phasePixels / TILE.rows), g.groups * sy * sx],
    params: imageParams(g),
    constants: layerConstants(g),
  });
  return dx;
}

/** Unrecorded gradient of the weights. */
export function conv2dBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry): Tensor {
  return isWhole(x, g) ? backwardWeight(x, dy, g) : bandsBackwardWeight(x, dy, g, backwardWeight);
}

function backwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry): Tensor {
  const { variant, tune } = gemmChoice(x.gpu, conv2dProduct("conv2d_backward_weight", g));
  if (variant === "panel") return panelBackwardWeight(x, dy, g, tune);
  if (variant === "blocked") return blockedBackwardWeight(x, dy, g, tune);
  const shape = [...g.kernel, g.inChannels / g.groups, g.outChannels];
  const across = Math.ceil(g.outChannels / g.groups / TILE.cols);
  const down = Math.ceil((g.kernel[0] * g.kernel[1] * g.inChannels) / g.groups / TILE.rows);
  const lines = g.n * g.oh;
  const splits = Math.min(splitCount(x.gpu, across * down * g.groups, lines * g.ow), lines);
  const dw = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run("conv2d_backward_weight", { x, dy, dw }, {
    grid: [across, down, g.groups * splits],
    params: { ...imageParams(g), splits },
    constants: layerConstants(g),
  });
  return sumSlabs(dw, shape);
}

const geometryOf = (x: Shape, w: Shape, bias: Shape | null | undefined, options: Conv2dOptions) =>
  conv2dGeometry(x, w, bias ?? null, options);

const conv2dOp = defineOp<readonly [Tensor, Tensor, Tensor | null], Conv2dOptions>({
  name: "conv2d",
  variants: GEMM_VARIANTS,
  variant: (gpu, [x, w, bias], options) =>
    gemmChoice(gpu, conv2dProduct("conv2d", geometryOf(x!, w!, bias, options))).variant,
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
    { inputs: [[1, 2, 2, 66], [1, 1, 66, 65], [65]], options: {}, note: "1x1, more than one tile" },
    { inputs: [[1, 8, 8, 3], [4, 4, 3, 2], null], options: { stride: [3, 3] }, note: "even kernel, unread border" },
    { inputs: [[2, 17, 18, 1], [2, 2, 1, 1], null], options: {}, note: "split weight gradient" },
    { inputs: [[1, 4, 3, 2], [1, 1, 2, 2], null], options: { stride: [2, 2] }, note: "stride larger than the kernel" },
    { inputs: [[2, 5, 7, 4], [3, 3, 4, 8], [8]], options: { padding: [1, 1] }, note: "whole vectors" },
    {
      inputs: [[1, 9, 8, 8], [3, 2, 4, 8], [8]],
      options: { stride: [2, 3], padding: [2, 1], dilation: [1, 2], groups: 2 },
      note: "whole vectors, each axis its own",
    },
    { inputs: [[1, 6, 5, 4], [3, 3, 4, 4], null], options: { padding: [4, 4], dilation: [4, 4] }, note: "whole vectors" },
    { inputs: [[1, 3, 2, 68], [1, 1, 68, 20], [20]], options: {}, note: "whole vectors, more than one tile" },
    { inputs: [[1, 1, 2, 512], [1, 1, 512, 4], [4]], options: {}, note: "whole vectors, split sums" },
  ],
});

/**
 * Cross-correlation of x [n, h, w, in] with weight [kh, kw, in / groups, out] (HWIO), zero padding: [n, oh, ow, out] as
 * torch.nn.functional.conv2d.
 *
 * @throws Error with PyTorch's message where the shapes do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null = null, options: Conv2dOptions = {}): Tensor {
  return apply(conv2dOp, [x, weight, bias], options);
}
