import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { openDataset } from "../../src/data/open.ts";
import { decodePng } from "../../src/io/png.node.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import type { Prediction } from "../../src/train/evaluate.ts";
import { panelPng } from "../../src/train/panels.ts";
import { saveScene } from "../support/datasets.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { TemporaryFolder, tinyConfig } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
for (let i = 0; i < 5; i++) saveScene(temporary.path, "val", "bb", `bb_00000${i}_000019`, i, 60 + i, 40);
const dataset = await openDataset("cityscapes", { root: temporary.path, split: "val" });
const config = tinyConfig(temporary.path, "train.seed=3");
const gpu = await testGpu();
const model = buildModel(config, 19, new RandomState(0)).initialize(gpu, 3).train();
// Without its bias, which decides alone in an untrained network, the classifier tells pixels apart.
const state = await model.stateDict();
model.loadStateDict(state.set("decoder_stage2.4.bias", { shape: [19], data: new Float32Array(19) }));

test("counts what it predicts, at the labels' own size, and leaves everything as it was", async () => {
  const live = gpu.memory.live;
  const shown: Prediction[] = [];
  const done: number[] = [];
  const confusion = await evaluate(gpu, {
    ...{ model, dataset, config, panels: 5 },
    onPanel: async (prediction) => void shown.push(prediction),
    onProgress: (count) => done.push(count),
  });
  await checkDevice();
  const counts = new Float64Array(19 * 19);
  for (const { item, classes } of shown) {
    const { label, height, width } = item.original;
    assert.is(classes.length, height * width);
    label.forEach((id, i) => id !== 255 && counts[id * 19 + classes[i]]++);
  }
  assert.equal(shown.map(({ item }) => item.id), dataset.items.map(({ id }) => id));
  assert.equal(done, [1, 2, 3, 4, 5]);
  assert.equal(confusion!.counts, counts);
  assert.ok(new Set(shown.flatMap(({ classes }) => [...classes])).size > 1, "more than one class is predicted");
  assert.ok(model.training);
  assert.is(gpu.memory.live, live);
});

test("panels are spread over the dataset", async () => {
  const ids: string[] = [];
  await evaluate(gpu, { model, dataset, config, panels: 2, onPanel: async ({ item }) => void ids.push(item.id) });
  assert.equal(ids, ["bb_000001_000019", "bb_000003_000019"]);
});

test("a signal ends it without a result", async () => {
  const stop = new AbortController();
  const onProgress = (): void => stop.abort();
  assert.is(await evaluate(gpu, { model, dataset, config, onProgress, signal: stop.signal }), null);
  assert.ok(model.training);
});

test("a panel shows image, truth and prediction in the dataset's colours", () => {
  const [height, width] = [1, 2];
  const original = { height, width, image: Uint8Array.of(1, 2, 3, 4, 5, 6), label: Uint8Array.of(0, 255) };
  const item = { id: "x", image: new Float32Array(6), height, width, original };
  const png = decodePng(panelPng({ item, classes: Int32Array.of(10, 13) }, dataset.spec), "panel");
  assert.equal([png.width, png.height], [3 * width + 2 * 4, height]);
  const pixels = Array.from({ length: png.width }, (_, x) => [...png.data.subarray(3 * x, 3 * x + 3)].join());
  const gap = Array<string>(4).fill("255,255,255");
  const { palette } = dataset.spec;
  const [road, sky, car] = [palette[0], palette[10], palette[13]].map((color) => color.join());
  assert.equal(pixels, ["1,2,3", "4,5,6", ...gap, road, "0,0,0", ...gap, sky, car]);
});

test.after(() => {
  model.dispose();
  temporary[Symbol.dispose]();
});

test.run();
