/**
 * What the WGSL files are called, what they take, and their text. `npm run build` makes another form of this module for
 * bundles, which has the text inside and touches no disk.
 *
 * @module mcibi-webgpu/kernels
 */
export { manifest } from "../kernels/manifest.ts";
export type {
  BindingName, ConstantValues, KernelEntry, KernelFile, KernelName, KernelSource, ParamValues,
} from "./runtime/kernels.ts";
export type { BindingAccess, BindingInfo, OverrideInfo, Scalar, TuneInfo } from "./runtime/parse.ts";
export { kernelsOnDisk as kernelSource } from "./runtime/source.node.ts";
