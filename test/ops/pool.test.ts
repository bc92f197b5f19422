/** Pooling: PyTorch's refusals. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { adaptiveAvgPool2d, avgPool2d, maxPool2d } from "../../src/ops/pool.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

test("refuses what PyTorch refuses", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [1, 4, 5, 2]);
  const half = /pad should be smaller than or equal to half of kernel size, but got padW = 1, padH = 2, kW = 3, kH = 3/;
  assert.throws(() => maxPool2d(x, { kernel: [3, 3], padding: [2, 1] }), half);
  assert.throws(() => avgPool2d(x, { kernel: [3, 3], padding: [2, 1] }), half);
  assert.throws(
    () => maxPool2d(x, { kernel: [5, 2] }),
    /Given input size: \(2x4x5\)\. Calculated output size: \(2x0x2\)\. Output size is too small/,
  );
  assert.throws(() => maxPool2d(x, { kernel: [0, 2] }), /kernel size should be greater than zero, but got kH: 0 kW: 2/);
  assert.throws(() => maxPool2d(x, { kernel: [2, 2], stride: [1, 0] }), /stride should be greater than zero/);
  assert.throws(() => maxPool2d(x, { kernel: [2, 2], dilation: [0, 1] }), /dilation should be greater than zero/);
  assert.throws(() => maxPool2d(x, { kernel: [2, 2], padding: [-1, 0] }), /padding should not be negative/);
  assert.throws(() => avgPool2d(x, { kernel: [2, 2], divisorOverride: 0 }), /divisor must be not zero/);
  assert.throws(() => adaptiveAvgPool2d(x, [0, 1]), /whole numbers above 0, got \[0, 1\]/);
  assert.throws(() => maxPool2d(Tensor.zeros(gpu, [4, 5, 2]), { kernel: [2, 2] }), /maxPool2d needs x \[n, h, w, c\]/);
});

test.run();
