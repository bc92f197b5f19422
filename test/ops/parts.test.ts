/** How work is cut where kernels see less than a tensor; that the parts are right is checked in all.test.ts too. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { backward } from "../../src/ops/define.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { excerpt, inParts } from "../../src/ops/parts.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const LIMIT = 1024;

async function convolve(gpu: Gpu, dilation: number, stride: number) {
  using _arena = gpu.arena();
  const random = seededRandom(dilation);
  const numbers = (shape: number[]): Tensor => {
    return Tensor.from(gpu, Array.from({ length: shape.reduce((a, b) => a * b) }, () => normal(random)), shape);
  };
  const x = numbers([1, 24, 4, 8]).requireGrad();
  const w = numbers([3, 1, 8, 8]).requireGrad();
  const before = gpu.counters.dispatches;
  const y = conv2d(x, w, null, { padding: [dilation, 0], dilation: [dilation, 1], stride: [stride, 1] }).keep();
  const dispatches = gpu.counters.dispatches - before;
  backward(y, { grad: numbers([...y.shape]) });
  const results = await Promise.all([y, x.grad!, w.grad!].map((tensor) => tensor.data()));
  y.dispose();
  return { dispatches, results, shapes: [y.shape, x.shape, w.shape] };
}

for (const [dilation, stride, dispatches, how] of [
  [1, 1, 4, "bands of 6 rows and a border"],
  [1, 2, 4, "bands of 3 rows"],
  [6, 1, 2 * 9, "bands of 8 rows, for every row of the window, added up"],
] as const) {
  test(`a convolution of dilation ${dilation} and stride ${stride} in ${how}`, async () => {
    const whole = await convolve(await testGpu(), dilation, stride);
    const cut = await convolve(await testGpu({ maxBinding: LIMIT }), dilation, stride);
    assert.is(whole.dispatches, 1);
    assert.is(cut.dispatches, dispatches);
    cut.results.forEach((result, i) => {
      assertClose(`result ${i}`, result, whole.results[i], whole.shapes[i], { rtol: 1e-5, atol: 1e-5 });
    });
    await checkDevice();
  });
}

test("parts begin where they can be bound, and others are copies", async () => {
  const gpu = await testGpu({ maxBinding: LIMIT });
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, Float32Array.from({ length: 1000 }, (_, i) => i), [1000]);
  const y = Tensor.zeros(gpu, [1000]);
  const starts: number[] = [];
  inParts(1000, [x], [y], ([from], [to], count, first) => {
    starts.push(first);
    assert.is(from.storage.buffer, x.storage.buffer);
    gpu.copy(from, to, 4 * count);
  });
  assert.equal(starts, [0, 256, 512, 768]);
  assert.equal(await y.data(), await x.data());
  const odd = excerpt(x, 1, [2]);
  assert.is.not(odd.storage.buffer, x.storage.buffer);
  assert.equal([...(await odd.data())], [1, 2]);
});

test("dropout in parts draws what it draws as a whole", async () => {
  const [whole, cut] = await Promise.all(
    [undefined, LIMIT].map(async (maxBinding) => {
      const gpu = await testGpu(maxBinding ? { maxBinding } : {});
      using _arena = gpu.arena();
      return dropout(Tensor.from(gpu, new Float32Array(900).fill(1), [900]), { p: 0.5, seed: 7, offset: 1 }).data();
    }),
  );
  assert.equal(cut, whole);
});

test.run();
