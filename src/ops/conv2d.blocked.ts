/** The convolutions by the `blocked` kernels, for GPUs. */
import type { Tune } from "../runtime/programs.ts";
import { Tensor } from "../tensor/tensor.ts";
import { sumSlabs } from "./accumulate.ts";
import { channelsPerGroup, conv2dProduct, imageParams, layerConstants } from "./conv2d.geometry.ts";
import type { Conv2dGeometry } from "./conv2d.geometry.ts";
import { blockedPlan } from "./variants.ts";

/** Unrecorded y = conv(x, w) + bias. */
export function blockedForward(x: Tensor, w: Tensor, bias: Tensor | null, g: Conv2dGeometry, tune: Tune): Tensor {
  const shape = [g.n, g.oh, g.ow, g.outChannels];
  const { tiles, splits } = blockedPlan(x.gpu, conv2dProduct("conv2d", g), tune);
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
export function blockedBackwardInput(dy: Tensor, w: Tensor, g: Conv2dGeometry, tune: Tune): Tensor {
  const shape = [g.n, g.h, g.w, g.inChannels];
  const size = conv2dProduct("conv2d_backward_input", g);
  const { tiles, splits } = blockedPlan(dy.gpu, size, tune);
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
export function blockedBackwardWeight(x: Tensor, dy: Tensor, g: Conv2dGeometry, tune: Tune): Tensor {
  const [groupIn] = channelsPerGroup(g);
  const shape = [...g.kernel, groupIn, g.outChannels];
  const lines = g.n * g.oh;
  const { tiles, splits: wanted } = blockedPlan(x.gpu, conv2dProduct("conv2d_backward_weight", g), tune);
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
