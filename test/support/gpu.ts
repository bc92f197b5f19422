/** One device for the whole test process, and runtimes over it. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { openDeviceOrSetUp } from "../../src/device/setup.node.ts";
import type { OpenDevice } from "../../src/device/open.node.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import type { GpuOptions } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";

let opened: Promise<OpenDevice> | null = null;

export function sharedDevice(): Promise<OpenDevice> {
  return (opened ??= openDeviceOrSetUp({}));
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const runtimes = new Map<string, Gpu>();

/**
 * Bind groups that all of them may keep together: each is a memory mapping of its own on Mesa's software driver, and Linux
 * allows a process 65530 of them.
 */
const MOST_GROUPS = 8192;

/** A runtime of these options; tests that ask for the same ones share it, and so its compiled pipelines. */
export async function testGpu(options: Pick<GpuOptions, "guarded" | "variants" | "maxBinding"> = {}): Promise<Gpu> {
  const { device } = await sharedDevice();
  const key = JSON.stringify(options);
  const gpu = runtimes.get(key) ?? new Gpu({ device, kernels: kernelsOnDisk, ...options });
  runtimes.set(key, gpu);
  const all = [...runtimes.values()];
  if (all.reduce((sum, { bindGroups }) => sum + bindGroups, 0) > MOST_GROUPS) {
    for (const each of all) await each.trim();
    collectGarbage(); // only then are they gone
  }
  return gpu;
}

/** Fails with whatever validation errors the device has reported since the last call. */
export async function checkDevice(): Promise<void> {
  const { device, check } = await sharedDevice();
  await device.queue.onSubmittedWorkDone();
  check();
}

export async function closeSharedDevice(): Promise<void> {
  const device = opened;
  opened = null;
  (await device)?.close();
}
