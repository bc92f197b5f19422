/** SGD against the same recurrence in doubles, and clipping of gradients. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clipGradNorm } from "../../src/ops/clip.ts";
import { sgdStep } from "../../src/ops/sgd.ts";
import type { SgdOptions } from "../../src/ops/sgd.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const CLOSE = { rtol: 2e-6, atol: 1e-7 };
const SIZE = 259; // no multiple of 4, more than one workgroup

type Rule = Required<Omit<SgdOptions, "first">>;

const sgd = suite("sgd");

for (const rule of [
  { lr: 0.1, momentum: 0, weightDecay: 0, dampening: 0, nesterov: false },
  { lr: 0.1, momentum: 0, weightDecay: 0.01, dampening: 0, nesterov: false },
  { lr: 0.05, momentum: 0.9, weightDecay: 5e-4, dampening: 0, nesterov: false },
  { lr: 0.05, momentum: 0.9, weightDecay: 0, dampening: 0.3, nesterov: false },
  { lr: 0.05, momentum: 0.8, weightDecay: 0.01, dampening: 0, nesterov: true },
]) {
  sgd(`three steps of ${JSON.stringify(rule)}`, async () => {
    const gpu = await testGpu({ guarded: true });
    using _arena = gpu.arena();
    const random = seededRandom(3);
    const numbers = (): Float32Array => Float32Array.from({ length: SIZE }, () => normal(random));
    const start = numbers();
    const param = Tensor.from(gpu, start, [SIZE]);
    const buffer = rule.momentum > 0 ? Tensor.empty(gpu, [SIZE]) : null; // NaN until the first step fills it
    const want = { param: Float64Array.from(start), buffer: new Float64Array(SIZE) };
    for (let step = 0; step < 3; step++) {
      const grad = numbers();
      sgdStep(param, Tensor.from(gpu, grad, [SIZE]), buffer, { ...rule, first: step === 0 });
      stepInDoubles(want, grad, rule, step === 0);
    }
    assertClose("param", await param.data(), want.param, [SIZE], CLOSE);
    if (buffer) assertClose("buffer", await buffer.data(), want.buffer, [SIZE], CLOSE);
    await checkDevice();
  });
}

function stepInDoubles(state: { param: Float64Array; buffer: Float64Array }, grad: Float32Array, rule: Rule, first: boolean): void {
  grad.forEach((g, i) => {
    const d = g + rule.weightDecay * state.param[i];
    state.buffer[i] = first ? d : rule.momentum * state.buffer[i] + (1 - rule.dampening) * d;
    const velocity = rule.nesterov ? d + rule.momentum * state.buffer[i] : state.buffer[i];
    state.param[i] -= rule.lr * (rule.momentum > 0 ? velocity : d);
  });
}

sgd("impossible options are refused", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const [param, grad] = [Tensor.zeros(gpu, [2]), Tensor.zeros(gpu, [2])];
  assert.throws(() => sgdStep(param, grad, null, { lr: -1, first: true }), /Invalid learning rate: -1/);
  assert.throws(() => sgdStep(param, grad, null, { lr: 1, momentum: 0.9, first: true }), /needs a momentum buffer/);
  assert.throws(() => sgdStep(param, grad, null, { lr: 1, nesterov: true, first: true }), /Nesterov momentum requires/);
  assert.throws(() => sgdStep(param, Tensor.zeros(gpu, [3]), null, { lr: 1, first: true }), /shape \[2\].*\[3\]/);
});

sgd.run();

const clip = suite("clipGradNorm");

for (const normType of [1, 2, 3, Infinity]) {
  for (const maxNorm of [0.5, 1e6]) {
    clip(`norm of order ${normType}, at most ${maxNorm}`, async () => {
      const gpu = await testGpu({ guarded: true });
      using _arena = gpu.arena();
      const random = seededRandom(9);
      const values = [1, 131, 1000].map((n) => Float32Array.from({ length: n }, () => normal(random)));
      const grads = values.map((v) => Tensor.from(gpu, v, [v.length]));
      const all = values.flatMap((v) => [...v]).map(Math.abs);
      const want = normType === Infinity ? Math.max(...all) : all.reduce((s, v) => s + v ** normType, 0) ** (1 / normType);

      const norm = clipGradNorm(grads, maxNorm, normType);
      assertClose("norm", await norm.data(), [want], [], { rtol: 2e-6, atol: 0 });
      const factor = Math.min(1, maxNorm / (want + 1e-6));
      for (const [i, v] of values.entries()) {
        assertClose(`gradient ${i}`, await grads[i].data(), v.map((g) => g * factor), [v.length], { rtol: 3e-6, atol: 0 });
      }
      await checkDevice();
    });
  }
}

clip("gradients that share memory are scaled once; NaN spreads", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const grad = Tensor.from(gpu, [3, 0], [2]);
  clipGradNorm([grad, grad.detach()], Math.SQRT2 * 1.5);
  assertClose("shared", await grad.data(), [1.5, 0], [2], { rtol: 1e-6, atol: 0 });
  for (const normType of [2, Infinity]) {
    const bad = Tensor.from(gpu, [1, NaN, 2], [3]);
    const norm = clipGradNorm([bad], 1, normType);
    assert.ok(Number.isNaN(await norm.item()));
    assert.ok([...(await bad.data())].every(Number.isNaN));
  }
});

clip.run();
