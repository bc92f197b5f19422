import { test } from "uvu";
import * as assert from "uvu/assert";
import { concat } from "../../src/ops/concat.ts";
import { conv2d } from "../../src/ops/conv2d.ts";
import { slice } from "../../src/ops/slice.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { predict, predictClasses, slidingWindows, viewsOf } from "../../src/train/inference.ts";
import type { InferenceOptions } from "../../src/train/inference.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

test("windows of the official sliding inference", () => {
  const starts = (size: number, crop: number): number[] => slidingWindows(size, crop, 341).map(([start]) => start);
  assert.equal(starts(2048, 512), [0, 341, 682, 1023, 1364, 1536]);
  assert.equal(starts(1024, 512), [0, 341, 512]);
  assert.equal(starts(683, 512), [0, 171]);
  assert.is(starts(1792, 1024).length * starts(3584, 512).length, 44);
  assert.equal(slidingWindows(100, 512, 341), [[0, 100]], "an image smaller than the window is one window");
});

test("views: every scale, each followed by its mirror image", () => {
  const of = (scales: number[], flip: boolean): string[] =>
    viewsOf({ scales, flip }).map(({ scale, mirrored }) => `${scale}${mirrored ? " mirrored" : ""}`);
  assert.equal(of([1], false), ["1"]);
  assert.equal(of([0.5, 2], true), ["0.5", "0.5 mirrored", "2", "2 mirrored"]);
});

const CLASSES = 19;
const WHOLE: InferenceOptions = {
  ...{ mode: "whole", crop: [64, 64], stride: [32, 32], scales: [1], flip: false, average: "logits" },
};

/** The class has the best score but for rounding. */
function assertBest(predicted: number, scores: ArrayLike<number>, pixel: string): void {
  const best = Math.max(...Array.from(scores));
  assert.ok(scores[predicted] > best - 1e-5, `${pixel}: class ${predicted}, score ${scores[predicted]} of ${best}`);
}

test("a whole image of 1024x2048 is predicted in 48 MiB, each pixel by its own interpolated scores", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _ = gpu.arena();
  const random = seededRandom(4);
  const [h, w, height, width] = [128, 256, 1024, 2048];
  const logits = Float32Array.from({ length: h * w * CLASSES }, () => normal(random));
  const model = { alignCorners: false, forward: () => ({ logits: Tensor.from(gpu, logits, [1, h, w, CLASSES]) }) };
  const prediction = predictClasses(model, Tensor.zeros(gpu, [1, 1, 1, 3]), [height, width], WHOLE);
  assert.equal(prediction.shape, [1, height, width]);
  const got = await prediction.data();
  assert.ok(gpu.memory.peak < 48 * 2 ** 20, `${gpu.memory.peak} bytes`);
  const place = (i: number, size: number) => {
    const position = Math.max((i + 0.5) / 8 - 0.5, 0);
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, size - 1), t: position - low };
  };
  for (let y = 0; y < height; y += 3) {
    for (let x = 0; x < width; x += 5) {
      const [row, column] = [place(y, h), place(x, w)];
      const of = (i: number, j: number, k: number): number => logits[(i * w + j) * CLASSES + k];
      const scores = Float64Array.from({ length: CLASSES }, (_, k) => {
        const across = (i: number) => (1 - column.t) * of(i, column.low, k) + column.t * of(i, column.high, k);
        return (1 - row.t) * across(row.low) + row.t * across(row.high);
      });
      assertBest(got[y * width + x], scores, `pixel ${y}, ${x}`);
    }
  }
});

test("in strips, over scales and mirror images, the prediction is the argmax of the mean", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const random = seededRandom(6);
  const [height, width] = [301, 400];
  const values = (length: number): Float32Array => Float32Array.from({ length }, () => normal(random));
  const weight = Tensor.from(gpu, values(8 * 8 * 3 * CLASSES), [8, 8, 3, CLASSES]);
  const model = {
    alignCorners: true,
    forward: (image: Tensor) => ({ logits: conv2d(image, weight, null, { stride: [8, 8] }) }),
  };
  const images = Tensor.from(gpu, values(2 * 64 * 96 * 3), [2, 64, 96, 3]);
  for (const mode of ["whole", "slide"] as const) {
    const options: InferenceOptions = { ...WHOLE, mode, scales: [0.75, 1], flip: true, average: "probs" };
    const got = await predictClasses(model, images, [height, width], options).data();
    const mean = await predict(model, images, [height, width], options).data();
    assert.is(got.length, 2 * height * width);
    got.forEach((k, i) => assertBest(k, mean.subarray(i * CLASSES, (i + 1) * CLASSES), `pixel ${i}`));
    assert.ok(new Set(got).size > 1);
  }
  await checkDevice();
});

test("a mirror image's scores of paired classes are exchanged back", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const [height, width, classes] = [2, 4, 5];
  // A network that says what it is shown: its scores are the image's channels, of which two are doubled.
  const forward = (image: Tensor) => ({ logits: concat([image, slice(image, 3, 1, 3)], 3) });
  const model = { alignCorners: false, forward };
  const pixels = Float32Array.from({ length: height * width * 3 }, (_, i) => (i * i) % 31);
  const image = Tensor.from(gpu, pixels, [1, height, width, 3]);
  const flipPairs = [[4, 1], [2, 3]] as const;
  const partner = [0, 4, 3, 2, 1];
  const score = (pixel: number, k: number): number => pixels[3 * pixel + [0, 1, 2, 1, 2][k]];
  const expected = Array.from({ length: height * width * classes }, (_, i) => {
    const [pixel, k] = [Math.floor(i / classes), i % classes];
    return (score(pixel, k) + score(pixel, partner[k])) / 2;
  });
  for (const mode of ["whole", "slide"] as const) {
    const options: InferenceOptions = { ...WHOLE, mode, crop: [2, 4], flip: true, flipPairs };
    assert.equal([...(await predict(model, image, [height, width], options).data())], expected, mode);
  }
});

test.run();
