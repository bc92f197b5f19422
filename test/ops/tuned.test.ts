/** The tables of measured choices are read whole or not at all. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { readTables, tunedFor, tunedFrom } from "../../src/ops/tuned.ts";
import { adapterFamily } from "../../src/device/capabilities.ts";
import { assertRejects } from "../support/throws.ts";

const good = {
  "mesa-software-8": {
    conv2d: { "1x8192x64x512": { kernel: "conv2d_panel", tune: { LANES: 4, PANELS: 1 } }, "1x1x1x1": { kernel: "conv2d", tune: {} } },
    sgd_vec4: { "1024": { kernel: "sgd_vec4", tune: { VECTORS: 2 } } },
  },
};

test("a table answers for its family, kernel and shape", () => {
  const tables = readTables(good, "good.json");
  const tuned = tunedFrom(tables, "mesa-software-8");
  assert.equal(tuned.get("conv2d", "1x8192x64x512"), { kernel: "conv2d_panel", tune: { LANES: 4, PANELS: 1 } });
  assert.is(tuned.get("conv2d", "1x8192x64x256"), undefined);
  assert.is(tuned.get("matmul", "1x8192x64x512"), undefined);
  assert.is(tunedFrom(tables, "nvidia-hopper").get("conv2d", "1x8192x64x512"), undefined);
});

test("every stale or malformed entry is named, with its file", async () => {
  const cases: readonly (readonly [value: unknown, part: string])[] = [
    [{ f: { conv3d: { 1: good } } }, "f conv3d 1: there is no kernels/conv3d.wgsl"],
    [{ f: { conv2d: { 1: { kernel: "matmul_panel", tune: {} } } } }, "matmul_panel is none of conv2d, conv2d_blocked"],
    [{ f: { conv2d: { 1: { kernel: "conv2d_backward_input", tune: {} } } } }, "conv2d_backward_input is none of"],
    [{ f: { conv2d: { 1: { kernel: "conv2d_panel", tune: { LINES: 4 } } } } }, "conv2d_panel has no @tune constant LINES"],
    [{ f: { conv2d: { 1: { kernel: "conv2d_panel", tune: {} } } } }, "LANES is undefined; conv2d_panel offers"],
    [{ f: { conv2d: { 1: { kernel: "conv2d_panel", tune: { LANES: 5, PANELS: 1 } } } } }, "LANES is 5; conv2d_panel offers"],
    [{ f: { conv2d: { 1: { kernel: "conv2d_panel" } } } }, "f conv2d 1: expected {"],
    [{ f: { conv2d: { 1: null } } }, "found null"],
    [{ f: [] }, "f: expected an object"],
    ["nothing", "the file: expected an object"],
  ];
  for (const [value, part] of cases) await assertRejects(() => readTables(value, "old.json"), UserError, "old.json", part);
  const two = { f: { conv3d: { 1: {} }, conv4d: { 2: {} } } };
  await assertRejects(() => readTables(two, "old.json"), UserError, "2 entries", "conv3d 1", "conv4d 2");
});

test("what comes with the ops fits the kernels", () => {
  assert.type(tunedFor("mesa-software-8").get, "function");
});

test("families are adapters that measure alike", () => {
  const family = (info: object) => adapterFamily(info as GPUAdapterInfo);
  assert.is(family({ vendor: "mesa", architecture: "software", subgroupMinSize: 8 }), "mesa-software-8");
  assert.is(family({ vendor: "nvidia", architecture: "hopper", subgroupMinSize: 32 }), "nvidia-hopper");
  assert.is(family({ vendor: "nvidia", architecture: "" }), "nvidia");
  assert.is(family({ vendor: "", architecture: "" }), "");
});

test.run();
