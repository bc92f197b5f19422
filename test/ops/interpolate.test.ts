/** Bilinear resampling: PyTorch's refusals, and accuracy far from the origin. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { interpolateBilinear } from "../../src/ops/interpolate.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";

test("positions keep their precision across a wide image", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const [from, to] = [3001, 10007];
  const values = Float32Array.from({ length: from }, (_, i) => (i % 2 ? 1 : -1)); // the steepest image there is
  const y = interpolateBilinear(Tensor.from(gpu, values, [1, 1, from, 1]), { size: [1, to] });
  const want = Array.from({ length: to }, (_, i) => {
    const position = Math.max(((i + 0.5) * from) / to - 0.5, 0);
    const low = Math.floor(position);
    const t = position - low;
    return (1 - t) * values[low] + t * values[Math.min(low + 1, from - 1)];
  });
  assertClose("resized", await y.data(), want, y.shape, { rtol: 0, atol: 5e-6 });
});

test("refuses what PyTorch refuses", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [1, 4, 5, 2]);
  assert.throws(() => interpolateBilinear(x, {}), /either size or scale_factor should be defined/);
  assert.throws(
    () => interpolateBilinear(x, { size: [2, 2], scaleFactor: [2, 2] }),
    /only one of size or scale_factor should be defined/,
  );
  const sizes = /should be greater than 0, but got input \(H: 4, W: 5\) output \(H: 0, W: 1\)/;
  assert.throws(() => interpolateBilinear(x, { scaleFactor: [0.2, 0.2] }), sizes);
  assert.throws(() => interpolateBilinear(x, { size: [0, 1] }), sizes);
  assert.throws(() => interpolateBilinear(x, { size: [70000, 1] }), /up to 65535 pixels a side, not \[70000, 1\]/);
  const flat = Tensor.zeros(gpu, [4, 5]);
  assert.throws(() => interpolateBilinear(flat, { size: [2, 2] }), /needs x \[n, h, w, c\], got \[4, 5\]/);
});

test.run();
