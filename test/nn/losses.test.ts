import { test } from "uvu";
import * as assert from "uvu/assert";
import { prototypeLoss, segmentationLoss } from "../../src/nn/losses.ts";
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
