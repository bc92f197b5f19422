/**
 * Tensors, and kernels called by name, over a GPUDevice: one that you bring (from `navigator.gpu`, Deno, anywhere), or in
 * Node alone one that `openDevice` opens on Dawn.
 *
 * @module mcibi-webgpu/runtime
 */
export * from "./index.runtime.ts";
export { NoAdapterError, openDevice } from "./device/open.node.ts";
export type { OpenDevice, OpenOptions } from "./device/open.node.ts";
export { kernelsOnDisk } from "./runtime/source.node.ts";
