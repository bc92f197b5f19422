/** What `mcibi-webgpu/runtime` has everywhere; see index.runtime.node.ts. */
export { adapterFamily, capabilities, describe, reportAdapter } from "./device/capabilities.ts";
export type { AdapterReport, Capabilities } from "./device/capabilities.ts";
export { DeviceError, DeviceLostError, watchDevice } from "./device/watch.ts";
export type { DeviceWatch } from "./device/watch.ts";
export { UserError } from "./errors.ts";
export { Arena } from "./runtime/arena.ts";
export type { Ownable } from "./runtime/arena.ts";
export { Gpu } from "./runtime/gpu.ts";
export type { Bindable, Counters, DispatchOptions, GpuOptions, Readback } from "./runtime/gpu.ts";
export type { Choice, Decision, Tuned } from "./runtime/choice.ts";
export type { BindingName, ConstantValues, KernelName, KernelSource, ParamValues } from "./runtime/kernels.ts";
export type { MemoryUse, Storage } from "./runtime/memory.ts";
export type { Profile, ProfileRow } from "./runtime/profile.ts";
export type { Tune } from "./runtime/programs.ts";
export type { Scratch } from "./runtime/scratch.ts";
export { Tensor } from "./tensor/tensor.ts";
export type { Pair, Shape } from "./tensor/shape.ts";
export type { DType, TypedData } from "./tensor/tensor.ts";
