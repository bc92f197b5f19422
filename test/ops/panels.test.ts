/** Second panels of the `panel` kernels, which only large products get: against the base kernels, at edges that they share. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { backward } from "../../src/ops/define.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { sharedDevice, testGpu } from "../support/gpu.ts";

const wave = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1.7 * i));

/** y and the gradients of both operands. Channels and pixels end within the first or the second panel. */
async function results(gpu: Gpu): Promise<Float32Array[]> {
  using _arena = gpu.arena();
  const leaf = (...shape: number[]): Tensor => Tensor.from(gpu, wave(shape.reduce((a, b) => a * b)), shape).requireGrad();
  const layers = [
    { x: leaf(2, 7, 9, 40), w: leaf(3, 3, 40, 44), stride: [1, 1], padding: [2, 2], dilation: [2, 2] },
    { x: leaf(1, 13, 9, 3), w: leaf(3, 3, 3, 70), stride: [2, 2], padding: [1, 1], dilation: [1, 1] },
    { x: leaf(1, 9, 9, 70), w: leaf(1, 1, 70, 37), stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
  ] as const;
  const products = layers.map(({ x, w, ...options }) => ({ leaves: [x, w], y: conv2d(x, w, null, options) }));
  const a = leaf(2, 45, 68);
  const b = leaf(2, 68, 72);
  products.push({ leaves: [a, b], y: matmul(a, b) });
  const all: Float32Array[] = [];
  for (const { leaves, y } of products) {
    all.push((await y.data()) as Float32Array);
    backward(y, { grad: Tensor.from(gpu, wave(y.size).reverse(), y.shape) });
    for (const { grad } of leaves) all.push((await grad!.data()) as Float32Array);
  }
  return all;
}

test("two panels at once agree with the base kernels", async () => {
  const { device } = await sharedDevice();
  const base = await results(await testGpu({ guarded: true, variants: { conv2d: "tiled", matmul: "tiled" } }));
  const tuned = { get: (kernel: string) => ({ kernel: `${kernel}_panel`, tune: { LANES: 8, PANELS: 2 } }) };
  const gpu = new Gpu({ device, kernels: kernelsOnDisk, guarded: true, tuned });
  const found = await results(gpu);
  base.forEach((want, i) => {
    const far = want.findIndex((value, at) => !(Math.abs(value - found[i][at]) <= 1e-4 * Math.max(1, Math.abs(value))));
    assert.is(far, -1, `result ${i}, number ${far}: ${found[i][far]}, ${want[far]} by the base kernel`);
  });
  assert.is((await gpu.trim(), gpu.memory.live), 0);
});

test.run();
