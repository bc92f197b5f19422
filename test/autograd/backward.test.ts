/** The tape over tensors. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { relu } from "../../src/ops/activation.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { backward } from "../../src/ops/define.ts";
import { add, mul, scale } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { sgdStep } from "../../src/ops/sgd.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

const parameter = (gpu: Gpu, values: readonly number[]): Tensor =>
  Tensor.from(gpu, values, [values.length]).requireGrad();
const gradOf = async (x: Tensor): Promise<number[]> => [...(await x.grad!.data())];

test("gradients of several paths and several backwards add up in grad", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2, 3]);
  backward(sum(add(mul(x, x), x))); // 2 x + 1
  assert.equal(await gradOf(x), [3, 5, 7]);
  backward(sum(scale(x, 10)));
  assert.equal(await gradOf(x), [13, 15, 17]);
});

test("only leaves that ask for it get a gradient, and nothing is recorded without one", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2]);
  const data = Tensor.from(gpu, [5, 7], [2]);
  backward(sum(mul(x, data)));
  assert.equal(await gradOf(x), [5, 7]);
  assert.is(data.grad, null);
  assert.is(mul(data, data).node, null);
  assert.is(noGrad(() => mul(x, x)).node, null);
  assert.is(mul(x.detach(), data).node, null);
});

test("a graph of a thousand ops, in memory for a few tensors", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, -1]);
  let y = x;
  for (let i = 0; i < 1000; i++) y = scale(y, i % 2 === 0 ? 4 : 0.25);
  backward(sum(y));
  assert.equal(await gradOf(x), [1, 1]);
});

test("backward releases what the graph held, except what is kept", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, -2]);
  const a = relu(x);
  const b = scale(a, 3).keep();
  const c = scale(b, 2);
  const grad = Tensor.from(gpu, [1, 1], [2]);
  const { live } = gpu.memory;
  backward(c, { grad });
  assert.equal(
    [a, b, c].map(({ storage }) => storage.isReleased),
    [true, false, true],
  );
  assert.is(gpu.memory.live, live - 16 + 8, "without a and c, with the gradient of x");
  b.dispose();
});

test("kernels of convolutions hold on to nothing of it", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  for (const kernel of [1, 3]) {
    const x = Tensor.zeros(gpu, [1, 5, 6, 4]).requireGrad();
    const weight = Tensor.zeros(gpu, [kernel, kernel, 4, 8]).requireGrad();
    const below = relu(x);
    const y = conv2d(below, weight, null);
    const above = relu(y);
    const grad = Tensor.zeros(gpu, above.shape);
    const before = gpu.memory.live;
    backward(above, { grad });
    const made = x.grad!.storage.bytes + weight.grad!.storage.bytes;
    const released = [below, y, above].reduce((sum, { storage }) => sum + storage.bytes, 0);
    assert.is(gpu.memory.live - before, made - released, `kernel ${kernel}`);
  }
});

test("a second backward says that the values are gone; retainGraph allows it", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [3]);
  const y = mul(x, x);
  backward(y, { retainGraph: true });
  backward(y);
  assert.equal(await gradOf(x), [12]);
  assert.throws(() => backward(y), /second time: the values saved by mul have already been freed/);
});

test("changing a saved value in place before backward is an error with shape and versions", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2]);
  const y = sum(mul(x, x));
  sgdStep(x, Tensor.from(gpu, [1, 1], [2]), null, { lr: 0.1, first: true });
  assert.throws(
    () => backward(y),
    /modified by an inplace operation: a tensor of shape \[2\] that mul saved is at version 1, expected version 0/,
  );
});

test("changing it afterwards, or a value that was not saved, is none", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2]);
  const y = sum(scale(x, 3)); // linear: saves nothing
  gpu.clear(x);
  backward(y);
  assert.equal(await gradOf(x), [3, 3]);
});

test("the gradient to start from must be given for anything but a scalar, in its shape", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2]);
  const y = scale(x, 2);
  assert.throws(() => backward(y), /only for scalar outputs; this one has shape \[2\]/);
  assert.throws(
    () => backward(y, { grad: Tensor.from(gpu, [1], [1]) }),
    /the gradient has shape \[1\], the output \[2\]/,
  );
  assert.throws(() => backward(x.detach()), /does not require grad/);
  const grad = Tensor.from(gpu, [10, 1], [2]);
  backward(y, { grad });
  assert.equal(await gradOf(x), [20, 2]);
  assert.equal([...(await grad.data())], [10, 1], "the caller's tensor stays");
});

test.run();
