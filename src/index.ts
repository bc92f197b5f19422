/** The library in Node: everything of the browser entry, plus opening Dawn and reading kernels from disk. */
export * from "./index.browser.ts";
export { openDevice } from "./device/open.node.ts";
export type { OpenDevice, OpenOptions } from "./device/open.node.ts";
export { kernelsOnDisk } from "./runtime/source.node.ts";
export { parseSafetensors, serializeSafetensors } from "./io/safetensors.ts";
