/** Cross-entropy where it is not one sample: many rows per partial sum, and a mean over nothing. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crossEntropy } from "../../src/ops/cross_entropy.ts";
import { backward } from "../../src/ops/define.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const ROWS = 40009;
const CLASSES = 3;

test("a mean over many rows is the mean of the rows, and so is its gradient", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const random = seededRandom(5);
  const scores = Float32Array.from({ length: ROWS * CLASSES }, () => normal(random));
  const labels = Int32Array.from({ length: ROWS }, (_, i) => (i % 4 === 1 ? 255 : i % CLASSES));
  const counted = labels.filter((label) => label !== 255).length;
  const target = Tensor.from(gpu, labels, [ROWS]);
  const [a, b] = [0, 1].map(() => Tensor.from(gpu, scores, [ROWS, CLASSES]).requireGrad());

  const mean = crossEntropy(a, target, { ignoreIndex: 255 }).keep();
  const each = crossEntropy(b, target, { ignoreIndex: 255, reduction: "none" }).keep();
  backward(mean);
  backward(each, { grad: Tensor.from(gpu, new Float32Array(ROWS).fill(1 / counted), [ROWS]) });

  const expected = [...(await each.data())].reduce((sum, loss) => sum + loss, 0) / counted;
  assertClose("mean", await mean.data(), [expected], [], { rtol: 1e-6, atol: 0 });
  assertClose("gradient", await a.grad!.data(), await b.grad!.data(), [ROWS, CLASSES], { rtol: 1e-5, atol: 1e-12 });
  mean.dispose();
  each.dispose();
  await checkDevice();
});

test("a mean over nothing is NaN where PyTorch's answer is asked for; the gradient of ignored rows is 0 either way", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const target = Tensor.from(gpu, Int32Array.of(-100, -100), [2]);
  for (const [emptyMean, expected] of [["nan", NaN], ["zero", 0]] as const) {
    const x = Tensor.from(gpu, [1, 2, 3, 4], [2, 2]).requireGrad();
    const loss = crossEntropy(x, target, { emptyMean }).keep();
    backward(loss);
    assert.ok(Object.is(await loss.item(), expected));
    assert.equal([...(await x.grad!.data())], [0, 0, 0, 0]);
    loss.dispose();
  }
});

test("backward may run twice over a graph that is kept", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, 2, 4, 3], [2, 2]).requireGrad();
  const loss = crossEntropy(x, Tensor.from(gpu, Int32Array.of(0, 1), [2])).keep();
  backward(loss, { retainGraph: true });
  const once = [...(await x.grad!.data())];
  backward(loss);
  assert.equal([...(await x.grad!.data())], once.map((g) => 2 * g));
  loss.dispose();
});

test("arguments that do not fit together are refused", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [2, 3]);
  const target = Tensor.zeros(gpu, [2], "i32");
  assert.throws(() => crossEntropy(x, Tensor.zeros(gpu, [3], "i32")), /target \[3\], input \[2, 3\]/);
  assert.throws(() => crossEntropy(x, Tensor.zeros(gpu, [2])), /type i32, got f32/);
  assert.throws(() => crossEntropy(x, target, { weight: Tensor.zeros(gpu, [2]) }), /all 3 classes or no classes/);
  assert.throws(() => crossEntropy(x, target, { labelSmoothing: 2 }), /between 0.0 and 1.0. Got: 2/);
});

test.run();
