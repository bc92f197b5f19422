/** Layer norm: refusals, and inputs without elements. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { backward } from "../../src/ops/define.ts";
import { layerNorm } from "../../src/ops/layer_norm.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

test("refuses weights of another shape and axes that are not there", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [2, 3, 4]);
  assert.throws(
    () => layerNorm(x, Tensor.zeros(gpu, [3]), null, { eps: 1e-5 }),
    /Expected weight to be of same shape .* but got weight of shape \[3\] and normalized_shape = \[4\]/,
  );
  assert.throws(() => layerNorm(x, null, null, { eps: 1e-5, axes: 4 }), /1 to 3 axes of \[2, 3, 4\], not 4/);
});

test("no rows give no output, and weights a gradient of zeros", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const weight = Tensor.from(gpu, [1, 2], [2]).requireGrad();
  const y = layerNorm(Tensor.zeros(gpu, [0, 2]), weight, null, { eps: 1e-5 });
  backward(y, { grad: Tensor.zeros(gpu, [0, 2]) });
  assert.equal(y.shape, [0, 2]);
  assert.equal([...(await weight.grad!.data())], [0, 0]);
  weight.grad!.dispose();
});

test.run();
