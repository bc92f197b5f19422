/** What batch norm does besides its output: running statistics, statistics for others, refusals. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { batchNorm, batchNormStats } from "../../src/ops/batch_norm.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";

const options = { training: true, momentum: 0.25, eps: 1e-5 };
const values = [1, 10, 2, 10, 6, 10]; // channel 0: mean 3, biased variance 14/3, unbiased 7; channel 1 is constant

test("training moves the running statistics towards the mean and the unbiased variance", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, values, [1, 3, 1, 2]);
  const running = { mean: Tensor.from(gpu, [4, -2], [2]), var: Tensor.from(gpu, [1, 8], [2]) };
  batchNorm(x, null, null, running, options);
  assertClose("mean", await running.mean.data(), [3.75, 1], [2], { rtol: 1e-6, atol: 0 });
  assertClose("var", await running.var.data(), [2.5, 6], [2], { rtol: 1e-6, atol: 0 });
});

test("updateRunning: false and evaluation leave the running statistics alone", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, values, [3, 2]);
  const running = { mean: Tensor.from(gpu, [4, -2], [2]), var: Tensor.from(gpu, [1, 8], [2]) };
  batchNorm(x, null, null, running, { ...options, updateRunning: false });
  batchNorm(x, null, null, running, { ...options, training: false });
  assert.equal([...(await running.mean.data())], [4, -2]);
  assert.equal([...(await running.var.data())], [1, 8]);
});

test("the variance of a constant channel is exactly 0, however many rows and however large the constant", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const rows = 10007;
  const x = Tensor.from(gpu, Float32Array.from({ length: rows * 2 }, (_, i) => (i % 2 ? i : 12345.678)), [rows, 2]);
  const stats = batchNormStats(x);
  const [constant, ramp] = await stats.var.data();
  assert.is(constant, 0);
  assert.is((await stats.mean.data())[0], Math.fround(12345.678));
  const exact = (rows ** 2 - 1) / 3; // of 1, 3, 5, ...
  assert.ok(Math.abs(ramp / exact - 1) < 1e-6, `variance ${ramp}, expected ${exact}`);
});

test("refuses what PyTorch refuses", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [1, 1, 1, 4]);
  const four = Tensor.zeros(gpu, [4]);
  const running = { mean: four, var: four };
  assert.throws(
    () => batchNorm(x, null, null, running, options),
    /Expected more than 1 value per channel when training, got input size \[1, 1, 1, 4\]/,
  );
  const evaluate = { ...options, training: false };
  assert.throws(() => batchNorm(x, null, null, null, evaluate), /running_mean must be defined in evaluation mode/);
  const three = Tensor.zeros(gpu, [3]);
  assert.throws(() => batchNorm(x, three, null, running, evaluate), /weight should contain 4 elements not 3/);
  assert.throws(
    () => batchNorm(x, null, null, { mean: four, var: three }, evaluate),
    /running_var should contain 4 elements not 3/,
  );
});

test.run();
