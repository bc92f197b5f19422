/** What shape arguments mean and which are refused, with PyTorch's words where it has some. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { argmax } from "../../src/ops/argmax.ts";
import { concat } from "../../src/ops/concat.ts";
import { backward } from "../../src/ops/define.ts";
import { dropout } from "../../src/ops/dropout.ts";
import { add, expand } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { flip, pad, permute, reshape } from "../../src/ops/shape_ops.ts";
import { slice } from "../../src/ops/slice.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

test("reshape shares memory, infers one size, and gradients return to the first shape", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, 2, 3, 4, 5, 6], [2, 3]).requireGrad();
  const y = reshape(x, [3, -1]);
  assert.equal(y.shape, [3, 2]);
  assert.is(y.storage, x.storage);
  backward(y, { grad: Tensor.from(gpu, [6, 5, 4, 3, 2, 1], [3, 2]) });
  assert.equal(x.grad!.shape, [2, 3]);
  assert.equal([...(await x.grad!.data())], [6, 5, 4, 3, 2, 1]);
  assert.throws(() => reshape(x, [4]), /shape '\[4\]' is invalid for input of size 6/);
  assert.throws(() => reshape(x, [-1, -1]), /only one dimension can be inferred/);
  assert.throws(() => reshape(x, [-1, 4]), /invalid for input of size 6/);
});

test("slice takes Python's bounds", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [0, 1, 2, 3, 4], [5]);
  for (const [start, end, want] of [[-2, 9, [3, 4]], [1, -1, [1, 2, 3]], [4, 2, []]] as const) {
    assert.equal([...(await slice(x, 0, start, end).data())], want);
  }
});

test("a tensor of shape [0] goes with any other in concat", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const y = concat([Tensor.empty(gpu, [0]), Tensor.from(gpu, [1, 2], [1, 2])], -1);
  assert.equal(y.shape, [1, 2]);
  assert.equal([...(await y.data())], [1, 2]);
});

test("a scalar has one axis to name, 0 or -1", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [3], []);
  for (const dim of [0, -1]) {
    assert.equal([sum(x, [dim]), sum(x, [dim], true), argmax(x, dim)].map(({ shape }) => shape), [[], [], []]);
    assert.equal([...(await sum(x, [dim]).data()), ...(await argmax(x, dim, true).data())], [3, 0]);
  }
  assert.throws(() => sum(x, [-2]), /Dimension out of range: got -2, expected -1..0/);
});

test("arguments that do not fit are refused", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [2, 3]);
  const options = { seed: 0, offset: 0 };
  assert.throws(() => add(x, Tensor.zeros(gpu, [2])), /size of tensor a \(3\) must match the size of tensor b \(2\)/);
  assert.throws(() => expand(x, [2, 4]), /\[2, 3\].*\[2, 4\]/);
  assert.throws(() => sum(x, [0, -2]), /dim 0 appears multiple times/);
  assert.throws(() => sum(x, [2]), /Dimension out of range/);
  assert.throws(() => concat([], 0), /non-empty list/);
  assert.throws(() => concat([x, Tensor.zeros(gpu, [2, 4])], 0), /Expected size 3 but got size 4 for tensor number 1/);
  assert.throws(() => concat([x, Tensor.zeros(gpu, [2, 3], "i32")], 0), /tensor 1 is i32, the first is f32/);
  assert.throws(() => permute(x, [0]), /input.dim\(\) = 2 is not equal to len\(dims\) = 1/);
  assert.throws(() => permute(x, [0, 0]), /duplicate dims/);
  assert.throws(() => flip(x, [1, -1]), /dim 1 appears multiple times/);
  assert.throws(() => pad(x, [[0, 0], [-2, -2]]), /output size -1 along axis 1/);
  assert.throws(() => dropout(x, { ...options, p: 2 }), /between 0 and 1, but got 2/);
  assert.throws(() => dropout(x, { ...options, p: 0.5, offset: -1 }), /offset must be an unsigned 32-bit integer, got -1/);
});

test.run();
