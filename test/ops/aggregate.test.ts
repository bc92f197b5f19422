/** What the memory gives to every pixel, and the gradient of that (METHOD.md 2.8). */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { aggregateMemory } from "../../src/ops/aggregate.ts";
import { backward } from "../../src/ops/define.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const [N, H, W, K, F, C] = [2, 3, 5, 7, 3, 6];
const PIXELS = N * H * W;
const random = seededRandom(11);
const numbers = (length: number) => Float32Array.from({ length }, () => normal(random));
const LOGITS = numbers(PIXELS * K);
const MEMORY = numbers(K * F * C);
const GRAD = numbers(PIXELS * C);

/** Mixing weights of a pixel, and what the memory's row of a class holds for a slot, in f64. */
function weightsOf(pixel: number): number[] {
  const logits = Array.from(LOGITS.subarray(pixel * K, (pixel + 1) * K));
  const exponentials = logits.map((z) => Math.exp(z - Math.max(...logits)));
  const total = exponentials.reduce((a, b) => a + b, 0);
  return exponentials.map((e) => e / total);
}
const row = (k: number, slot: number) => MEMORY.subarray((k * F + slot) * C, (k * F + slot + 1) * C);

for (const slot of [0, 2]) {
  test(`soft: expected row of slot ${slot}, gradient to the logits alone`, async () => {
    const gpu = await testGpu({ guarded: true });
    using _arena = gpu.arena();
    const logits = Tensor.from(gpu, LOGITS, [N, H, W, K]).requireGrad();
    const memory = Tensor.from(gpu, MEMORY, [K, F, C]).requireGrad();
    const out = aggregateMemory(logits, memory, slot, { hard: false }).keep();
    backward(out, { grad: Tensor.from(gpu, GRAD, out.shape) });

    const want = new Float64Array(PIXELS * C);
    const wantGrad = new Float64Array(PIXELS * K);
    for (let p = 0; p < PIXELS; p++) {
      const weights = weightsOf(p);
      const dWeights = weights.map((_, k) => row(k, slot).reduce((sum, m, c) => sum + m * GRAD[p * C + c], 0));
      const mean = weights.reduce((sum, w, k) => sum + w * dWeights[k], 0);
      for (let k = 0; k < K; k++) {
        row(k, slot).forEach((m, c) => (want[p * C + c] += weights[k] * m));
        wantGrad[p * K + k] = weights[k] * (dWeights[k] - mean);
      }
    }
    assert.equal(out.shape, [N, H, W, C]);
    assertClose("output", await out.data(), want, out.shape, { rtol: 2e-5, atol: 2e-6 });
    assertClose("gradient", await logits.grad!.data(), wantGrad, logits.shape, { rtol: 1e-4, atol: 1e-5 });
    assert.is(memory.grad, null);
    await checkDevice();
  });

  test(`hard: row of slot ${slot} of the most likely class, the first of equals, without gradient`, async () => {
    const gpu = await testGpu({ guarded: true });
    using _arena = gpu.arena();
    const tied = Float32Array.from(LOGITS);
    tied.fill(0.25, 0, K);
    const logits = Tensor.from(gpu, tied, [N, H, W, K]).requireGrad();
    const out = aggregateMemory(logits, Tensor.from(gpu, MEMORY, [K, F, C]), slot, { hard: true });
    const want = Array.from({ length: PIXELS }, (_, p) => {
      const own = Array.from(tied.subarray(p * K, (p + 1) * K));
      return Array.from(row(own.indexOf(Math.max(...own)), slot));
    });
    assert.equal(Array.from(await out.data()), want.flat());
    assert.is(out.node, null);
    await checkDevice();
  });
}

test("one slot: backward uses the memory of the forward, and says so where that has been overwritten", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const logits = Tensor.from(gpu, LOGITS, [N, H, W, K]).requireGrad();
  const memory = Tensor.from(gpu, MEMORY.subarray(0, K * C), [K, 1, C]);
  const out = aggregateMemory(logits, memory, 0, { hard: false });
  gpu.clear(memory);
  assert.throws(() => backward(out, { grad: Tensor.from(gpu, GRAD, out.shape) }), /modified by an inplace operation/);
});

test("asked to, backward takes the memory that there is by then; hard aggregation stays without gradient", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const [before, after] = [MEMORY, MEMORY.map((value) => 1 - 2 * value)].map((m) => Tensor.from(gpu, m, [K, F, C]));
  let current = before;
  const run = async (memory: Tensor, next: Tensor, memoryInBackward?: () => Tensor) => {
    current = memory;
    const logits = Tensor.from(gpu, LOGITS, [N, H, W, K]).requireGrad();
    const out = aggregateMemory(logits, memory, 1, { hard: false, memoryInBackward }).keep();
    current = next;
    backward(out, { grad: Tensor.from(gpu, GRAD, out.shape) });
    return { out: await out.data(), grad: await logits.grad!.data() };
  };
  const [exact, other] = [await run(before, after), await run(after, after)];
  assert.equal(await run(before, before, () => current), exact, "without an update in between");
  assert.equal(await run(before, after, () => current), { out: exact.out, grad: other.grad });
  const logits = Tensor.from(gpu, LOGITS, [N, H, W, K]).requireGrad();
  const hard = aggregateMemory(logits, before, 1, { hard: true, memoryInBackward: () => after });
  assert.is(hard.node, null);
});

test("refuses shapes that do not fit and slots that do not exist", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const logits = Tensor.zeros(gpu, [1, 2, 2, 4]);
  const memory = Tensor.zeros(gpu, [4, 2, 3]);
  const refuses = (pattern: RegExp, slot: number, z = logits, m = memory) =>
    assert.throws(() => aggregateMemory(z, m, slot, { hard: false }), pattern);
  refuses(/there is no slot 2; the memory has 2 per class/, 2);
  refuses(/there is no slot -1/, -1);
  refuses(/logits of shape \[1, 2, 4, 2\] do not fit a memory of shape \[4, 2, 3\]/, 0, logits.view([1, 2, 4, 2]));
  refuses(/do not fit a memory of shape \[8, 3\]/, 0, logits, memory.view([8, 3]));
});

test.run();
