/** The loader's own throughput. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeLoader, measureLoader } from "../../bench/loader.ts";
import type { StepRow } from "../../bench/step.ts";

const task = { name: "tiny", preset: "tiny", n: 2, image: [32, 64] as const, images: 2 };
const step = (name: string, h: number): StepRow =>
  ({ name, shape: { n: 2, h, w: 256, numClasses: 19 }, imagesPerSecond: 0.5 }) as unknown as StepRow;

test("images per second from files and from the cache, beside the step of that name and size", async () => {
  const rows = await measureLoader(task, [step("other", 128), step("tiny", 64), step("tiny", 128)]);
  const shape = { n: 2, h: 128, w: 256, image: [32, 64], workers: 1, photometric: false };
  assert.equal(
    rows.map(({ name, op, pass, shape: own, stepImagesPerSecond }) => [name, op, pass, own, stepImagesPerSecond]),
    [
      ["tiny", "loader", "decode", shape, 0.5],
      ["tiny", "loader", "cached", shape, 0.5],
    ],
  );
  for (const { imagesPerSecond, medianMs, minMs, samplesMs } of rows) {
    assert.ok(samplesMs.length >= 5 && minMs > 0 && medianMs >= minMs);
    assert.ok(Math.abs(imagesPerSecond * medianMs - 1000) < 1e-6);
  }
  const [decode, cached] = rows.map((row) => ({ ...row, imagesPerSecond: 10 }));
  assert.is(
    describeLoader(decode),
    "loader of tiny, from 32x64 PNG files: 10.0 images/s with 1 thread and nothing else to do; " +
      "the training step takes 0.500, a factor of 20.0",
  );
  assert.match(describeLoader(cached), "from the cache of decoded images");
  assert.match(describeLoader({ ...decode, stepImagesPerSecond: 40 }), "a factor of 0.250: the device waits for it");
  assert.match(describeLoader({ ...decode, stepImagesPerSecond: null }), /nothing else to do$/);
});

test.run();
