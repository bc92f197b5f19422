/**
 * `mcibi-webgpu` without Node: bring a GPUDevice (from `navigator.gpu`, Deno, anywhere); `kernelSource` of
 * `mcibi-webgpu/kernels` has the text of the kernels.
 */
export * from "./index.models.ts";
export * from "./index.nn.ts";
export * from "./index.runtime.ts";
