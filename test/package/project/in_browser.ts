import { all } from "./all.ts";
// @ts-expect-error the bundler makes text of it
import activation from "mcibi-webgpu/kernels/activation.wgsl";

declare global {
  var mcibi: Promise<unknown>;
}

async function run(): Promise<unknown> {
  const adapter = await navigator.gpu.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  return all(await adapter.requestDevice(), activation as string);
}
globalThis.mcibi = run();
