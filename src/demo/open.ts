/** Opening the browser's WebGPU, and saying what to do where there is none. */
import { describe, reportAdapter } from "../device/capabilities.ts";
import type { AdapterReport } from "../device/capabilities.ts";
import { deviceDescriptor } from "../device/request.ts";
import { watchDevice } from "../device/watch.ts";
import texts from "../../kernels/*.wgsl";
import { UserError } from "../errors.ts";
import { Gpu } from "../runtime/gpu.ts";
import type { KernelSource } from "../runtime/kernels.ts";

/** Kernel text from the bundle. */
export const kernelsInside: KernelSource = (file) => texts[file];

export interface OpenedGpu {
  readonly gpu: Gpu;
  readonly info: AdapterReport;
  /** The adapter in words. */
  readonly adapter: string;
  /** Throws what the device has reported since the last call. */
  check(): void;
}

/** @throws UserError saying why there is no device, and what would help */
export async function openGpu(): Promise<OpenedGpu> {
  if (!navigator.gpu) {
    throw new UserError(
      isSecureContext
        ? "This browser has no WebGPU. Chrome and Edge have it from version 113 on, Safari from 26, Firefox from 141 " +
          "on Windows and 145 on macOS. In Chrome on Linux, switch on chrome://flags/#enable-unsafe-webgpu."
        : "Browsers allow WebGPU on https and on localhost only: open this page as http://localhost.",
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new UserError(
      "This browser knows WebGPU but offers no adapter for it. Switch on hardware acceleration in its settings and " +
        "update the graphics driver; chrome://gpu says what it lacks. Chrome on Linux may need " +
        "chrome://flags/#enable-unsafe-webgpu. Without a GPU, Chrome started with --enable-unsafe-webgpu " +
        "--use-webgpu-adapter=swiftshader computes on the processor, slowly.",
    );
  }
  const device = await adapter.requestDevice(deviceDescriptor(adapter));
  const info = reportAdapter(adapter.info, adapter.features);
  return {
    gpu: new Gpu({ device, kernels: kernelsInside }),
    info,
    adapter: describe(info),
    check: watchDevice(device).check,
  };
}
