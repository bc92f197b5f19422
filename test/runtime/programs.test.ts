import { test } from "uvu";
import * as assert from "uvu/assert";
import { Gpu } from "../../src/runtime/gpu.ts";
import { Programs } from "../../src/runtime/programs.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { sharedDevice } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";

async function programs(source = kernelsOnDisk): Promise<Programs> {
  return new Programs((await sharedDevice()).device, source);
}

test("constants without default must be given, others may be left out", async () => {
  const cache = await programs();
  await assertRejects(
    () => cache.get("activation.forward", { SLOPE: 0.1 }, {}),
    Error,
    "activation.forward: constant OP is required",
  );
  await cache.get("activation.forward", { OP: 1 }, {}).ready;
});

test("constants that the kernel does not have, and values that are no numbers, are refused", async () => {
  const cache = await programs();
  await assertRejects(() => cache.get("activation.forward", { OP: 0, SPEED: 9 }, {}), Error, "no override SPEED");
  await assertRejects(() => cache.get("activation.forward", { OP: NaN }, {}), Error, "constant OP is NaN");
});

test("a pipeline is compiled once per kernel, constants and tile sizes", async () => {
  const cache = await programs();
  const one = cache.get("activation.forward", { OP: 0 }, {});
  assert.is(cache.get("activation.forward", { OP: 0 }, {}), one);
  assert.is.not(cache.get("activation.forward", { OP: 1 }, {}), one);
  assert.is.not(cache.get("activation.backward", { OP: 0 }, {}), one);
  assert.is(cache.count, 3);
  await Promise.all([
    cache.get("activation.forward", { OP: 1 }, {}).ready,
    cache.get("activation.backward", { OP: 0 }, {}).ready,
  ]);
});

test("an error shows file, line and the numbered source around it", async () => {
  const broken = (file: string) => kernelsOnDisk(file).replace("fn forward(", "fn forward(nonsense: Unknown, ");
  const line =
    kernelsOnDisk("activation")
      .split("\n")
      .findIndex((text) => text.startsWith("fn forward(")) + 1;
  await assertRejects(
    async () => (await programs(broken)).get("activation.forward", { OP: 0 }, {}).ready,
    Error,
    'Cannot compile activation.wgsl (forward) with {"OP":0}',
    `kernels/activation.wgsl:${line}:`,
    "unresolved type 'Unknown'",
    `${line} | fn forward(nonsense: Unknown, `,
    `${line - 1} | `,
  );
});

test("a kernel that does not compile fails the submit that needs it, and the next one works", async () => {
  const { device, check } = await sharedDevice();
  const gpu = new Gpu({
    device,
    kernels: (file) =>
      file === "activation" ? "@compute @workgroup_size(64) fn forward() { nonsense }" : kernelsOnDisk(file),
  });
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, -2], [2]);
  const y = Tensor.empty(gpu, [2]);
  gpu.run("activation.forward", { x, y }, { elements: 1, params: { count: 2 }, constants: { OP: 0 } });
  await assertRejects(() => gpu.submit(), Error, "Cannot compile activation.wgsl");
  assert.throws(check, /nonsense/); // Dawn reports the module as an error of the device as well
  assert.equal([...(await x.data())], [1, -2]);
});

test("features that a kernel enables are asked of the device", async () => {
  const { device } = await sharedDevice();
  const plain = new Proxy(device, {
    get: (target, key) => (key === "features" ? new Set() : (target[key as keyof GPUDevice] as unknown)),
  });
  await assertRejects(
    () => new Programs(plain, kernelsOnDisk).get("matmul_panel", { TRANSPOSE_A: false, TRANSPOSE_B: false }, {}),
    Error,
    'kernels/matmul_panel.wgsl needs the feature "subgroups", which this device does not have',
  );
});

test.run();
