/** `mcibi-webgpu` in Node: everything of the browser entry, plus opening Dawn and reading kernels from disk. */
export * from "./index.browser.ts";
export * from "./index.runtime.node.ts";
