import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { gemmVariant } from "../../src/ops/variants.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { checkDevice, sharedDevice } from "../support/gpu.ts";

const { device } = await sharedDevice();
const gpu = new Gpu({ device, kernels: kernelsOnDisk });
const usesTexels = gemmVariant(gpu, "matmul", []) === "panel";
if (!usesTexels) console.log("skipped: operands as texels (this adapter does not choose kernels that read them)");
const testTexels = usesTexels ? test : test.skip;

const ramp = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => i % 8191);

testTexels("operands of less than a line, whole lines, and more of them in turn are all read whole, in one submit", async () => {
  using _arena = gpu.arena();
  const before = gpu.counters.submits;
  const one = Tensor.from(gpu, [1], [1, 1]);
  // A line is 4096 texels of 4 numbers. The texture grows while what was recorded before still needs the smaller one.
  const sizes = [12, 4 * 4096, 4 * 4096 + 4, 5 * 4 * 4096 - 8, 12];
  const copies = noGrad(() => sizes.map((n) => matmul(one, Tensor.from(gpu, ramp(n), [1, n]))));
  const values = copies.map((copy) => gpu.snapshot(copy, 4 * copy.size));
  await gpu.submit();
  for (const [i, n] of sizes.entries()) {
    assert.equal(new Float32Array(await values[i].fetch()), ramp(n), `${n} numbers`);
  }
  assert.is(gpu.counters.submits - before, 1);
});

testTexels("trimming gives the texture back", async () => {
  const held = gpu.memory.reserved;
  await gpu.trim();
  assert.ok(held >= 5 * 4096 * 16);
  assert.is(gpu.memory.reserved, 0);
  await checkDevice();
});

test.run();
