/** The convolutions by the `panel` kernels, for adapters that run on the CPU. */
import type { DispatchOptions } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumSlabs } from "./accumulate.ts";
import { imageParams } from "./conv2d.geometry.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";
import { cutFromFours, padToFours, resizeAxis, toFour } from "./panels.ts";
import { panelTile, splitCount } from "./variants.ts";

/** Unrecorded y = conv(x, w) + bias. */
export function panelForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry): Tensor {
  const { groupOut, params } = padded(g);
  const { rows, cols, tune } = panelTile(groupOut);
  const maps = padToFours(x, g.groups);
  const offsets = bias && padToFours(bias, g.groups);
  const y = Tensor.empty(x.gpu, [g.n, g.oh, g.ow, g.groups * groupOut]);
  x.gpu.run("conv2d_panel", { x: maps, w: weightTexels(w, g), bias: offsets ?? maps, y }, {
    grid: [Math.ceil(groupOut / cols), Math.ceil((g.n * g.oh * g.ow) / rows), g.groups],
    params: { ...params, has_bias: Number(bias !== null) },
    tune,
  });
  [maps, offsets].forEach((tensor) => tensor?.release());
  return cutFromFours(y, g.outChannels / g.groups, g.groups);
}

/** Unrecorded gradient of the input. */
export function panelBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry): Tensor {
  const { groupIn, params } = padded(g);
  const { rows, cols, tune } = panelTile(groupIn);
  const [sy, sx] = g.stride;
  const gradients = padToFours(dy, g.groups);
  const dx = Tensor.empty(dy.gpu, [g.n, g.h, g.w, g.groups * groupIn]);
  const phasePixels = g.n * Math.ceil(g.h / sy) * Math.ceil(g.w / sx);
  dy.gpu.run("conv2d_backward_input_panel", { dy: gradients, w: weightTexels(w, g), dx }, {
    grid: [Math.ceil(groupIn / cols), Math.ceil(phasePixels / rows), g.groups * sy * sx],
    params,
    tune,
  });
  gradients.release();
  return cutFromFours(dx, g.inChannels / g.groups, g.groups);
}

/** Unrecorded gradient of the weights. */
export function panelBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry): Tensor {
  const { groupIn, groupOut, params } = padded(g);
  const { rows, cols, tune } = panelTile(groupOut);
  const across = Math.ceil(groupOut / cols);
  const down = Math.ceil((g.kernel[0] * g.kernel[1] * groupIn) / rows);
  const splits = splitCount(x.gpu, across * down * g.groups, g.n * g.oh * g.ow);
  const maps = padToFours(x, g.groups);
  const gradients = padToFours(dy, g.groups);
  const shape = [...g.kernel, groupIn, g.groups * groupOut];
  const slabs = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run("conv2d_backward_weight_panel", { x: maps, dy: x.gpu.asTexels(gradients, gradients.size), dw: slabs }, {
    grid: [across, down, g.groups * splits],
    params: { ...params, splits },
    tune,
  });
  [maps, gradients].forEach((tensor) => tensor.release());
  const dw = cutFromFours(sumSlabs(slabs, shape), g.outChannels / g.groups, g.groups);
  return resizeAxis(dw, 2, g.inChannels / g.groups);
}

/** The weights, padded like the maps. */
function weightTexels(w: Tensor, g: Conv2dGeometry) {
  const whole = resizeAxis(padToFours(w, g.groups), 2, toFour(g.inChannels / g.groups));
  const texels = w.gpu.asTexels(whole, whole.size);
  whole.release();
  return texels;
}

/** Channels per group, padded, and the params with them. */
function padded(g: Conv2dGeometry) {
  const groupIn = toFour(g.inChannels / g.groups);
  const groupOut = toFour(g.outChannels / g.groups);
  const params: DispatchOptions<"conv2d_backward_input_panel">["params"] & object = {
    ...imageParams(g),
    in_channels: g.groups * groupIn,
    out_channels: g.groups * groupOut,
    groups: g.groups,
    kh: g.kernel[0],
    kw: g.kernel[1],
    stride_y: g.stride[0],
    stride_x: g.stride[1],
    pad_y: g.padding[0],
    pad_x: g.padding[1],
    dil_y: g.dilation[0],
    dil_x: g.dilation[1],
  };
  return { groupIn, groupOut, params };
}
