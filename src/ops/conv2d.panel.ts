/** The convolutions by the `panel` kernels, for adapters that run on the CPU. */
import type { Tune } from "../runtime/programs.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumSlabs } from "./accumulate.ts";
import { imageParams } from "./conv2d.geometry.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";
import { panelProduct } from "./matmul.panel.ts";
import { cutFromFours, padToFours, resizeAxis, toFour } from "./panels.ts";
import { panelTile, splitCount } from "./variants.ts";

/** Unrecorded y = conv(x, w) + bias. */
export function panelForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry, tune: Tune): Tensor {
  const pixels = g.n * g.oh * g.ow;
  if (isProduct(g)) {
    const size = { batch: 1, m: pixels, n: g.outChannels, k: g.inChannels, transposeA: false, transposeB: false };
    return panelProduct(x, w, bias, size, [g.n, g.oh, g.ow, g.outChannels], tune);
  }
  const groupIn = g.inChannels / g.groups;
  const groupOut = g.outChannels / g.groups;
  const columns = toFour(groupOut);
  const { rows, cols } = panelTile(tune);
  const EACH = groupIn % 4 !== 0 && g.groups === 1 && g.dilation[1] === 1;
  const run = g.kernel[1] * groupIn;
  const maps = EACH ? x.detach() : padToFours(x, g.groups);
  const kernels = w.view(EACH ? [g.kernel[0], 1, run, groupOut] : w.shape);
  const y = Tensor.empty(x.gpu, [g.n, g.oh, g.ow, g.groups * columns]);
  x.gpu.run("conv2d_panel", { x: maps, x_each: maps, w: weightTexels(kernels, g.groups), bias: bias ?? x, y }, {
    grid: [Math.ceil(pixels / rows), Math.ceil(columns / cols), g.groups],
    params: {
      ...imageParams(g),
      ...windowParams(g),
      ...{ in_channels: maps.shape[3], out_channels: g.groups * columns },
      ...{ group_in: EACH ? run : toFour(groupIn), group_out: columns, group_bias: bias ? groupOut : 0 },
      kw: kernels.shape[1],
    },
    constants: { EACH },
    tune,
  });
  [maps, kernels].forEach((tensor) => tensor.release());
  return cutFromFours(y, groupOut, g.groups);
}

/** Unrecorded gradient of the input. */
export function panelBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry, tune: Tune): Tensor {
  const shape = [g.n, g.h, g.w, g.inChannels];
  if (isProduct(g)) {
    const size = { batch: 1, m: g.n * g.h * g.w, n: g.inChannels, k: g.outChannels };
    return panelProduct(dy, w, null, { ...size, transposeA: false, transposeB: true }, shape, tune);
  }
  const groupIn = g.inChannels / g.groups;
  const groupOut = g.outChannels / g.groups;
  const columns = toFour(groupIn);
  const { rows, cols } = panelTile(tune);
  const [phasesY, phasesX] = [0, 1].map((axis) => phasesMet(g, axis as 0 | 1));
  const padded = shape.with(3, g.groups * columns);
  const isWhole = phasesY === g.stride[0] && phasesX === g.stride[1];
  const dx = isWhole ? Tensor.empty(dy.gpu, padded) : Tensor.zeros(dy.gpu, padded);
  const phasePixels = g.n * Math.ceil(g.h / g.stride[0]) * Math.ceil(g.w / g.stride[1]);
  dy.gpu.run("conv2d_backward_input_panel", { dy, dy_each: dy, w: weightTexels(w, g.groups), dx }, {
    grid: [Math.ceil(columns / cols), Math.ceil(phasePixels / rows), g.groups * phasesY * phasesX],
    params: {
      ...imageParams(g),
      ...windowParams(g),
      ...{ in_channels: g.groups * columns, out_channels: g.outChannels, groups: g.groups },
      ...{ group_in: columns, group_out: groupOut, phases_x: phasesX },
    },
    constants: { EACH: groupOut % 4 !== 0 },
    tune,
  });
  return cutFromFours(dx, groupIn, g.groups);
}

/** Unrecorded gradient of the weights. */
export function panelBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry, tune: Tune): Tensor {
  const pixels = g.n * g.oh * g.ow;
  if (isProduct(g)) {
    const size = { batch: 1, m: g.inChannels, n: g.outChannels, k: pixels, transposeA: true, transposeB: false };
    return panelProduct(x, dy, null, size, [1, 1, g.inChannels, g.outChannels], tune);
  }
  const groupIn = toFour(g.inChannels / g.groups);
  const groupOut = toFour(g.outChannels / g.groups);
  const { rows, cols } = panelTile(tune);
  const across = Math.ceil(groupOut / cols);
  const down = Math.ceil((g.kernel[0] * g.kernel[1] * groupIn) / rows);
  const splits = splitCount(x.gpu, across * down * g.groups, pixels);
  const maps = padToFours(x, g.groups);
  const gradients = padToFours(dy, g.groups);
  const shape = [...g.kernel, groupIn, g.groups * groupOut];
  const slabs = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run("conv2d_backward_weight_panel", { x: maps, dy: x.gpu.asTexels(gradients, gradients.size), dw: slabs }, {
    grid: [across, down, g.groups * splits],
    params: {
      ...imageParams(g),
      ...windowParams(g),
      ...{ in_channels: g.groups * groupIn, out_channels: g.groups * groupOut, groups: g.groups, splits },
    },
    tune,
  });
  [maps, gradients].forEach((tensor) => tensor.release());
  const dw = cutFromFours(sumSlabs(slabs, shape), g.outChannels / g.groups, g.groups);
  return resizeAxis(dw, 2, g.inChannels / g.groups);
}

/** Whether it is one matrix product of pixels and weights. */
function isProduct({ kernel, stride, padding, groups }: Conv2dGeometry): boolean {
  return groups === 1 && [...kernel, ...stride].every((n) => n === 1) && padding.every((n) => n === 0);
}

/** Phases of a stride that a tap of the window meets: those of the first taps, until they repeat. */
function phasesMet({ kernel, stride, dilation }: Conv2dGeometry, axis: 0 | 1): number {
  return new Set(Array.from({ length: kernel[axis] }, (_, tap) => (tap * dilation[axis]) % stride[axis])).size;
}

/** The weights with channels padded to fours, in and out of each group. */
function weightTexels(w: Tensor, groups: number) {
  const whole = resizeAxis(padToFours(w, groups), 2, toFour(w.shape[2]));
  const texels = w.gpu.asTexels(whole, whole.size);
  whole.release();
  return texels;
}

function windowParams({ kernel, stride, padding, dilation }: Conv2dGeometry) {
  return {
    ...{ kh: kernel[0], kw: kernel[1], stride_y: stride[0], stride_x: stride[1] },
    ...{ pad_y: padding[0], pad_x: padding[1], dil_y: dilation[0], dil_x: dilation[1] },
  };
}
