import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { create } from "webgpu";
import { NoAdapterError, openDevice, type OpenOptions } from "../../src/device/open.node.ts";
import { DeviceError, DeviceLostError } from "../../src/device/watch.ts";
import { UserError } from "../../src/errors.ts";
import { sharedDevice } from "../support/gpu.ts";

// Sets the machine up if need be, which the plain `openDevice` of these tests does not.
test.before(async () => void (await sharedDevice()));

/** A value that one invocation of a shader computes; `zero` in its body is 0 without the compiler knowing. */
async function compute(device: GPUDevice, declarations: string, body: string): Promise<number> {
  const code = `@group(0) @binding(0) var<storage, read_write> result: array<u32, 2>;
    ${declarations}
    @compute @workgroup_size(1) fn main() { let zero = result[1]; ${body} }`;
  const module = device.createShaderModule({ code });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const result = device.createBuffer({ size: 8, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const readback = device.createBuffer({ size: 8, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const entries = [{ binding: 0, resource: { buffer: result } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(result, 0, readback, 0, 8);
  device.queue.submit([encoder.finish()]);
  await readback.mapAsync(GPUMapMode.READ);
  return new Uint32Array(readback.getMappedRange())[0];
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected a rejection");
}

test("device: an opened device computes", async () => {
  const { device, close } = await openDevice();
  assert.is(await compute(device, "", "result[0] = zero + 42u;"), 42);
  close();
});

test("device: it has all of the adapter's limits, and timestamps only on demand", async () => {
  const adapter = (await create([]).requestAdapter())!;
  const plain = await openDevice();
  for (const name in adapter.limits) {
    const limit = name as keyof GPUSupportedLimits;
    assert.is(plain.device.limits[limit], adapter.limits[limit], name);
  }
  assert.not(plain.device.features.has("timestamp-query"));
  plain.close();
  if (adapter.features.has("timestamp-query")) {
    const profiled = await openDevice({ profile: true });
    assert.ok(profiled.device.features.has("timestamp-query"));
    profiled.close();
  } else {
    assert.instance(await failure(openDevice({ profile: true })), UserError);
  }
});

test("device: an error that no call returned comes out of check, once, or else out of close", async () => {
  const { device, check, close } = await openDevice();
  const mistake = () => device.createBuffer({ label: "mistake", size: 4, usage: 0 });
  check();
  mistake();
  await device.queue.onSubmittedWorkDone();
  assert.throws(check, (error: Error) => error instanceof DeviceError && error.message.includes("mistake"));
  check();
  for (let i = 0; i < 10; i++) mistake();
  await device.queue.onSubmittedWorkDone();
  assert.throws(close, (error: Error) => error instanceof DeviceError && error.message.endsWith("(and 2 more)"));
  close();
});

test("device: use after close fails with one clear error", async () => {
  const { device, check, close } = await openDevice();
  close();
  for (const use of [
    () => device.createBuffer({ size: 4, usage: GPUBufferUsage.STORAGE }),
    () => device.createCommandEncoder(),
    () => device.queue.submit([]),
    check,
  ]) {
    assert.throws(use, (error: Error) => error instanceof DeviceLostError && error.message.includes("closed"));
  }
  assert.instance(await failure(device.queue.onSubmittedWorkDone()), DeviceLostError);
});

test("device: so does use after a loss", async () => {
  const { device, check, close } = await openDevice();
  device.destroy();
  await device.lost;
  assert.throws(() => device.createCommandEncoder(), (error: Error) => error instanceof DeviceLostError);
  assert.throws(check, (error: Error) => error instanceof DeviceLostError && error.message.includes("destroyed"));
  assert.throws(close, (error: Error) => error instanceof DeviceLostError);
});

test("device: robustness keeps a stray index inside its array, and can be switched off", async () => {
  const declarations = "var<workgroup> small: array<u32, 4>; var<workgroup> next: array<u32, 64>;";
  const body = `
    for (var i = 0u; i < 4u; i++) { small[i] = i; }
    for (var i = 0u; i < 64u; i++) { next[i] = 100u + i; }
    result[0] = small[zero + 10u] + next[zero + 1u] - 101u;`;
  const stray = async (options: OpenOptions) => {
    const { device, close } = await openDevice(options);
    const value = await compute(device, declarations, body);
    close();
    return value;
  };
  assert.ok((await stray({})) < 4);
  const { info } = await sharedDevice();
  // Anything may happen without bounds checks; what happens on Mesa's software driver is known and harmless.
  if (info.vendor !== "mesa" || !info.isSoftware) return console.log("  skipped on this adapter: without robustness");
  assert.ok((await stray({ robustness: false })) >= 4);
});

test("device: toggles reach Dawn, to switch on and to switch off", async () => {
  assert.ok(await validates({}));
  assert.not(await validates({ toggles: ["skip_validation"] }));
  assert.ok(await validates({ toggles: ["-skip_validation"] }));
});

/** Whether Dawn minds a copy of a buffer onto itself. */
async function validates(options: OpenOptions): Promise<boolean> {
  const { device, close } = await openDevice(options);
  const buffer = device.createBuffer({ size: 64, usage: GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
  device.pushErrorScope("validation");
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, buffer, 32, 16);
  encoder.finish();
  const error = await device.popErrorScope();
  close();
  return error !== null;
}

test("device: an adapter that is not there is named, with those that are", async () => {
  const error = await failure(openDevice({ adapter: "no such card" }));
  assert.instance(error, UserError);
  assert.not.instance(error, NoAdapterError);
  assert.match(error.message, /"no such card".*Available adapters/s);
});

/** Runs a script in a process of its own, as this one runs TypeScript. */
function runScript(script: string, env: Record<string, string> = {}) {
  const args = [...process.execArgv, "--input-type=module", "--eval", script];
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout: 20_000, env: { ...process.env, ...env } });
}

const open = JSON.stringify(new URL("../../src/device/open.node.ts", import.meta.url).href);

test("device: a process ends by itself once its device is closed", () => {
  const script = `const { openDevice } = await import(${open});
    const { device, close } = await openDevice();
    await device.queue.onSubmittedWorkDone();
    close();
    console.log("closed");`;
  const { status, stdout, stderr } = runScript(script);
  assert.is(stdout, "closed\n", stderr);
  assert.is(status, 0, "it had to be killed");
});

test("device: no adapter at all is an error of its own", () => {
  if (process.platform !== "linux") return console.log("  skipped: drivers can be hidden on Linux only");
  const script = `const { openDevice } = await import(${open});
    await openDevice().catch((error) => console.log(error.name, error.message));`;
  const hidden = { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" };
  assert.match(runScript(script, hidden).stdout, /^NoAdapterError no WebGPU adapter.*mesa-vulkan-drivers/);
});

test.run();
