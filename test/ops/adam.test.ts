/** Adam and AdamW against the same recurrence in doubles. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { adamStep } from "../../src/ops/adam.ts";
import type { AdamOptions } from "../../src/ops/adam.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const CLOSE = { rtol: 2e-6, atol: 1e-7 };
const SIZES = [259, 1036]; // no multiple of 4, and one; more than one workgroup

type Rule = Omit<AdamOptions, "step">;
type State = Record<"param" | "average" | "averageOfSquares", Float64Array>;

const RULE: Rule = { lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, decoupled: false };

for (const rule of [
  RULE,
  { ...RULE, weightDecay: 0.1 },
  { ...RULE, weightDecay: 0.1, decoupled: true },
  { ...RULE, betas: [0, 0.5], eps: 0.1 } as const,
]) {
  for (const size of SIZES) test(`three steps of ${size} values: ${JSON.stringify(rule)}`, async () => {
    const gpu = await testGpu({ guarded: true });
    using _arena = gpu.arena();
    const random = seededRandom(3);
    const numbers = (): Float32Array => Float32Array.from({ length: size }, (_, i) => (i === 7 ? 0 : normal(random)));
    const start = numbers();
    const param = Tensor.from(gpu, start, [size]);
    const [average, averageOfSquares] = [Tensor.zeros(gpu, [size]), Tensor.zeros(gpu, [size])];
    const want: State = {
      param: Float64Array.from(start), average: new Float64Array(size), averageOfSquares: new Float64Array(size),
    };
    for (let step = 1; step <= 3; step++) {
      const grad = numbers();
      adamStep(param, Tensor.from(gpu, grad, [size]), average, averageOfSquares, { ...rule, step });
      stepInDoubles(want, grad, { ...rule, step });
    }
    for (const [name, tensor] of Object.entries({ param, average, averageOfSquares })) {
      assertClose(name, await tensor.data(), want[name as keyof State], [size], CLOSE);
    }
    await checkDevice();
  });
}

function stepInDoubles(state: State, grad: Float32Array, { betas, step, ...rule }: AdamOptions): void {
  const [beta1, beta2] = betas;
  grad.forEach((gradient, i) => {
    const g = gradient + (rule.decoupled ? 0 : rule.weightDecay * state.param[i]);
    if (rule.decoupled) state.param[i] *= 1 - rule.lr * rule.weightDecay;
    state.average[i] = beta1 * state.average[i] + (1 - beta1) * g;
    state.averageOfSquares[i] = beta2 * state.averageOfSquares[i] + (1 - beta2) * g * g;
    const mean = state.average[i] / (1 - beta1 ** step);
    state.param[i] -= (rule.lr * mean) / (Math.sqrt(state.averageOfSquares[i] / (1 - beta2 ** step)) + rule.eps);
  });
}

test("impossible options are refused", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const zeros = (length: number): Tensor => Tensor.zeros(gpu, [length]);
  const refuse = (change: Partial<AdamOptions>, message: RegExp, size = 2): void =>
    assert.throws(() => adamStep(zeros(2), zeros(2), zeros(2), zeros(size), { ...RULE, step: 1, ...change }), message);
  refuse({ lr: -1 }, /Invalid learning rate: -1/);
  refuse({ betas: [0.9, 1] }, /Invalid beta parameter at index 1: 1/);
  refuse({ eps: -1 }, /Invalid epsilon value: -1/);
  refuse({ weightDecay: -1 }, /Invalid weight_decay value: -1/);
  refuse({ step: 0 }, /Steps count from 1, got 0/);
  refuse({}, /shape \[2\].*\[3\]/, 3);
});

test.run();
