/** Everything that the package is tried with, on a device from anywhere. */
import { kernelSource } from "mcibi-webgpu/kernels";
import { Gpu } from "mcibi-webgpu/runtime";
import { learnOutlines } from "./outlines.ts";
import { leakyRelu } from "./raw_kernel.ts";
import { headline, rectify } from "./typed_runtime.ts";

export async function all(device: GPUDevice, activation: string) {
  const gpu = new Gpu({ device, kernels: kernelSource });
  return {
    raw: await leakyRelu(device, activation, Float32Array.of(-1, 0, 2, -5, 3)),
    typed: await rectify(gpu, [[-1, 4, 2], [3, -2, -3]]),
    headline: headline("activation"),
    trained: await learnOutlines(gpu, 40),
  };
}
