import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { labelDivisor, prototypeLoss, segmentationLoss } from "../../src/nn/losses.ts";
import type { SegmentationLossOptions } from "../../src/nn/losses.ts";
import { onGradient } from "../../src/nn/watch.ts";
import { backward } from "../../src/ops/define.ts";
import { add, scale } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";

const near = { rtol: 1e-5, atol: 1e-6 };
const OPTIONS = { ignoreIndex: 255, alignCorners: false };

test("a batch without a labelled pixel has loss 0 and gradient 0", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const logits = Tensor.from(
    gpu,
    Float32Array.from({ length: 12 }, (_, i) => i),
    [1, 2, 2, 3],
  )
    .keep()
    .requireGrad();
  const label = Tensor.from(gpu, new Int32Array(16).fill(255), [1, 4, 4]);
  const loss = segmentationLoss(logits, label, OPTIONS).keep();
  backward(loss);
  assert.is(await loss.item(), 0);
  assert.equal(await logits.grad!.data(), new Float32Array(12));
});

test("the loss is the weighted mean over labelled pixels at label resolution", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const logits = Tensor.from(gpu, [0, 4], [1, 1, 1, 2]); // the same everywhere once resized
  const label = Tensor.from(gpu, Int32Array.of(0, 1, 255, 1), [1, 2, 2]);
  const [zero, one] = [Math.log(1 + Math.exp(4)), Math.log(1 + Math.exp(-4))];
  const loss = await segmentationLoss(logits, label, { ...OPTIONS, weight: 0.4 }).data();
  assertClose("loss", loss, [(0.4 * (zero + 2 * one)) / 3], [], near);
});

/** Two classes whose scores differ by d where the label says 1: -log p = log(1 + exp(-d)). */
const lossOf = (d: number): number => Math.log(1 + Math.exp(-d));

test("class weights, smoothing, a lowest value: the options of the official class", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const logits = Tensor.from(gpu, [0, 3, 0, -1], [1, 1, 2, 2]);
  const label = Tensor.from(gpu, Int32Array.of(1, 0), [1, 1, 2]); // losses of d = 3 and d = 1
  const run = async (options: Partial<SegmentationLossOptions>) =>
    (await segmentationLoss(logits, label, { ...OPTIONS, ...options }).data())[0];
  const [easy, hard] = [lossOf(3), lossOf(1)];
  const close = (name: string, got: number, want: number): void => assertClose(name, [got], [want], [], near);
  close("weights", await run({ classWeights: [3, 1] }), (3 * hard + easy) / 4);
  close("their number", await run({ classWeights: [3, 1], normByClassWeights: false }), (3 * hard + easy) / 2);
  const [smoothEasy, smoothHard] = [0.8 * easy + 0.2 * (easy + 1.5), 0.8 * hard + 0.2 * (hard + 0.5)];
  close("smoothing", await run({ labelSmoothing: 0.2 }), (smoothEasy + smoothHard) / 2);
  close("a part of more pixels", await run({ divisor: 10 }), (easy + hard) / 10);
  const mean = (easy + hard) / 2;
  close("above the lowest value", await run({ lowest: 0.1, weight: 2 }), 2 * mean);
  close("below it, the other way", await run({ lowest: 1, weight: 2 }), 2 - 2 * mean);
});

test("hard examples alone are learned from, as many per image as asked for", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const margins = [4, -1, 2, 0, 3, -2, 1, 5]; // 4 pixels of each of two images
  const logits = Tensor.from(gpu, margins.flatMap((d) => [0, d]), [2, 1, 4, 2]).requireGrad();
  const label = Tensor.from(gpu, Int32Array.from(margins, (_, i) => (i === 1 ? 255 : 1)), [2, 1, 4]);
  const learn = async (ohem: { minKept: number; threshold: number }) => {
    const loss = segmentationLoss(logits, label, { ...OPTIONS, ohem }).keep();
    backward(loss);
    const grad = await logits.grad!.data();
    logits.grad!.dispose();
    logits.grad = null;
    return { loss: await loss.item(), touched: margins.flatMap((_, i) => (grad[2 * i] === 0 ? [] : [i])) };
  };
  const largest = await learn({ minKept: 1, threshold: 0 });
  assert.equal(largest.touched, [3, 5], "two of the whole batch");
  assertClose("loss", [largest.loss], [(lossOf(0) + lossOf(-2)) / 2], [], near);
  assert.equal((await learn({ minKept: 1, threshold: 0.8 })).touched, [3, 5, 6], "and what is below the threshold");
  assert.equal((await learn({ minKept: 2, threshold: 1e-6 })).touched, [2, 3, 5, 6]);
});

test("labels: what their means divide by, and those that are no class", () => {
  const labels = Int32Array.of(0, 2, 2, 255, 1);
  const options = { ignoreIndex: 255, classWeights: [0.5, 1, 2] };
  assert.is(labelDivisor(labels, 3, options), 5.5);
  assert.is(labelDivisor(labels, 3, { ...options, normByClassWeights: false }), 4);
  assert.is(labelDivisor(labels, 3, { ignoreIndex: 255 }), 4);
  assert.throws(
    () => labelDivisor(labels, 3, { ignoreIndex: -100 }),
    (error: Error) => error instanceof UserError && /a label is 255: .* number of classes, 3/.test(error.message),
  );
});

test("the memory loss counts filled slots only when told so", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const memory = Tensor.from(gpu, [1, 0, 0, 0, 0, -1e-3, 0, 0], [2, 2, 2]); // class 0: filled, empty; class 1 the same
  const values = [2, 0, 5, 1, 0, 3, 1, 1];
  const terms = [0, 1, 2, 3].map((row) => {
    const [a, b] = values.slice(2 * row, 2 * row + 2);
    return Math.log(Math.exp(a) + Math.exp(b)) - (row < 2 ? a : b);
  });
  const run = async (maskEmpty: boolean, filled: Tensor) => {
    const logits = Tensor.from(gpu, values, [4, 2]).keep().requireGrad();
    const loss = prototypeLoss(logits, filled, { weight: 2, maskEmpty }).keep();
    backward(loss);
    return { loss: await loss.data(), grad: await logits.grad!.data() };
  };
  const all = await run(false, memory);
  assertClose("all", all.loss, [(2 * (terms[0] + terms[1] + terms[2] + terms[3])) / 4], [], near);
  const masked = await run(true, memory);
  assertClose("masked", masked.loss, [terms[0] + terms[2]], [], near);
  assert.equal([...masked.grad.slice(2, 4), ...masked.grad.slice(6)], [0, 0, 0, 0]);
  const none = await run(true, Tensor.zeros(gpu, [2, 2, 2]));
  assert.equal([...none.loss, ...none.grad], new Array(9).fill(0));
});

test("onGradient sees the complete gradient of a value with several uses", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const x = Tensor.from(gpu, [1, 2], [2]).keep().requireGrad();
  const seen: Tensor[] = [];
  const y = onGradient(scale(x, 3), (grad) => seen.push(grad.detach().keep()));
  backward(sum(add(scale(y, 2), y)));
  assert.is(seen.length, 1);
  assert.equal([...(await seen[0].data())], [3, 3]);
  assert.equal([...(await x.grad!.data())], [9, 9]);
});

test.run();
