/** The convolutions by the `blocked` kernels, for GPUs. */
import { Tensor } from "../tensor/tensor.ts";
import { sumSlabs } from "./accumulate.ts";
import { channelsPerGroup, imageParams, layerConstants } from "./conv2d.geometry.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";
import { blockedPlan } from "./variants.ts";

/** Unrecorded y = conv(x, w) + bias. */
export function blockedForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry): Tensor {
  const [groupIn, groupOut] = channelsPerGroup(g);
  const shape = [g.n, g.oh, g.ow, g.outChannels];
  const size = { rows: g.n * g.oh * g.ow, cols: groupOut, slices: g.groups, depth: taps(g) * groupIn };
  const { tune, tiles, splits } = blockedPlan(x.gpu, size);
  const y = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run("conv2d_blocked", { x, w, bias: bias ?? w, y }, {
    grid: [...tiles, g.groups * splits],
    params: { ...imageParams(g), splits },
    constants: { ...layerConstants(g), HAS_BIAS: bias !== null },
    tune,
  });
  return sumSlabs(y, shape);
}

/** Unrecorded gradient of the input. */
export function blockedBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry): Tensor {
  const [groupIn, groupOut] = channelsPerGroup(g);
  const [sy, sx] = g.stride;
  const shape = [g.n, g.h, g.w, g.inChannels];
  const phasePixels = g.n * Math.ceil(g.h / sy) * Math.ceil(g.w / sx);
  const phases = sy * sx; // each meets as large a share of the taps
  const size = { rows: phasePixels, cols: groupIn, slices: g.groups * phases, depth: (taps(g) * groupOut) / phases };
  const { tune, tiles, splits } = blockedPlan(dy.gpu, size);
  const dx = Tensor.empty(dy.gpu, [splits, ...shape]);
  dy.gpu.run("conv2d_backward_input_blocked", { dy, w, dx }, {
    grid: [...tiles, size.slices * splits],
    params: { ...imageParams(g), splits },
    constants: layerConstants(g),
    tune,
  });
  return sumSlabs(dx, shape);
}

/** Unrecorded gradient of the weights. */
export function blockedBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry): Tensor {
  const [groupIn, groupOut] = channelsPerGroup(g);
  const shape = [...g.kernel, groupIn, g.outChannels];
  const lines = g.n * g.oh;
  const size = { rows: taps(g) * groupIn, cols: groupOut, slices: g.groups, depth: lines * g.ow };
  const { tune, tiles, splits: wanted } = blockedPlan(x.gpu, size);
  const splits = Math.min(wanted, lines);
  const dw = Tensor.empty(x.gpu, [splits, ...shape]);
  x.gpu.run("conv2d_backward_weight_blocked", { x, dy, dw }, {
    grid: [...tiles, g.groups * splits],
    params: { ...imageParams(g), splits },
    constants: layerConstants(g),
    tune,
  });
  return sumSlabs(dw, shape);
}

const taps = ({ kernel }: Conv2dGeometry): number => kernel[0] * kernel[1];
