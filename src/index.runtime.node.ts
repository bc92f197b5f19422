/** `mcibi-webgpu/runtime` in Node: with Dawn to open, and kernels read from the package's folder. */
export * from "./index.runtime.ts";
export { NoAdapterError, openDevice } from "./device/open.node.ts";
export type { OpenDevice, OpenOptions } from "./device/open.node.ts";
export { kernelsOnDisk } from "./runtime/source.node.ts";
