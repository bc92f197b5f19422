/** What batch norm does besides its output: running statistics, statistics for others, refusals. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { leakyRelu, relu } from "../../src/ops/activation.ts";
import { batchNorm, batchNormStats } from "../../src/ops/batch_norm.ts";
import { backward } from "../../src/ops/define.ts";
import { add } from "../../src/ops/elementwise.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { TypedData } from "../../src/tensor/tensor.ts";
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

for (const channels of [3, 4]) {
  for (const training of [true, false]) {
    for (const slope of [0, 0.25]) {
      for (const hasResidual of [false, true]) {
        const how = `${training ? "training" : "evaluation"}, slope ${slope}${hasResidual ? ", residual" : ""}`;
        test(`one op is what its parts are, ${channels} channels, ${how}: also at the kink`, async () => {
          const gpu = await testGpu();
          using _arena = gpu.arena();
          const rows = 67; // two blocks
          const upload = (shape: number[], value: (i: number) => number): Tensor =>
            Tensor.from(gpu, Float32Array.from({ length: sizeOf(shape) }, (_, i) => value(i)), shape);
          // In channel 0, x is its mean and the bias 0: nothing but the residual is activated.
          const makeX = (): Tensor => upload([rows, channels], (i) => (i % channels === 0 ? 2 : Math.sin(i)));
          const makeResidual = (): Tensor => upload([rows, channels], (i) => ((i % 5) - 2) / 8);
          const running = { mean: upload([channels], (c) => (c === 0 ? 2 : 0.25)), var: upload([channels], () => 0.5) };
          const common = { training, momentum: 0.1, eps: 1e-5, updateRunning: false };
          const run = async (forward: (operands: Tensor[]) => Tensor): Promise<TypedData[]> => {
            const weight = upload([channels], (c) => 1 + c);
            const operands = [makeX(), weight, upload([channels], (c) => c / 8), makeResidual()];
            const y = forward(operands.map((operand) => operand.requireGrad())).keep();
            backward(y, { grad: upload([rows, channels], (i) => Math.cos(i)) });
            const used = hasResidual ? operands : operands.slice(0, 3);
            return Promise.all([y, ...used.map(({ grad }) => grad!)].map((tensor) => tensor.data()));
          };
          const fused = await run(([x, weight, bias, residual]) =>
            batchNorm(x, weight, bias, running, { ...common, slope, residual: hasResidual ? residual : undefined }),
          );
          const parts = await run(([x, weight, bias, residual]) => {
            const normalized = batchNorm(x, weight, bias, running, common);
            const sum = hasResidual ? add(normalized, residual) : normalized;
            return slope === 0 ? relu(sum) : leakyRelu(sum, slope);
          });
          const names = ["output", "gradient of x", "of weight", "of bias", "of the residual"];
          parts.forEach((want, i) => {
            const shape = i === 2 || i === 3 ? [channels] : [rows, channels];
            assertClose(names[i], fused[i], want, shape, { rtol: 1e-5, atol: 1e-6 });
          });
        });
      }
    }
  }
}

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
  assert.throws(
    () => batchNorm(x, null, null, running, { ...evaluate, residual: four }),
    /the residual has shape \[4\], expected that of x, \[1, 1, 1, 4\]/,
  );
  assert.throws(() => batchNorm(x, null, null, running, { ...evaluate, slope: -0.1 }), /0 or above, got -0.1/);
});

test.run();
