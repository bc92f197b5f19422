import { test } from "uvu";
import * as assert from "uvu/assert";
import { argmax } from "../../src/ops/argmax.ts";
import type { Pair } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { inferView, predict, slidingWindows, viewsOf } from "../../src/train/inference.ts";
import type { InferenceOptions } from "../../src/train/inference.ts";
import { loadNetwork } from "../models/network_runners.ts";
import { mapOf, planes } from "../models/runners.ts";
import type { Collected } from "../models/runners.ts";
import { assertResults, hasFixtures, readFixture } from "../support/fixtures.ts";
import { testGpu } from "../support/gpu.ts";

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

if (hasFixtures("inference of the official code")) {
  for (const [network, files] of [
    ["r18_aspp", ["inference", "inference_2"]],
    ["r18_ppm_hard", ["inference"]],
    ["bottleneck_two_slots", ["inference"]],
  ] as const) {
    test(`${network}: whole, sliding windows, scales and mirror images`, async () => {
      const gpu = await testGpu();
      const before = gpu.memory.live;
      {
        using _ = gpu.arena();
        const folder = `network/${network}`;
        const { model } = loadNetwork(gpu, folder);
        model.eval();
        const fixtures = files.map((file) => readFixture(`${folder}/${file}.safetensors`));
        const [item] = fixtures[0].cases;
        const { cropsize_hw: crop, stride_hw: stride, multiscale: scales, original_size_hw: size, flip } = item.params;
        const image = mapOf(gpu, fixtures[0], item, "image");
        const results: Collected = new Map();
        const add = async (name: string, map: Tensor): Promise<void> => void results.set(name, await planes(map));
        const final = async (name: string, options: InferenceOptions): Promise<void> => {
          const mean = predict(model, image, size as Pair, options);
          await add(`${name}.mean_at_original_size`, mean);
          results.set(`${name}.pred`, await argmax(mean).data());
        };
        const whole: InferenceOptions = { mode: "whole", crop, stride, average: "logits", scales: [1], flip: false };
        const [plain] = viewsOf(whole);
        const slide: InferenceOptions = { ...whole, mode: "slide" };
        await add("whole.logits", inferView(model, image, plain, whole));
        await add("whole_probs.probs", inferView(model, image, plain, { ...whole, average: "probs" }));
        await add("slide.logits", inferView(model, image, plain, slide));
        await add("slide_probs.probs", inferView(model, image, plain, { ...slide, average: "probs" }));
        const many = { ...whole, scales, flip };
        for (const [i, view] of viewsOf(many).entries()) {
          await add(`tta_whole.part_${i}`, inferView(model, image, view, many));
        }
        await final("whole", whole);
        await final("tta_whole", many);
        await final("tta_slide_probs", { ...many, mode: "slide", average: "probs" });
        for (const fixture of fixtures) assertResults(network, fixture, fixture.cases[0], results);
        model.dispose();
      }
      assert.is(gpu.memory.live, before, "bytes still allocated");
    });
  }
}

test.run();
