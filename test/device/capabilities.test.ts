import { test } from "uvu";
import * as assert from "uvu/assert";
import { capabilities, describe, reportAdapter } from "../../src/device/capabilities.ts";

const lavapipe = {
  vendor: "mesa",
  architecture: "software",
  device: "llvmpipe",
  description: "llvmpipe: Mesa 25.0.7",
  isFallbackAdapter: true,
  subgroupMinSize: 8,
  subgroupMaxSize: 8,
} as GPUAdapterInfo;

function device(info: Partial<GPUAdapterInfo>, features: string[]): GPUDevice {
  return {
    adapterInfo: { ...lavapipe, ...info },
    features: new Set(features),
    limits: { maxStorageBufferBindingSize: 1 << 27 },
  } as unknown as GPUDevice;
}

test("device: capabilities follow the device's features and limits", () => {
  assert.equal(capabilities(device({}, ["subgroups", "shader-f16"])), {
    hasSubgroups: true,
    subgroupSize: 8,
    hasF16: true,
    hasTimestamps: false,
    maxStorageBinding: 1 << 27,
    isSoftware: true,
  });
  assert.equal(capabilities(device({}, ["timestamp-query"])), {
    hasSubgroups: false,
    subgroupSize: undefined,
    hasF16: false,
    hasTimestamps: true,
    maxStorageBinding: 1 << 27,
    isSoftware: true,
  });
});

test("device: a subgroup size counts only where it is one number", () => {
  assert.is(capabilities(device({ subgroupMinSize: 8, subgroupMaxSize: 32 }, ["subgroups"])).subgroupSize, undefined);
  const silent = { subgroupMinSize: undefined, subgroupMaxSize: undefined };
  assert.is(capabilities(device(silent, ["subgroups"])).subgroupSize, undefined);
});

test("device: software adapters are told from GPUs", () => {
  const gpu = { isFallbackAdapter: false, vendor: "nvidia", architecture: "hopper" };
  assert.not(capabilities(device(gpu, [])).isSoftware);
  assert.ok(capabilities(device({ ...gpu, vendor: "google", architecture: "swiftshader" }, [])).isSoftware);
});

test("device: an adapter describes itself in one line", () => {
  const report = reportAdapter(lavapipe, ["subgroups", "shader-f16"]);
  assert.is(describe(report), "llvmpipe: Mesa 25.0.7 (mesa software, runs on the CPU, subgroups of 8, f16)");
  assert.equal(report.features, ["shader-f16", "subgroups"]);
  const shy = { vendor: "", architecture: "", device: "", description: "" } as GPUAdapterInfo;
  assert.is(describe(reportAdapter(shy, [])), "unnamed adapter");
  assert.is(reportAdapter(shy, []).subgroupMinSize, 0);
});

test.run();
