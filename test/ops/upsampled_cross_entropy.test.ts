/** The fused loss against the two operations that it stands for, at a size of training, and what it stores. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crossEntropy } from "../../src/ops/cross_entropy.ts";
import { backward } from "../../src/ops/define.ts";
import { interpolateBilinear } from "../../src/ops/interpolate.ts";
import { upsampledCrossEntropy } from "../../src/ops/upsampled_cross_entropy.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Pair, Shape } from "../../src/tensor/shape.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

/** Scores and labels in patches; one label in twenty is ignored and another is no class. */
function problem(gpu: Gpu, shape: Shape, [height, width]: Pair) {
  const random = seededRandom(9);
  const [n, , , classes] = shape;
  const scores = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => 5 * normal(random));
  const labels = Int32Array.from({ length: n * height * width }, (_, i) => {
    const draw = random();
    return draw < 0.05 ? 255 : draw < 0.1 ? classes : Math.floor(i / 40) % classes;
  });
  return {
    logits: Tensor.from(gpu, scores, shape).requireGrad(),
    label: Tensor.from(gpu, labels, [n, height, width]),
  };
}

const CASES: readonly (readonly [Shape, Pair])[] = [
  [[2, 16, 32, 19], [128, 256]],
  [[1, 9, 7, 150], [72, 100]],
  [[1, 3, 2, 6], [97, 131]], // many outputs between two columns
  [[2, 40, 30, 5], [33, 17]],
];

for (const [shape, size] of CASES) {
  for (const alignCorners of [false, true]) {
    const title = `[${shape}] to [${size}]${alignCorners ? ", align_corners" : ""}`;
    test(`${title}: the composed loss and its gradient`, async () => {
      const gpu = await testGpu({ guarded: true });
      using _ = gpu.arena();
      const { logits, label } = problem(gpu, shape, size);
      const run = async (compute: () => Tensor) => {
        const loss = compute().keep();
        backward(loss);
        const result = { loss: await loss.data(), grad: await logits.grad!.data() };
        loss.dispose();
        logits.grad!.dispose();
        logits.grad = null;
        return result;
      };
      const got = await run(() => upsampledCrossEntropy(logits, label, { ignoreIndex: 255, alignCorners }));
      const want = await run(() =>
        crossEntropy(interpolateBilinear(logits, { size, alignCorners }), label, { ignoreIndex: 255 }),
      );
      assertClose("loss", got.loss, want.loss, [], { rtol: 1e-6, atol: 0 });
      const largest = Math.max(...Array.from(want.grad, Math.abs));
      assertClose("gradient", got.grad, want.grad, shape, { rtol: 1e-5, atol: 1e-6 * largest });
      await checkDevice();
    });
  }
}

test("never takes a quarter of the memory of the resized logits", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _ = gpu.arena();
  const { logits, label } = problem(gpu, [1, 32, 64, 19], [256, 512]);
  const before = gpu.memory.live;
  backward(upsampledCrossEntropy(logits, label, { ignoreIndex: 255, alignCorners: false }));
  assert.ok(gpu.memory.peak - before < (256 * 512 * 19 * 4) / 4, `${gpu.memory.peak - before} bytes`);
  await gpu.idle();
});

test("arguments that do not fit together are refused", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const options = { ignoreIndex: 255, alignCorners: false };
  const logits = Tensor.zeros(gpu, [2, 3, 4, 5]);
  const of = (shape: Shape, dtype: "i32" | "f32" = "i32") => Tensor.zeros(gpu, shape, dtype);
  assert.throws(() => upsampledCrossEntropy(logits, of([1, 6, 8]), options), /got \[2, 3, 4, 5\] and i32 \[1, 6, 8\]/);
  assert.throws(() => upsampledCrossEntropy(logits, of([2, 6, 8], "f32"), options), /and f32 \[2, 6, 8\]/);
  assert.throws(() => upsampledCrossEntropy(logits, of([2, 0, 8]), options), /sizes should be greater than 0/);
  const half = { ...options, ignoreIndex: 0.5 };
  assert.throws(() => upsampledCrossEntropy(logits, of([2, 6, 8]), half), /must be an integer, got 0.5/);
});

test.run();
