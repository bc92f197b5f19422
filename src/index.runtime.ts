/**
 * `mcibi-webgpu/runtime`: tensors, and kernels called by name, over a GPUDevice that you bring (from `navigator.gpu`,
 * Deno, anywhere). In Node there is `openDevice` besides, in index.runtime.node.ts.
 */
export { adapterFamily, capabilities, describe, reportAdapter } from "./device/capabilities.ts";
export type { AdapterReport, Capabilities } from "./device/capabilities.ts";
export { DeviceError, DeviceLostError, watchDevice } from "./device/watch.ts";
export type { DeviceWatch } from "./device/watch.ts";
export { UserError } from "./errors.ts";
export { Arena, Gpu } from "./runtime/gpu.ts";
export type { Bindable, Counters, DispatchOptions, GpuOptions, Readback } from "./runtime/gpu.ts";
export type { BindingName, ConstantValues, KernelName, KernelSource, ParamValues } from "./runtime/kernels.ts";
export type { MemoryUse } from "./runtime/memory.ts";
export { Tensor } from "./tensor/tensor.ts";
export type { Pair, Shape } from "./tensor/shape.ts";
export type { DType, TypedData } from "./tensor/tensor.ts";
