import { readFileSync, readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { datasetLayout, openDataset } from "../../src/data/open.ts";
import { UserError } from "../../src/errors.ts";
import { decodePng, encodePng } from "../../src/io/png.node.ts";
import type { Mcibi } from "../../src/models/mcibi.ts";
import type { Segmentor } from "../../src/models/segmentor.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { softmax } from "../../src/ops/softmax.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import type { Panel, Prediction } from "../../src/train/evaluate.ts";
import { predict } from "../../src/train/inference.ts";
import { meanEntropy } from "../../src/train/inspect.ts";
import { scores } from "../../src/train/metrics.ts";
import { panelPng } from "../../src/train/panels.ts";
import { predictionWriter } from "../../src/train/predictions.ts";
import type { PredictionFormat } from "../../src/train/predictions.ts";
import { cityscapesPaths, save, saveScene } from "../support/datasets.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
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

test("panels come with the probability of what was predicted, and the entropy of W", async () => {
  const panels: Panel[] = [];
  const slide = { ...config, eval: { ...config.eval, average: "probs" as const } };
  for (const settings of [config, slide]) {
    const onPanel = async (panel: Panel): Promise<void> => void panels.push(panel);
    await evaluate(gpu, { model, dataset, config: settings, panels: 1, onPanel });
  }
  await checkDevice();
  const [{ item, classes, confidence, weightEntropy }, { confidence: averaged }] = panels;
  model.eval();
  {
    using _ = gpu.arena();
    const image = Tensor.from(gpu, item.image, [1, item.height, item.width, 3]);
    const { height, width } = item.original;
    const options = { ...config.eval, flipPairs: [] };
    const logits = predict(model, image, [height, width], options);
    const expected = await softmax(logits).data();
    assert.equal([confidence.height, confidence.width], [height, width]);
    confidence.values.forEach((value, pixel) => {
      const own = expected.subarray(19 * pixel, 19 * pixel + 19);
      assert.ok(Math.abs(value - own[classes[pixel]]) < 1e-5, `pixel ${pixel}: ${value}, not ${own[classes[pixel]]}`);
    });
    const { stage1 } = (model as Mcibi).forward(image);
    const weights = (await softmax(stage1!).data()) as Float32Array;
    const entropy = weights.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0) / (weights.length / 19);
    assert.ok(Math.abs(weightEntropy! - entropy) < 1e-4, `${weightEntropy}, not ${entropy}`);
  }
  model.train();
  assert.ok(averaged.values.every((value) => value >= 1 / 19 - 1e-6 && value <= 1 + 1e-6));
});

test("entropy: 0 for a single class, the logarithm of their number for equal ones", () => {
  assert.is(meanEntropy(Float32Array.of(1000, 0, -1000), 3), 0);
  assert.ok(Math.abs(meanEntropy(Float32Array.of(7, 7, 7, 7), 4) - Math.log(4)) < 1e-12);
  assert.ok(Math.abs(meanEntropy(Float32Array.of(5, 5, 500, 0), 2) - Math.log(2) / 2) < 1e-12);
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

/** Row by row: official label ids, and the train ids that are predicted; -1 is stored as 255. */
const LABEL = [
  [7, 7, 7, 8],
  [8, 33, 0, 26],
  [255, 29, 26, 26],
];
const PREDICTED = [
  [0, 0, 1, 1],
  [1, 18, 0, 13],
  [13, 14, 13, 14],
];

/** A stand-in for the network that predicts PREDICTED. */
function oracle(): Segmentor {
  const scores = PREDICTED.flat().flatMap((id) => Array.from({ length: 19 }, (_, k) => (k === id ? 1 : 0)));
  const forward = () => ({ logits: Tensor.from(gpu, Float32Array.from(scores), [1, 3, 4, 19]) });
  return { alignCorners: false, training: false, eval() {}, train() {}, forward } as unknown as Segmentor;
}

test("Cityscapes by hand: void counts nowhere, and the server's files hold label ids", async () => {
  const root = temporary.join("by hand");
  const place = { width: 4, height: 3 };
  const name = "bonn_000000_000019";
  for (const split of ["val", "test"]) {
    const { image, label } = cityscapesPaths(root, split, "bonn", name);
    save(image, encodePng({ ...place, channels: 3, data: new Uint8Array(36) }));
    if (split === "val") save(label, encodePng({ ...place, channels: 1, data: Uint8Array.from(LABEL.flat()) }));
  }
  const score = async (split: string, format?: PredictionFormat) => {
    const opened = await openDataset("cityscapes", { root, split });
    const folder = temporary.join(`${split} ${format}`);
    const onPrediction = predictionWriter(folder, opened, format);
    const whole = tinyConfig(root, "data.size=3,4");
    const confusion = await evaluate(gpu, { model: oracle(), dataset: opened, config: whole, onPrediction });
    const file = readFileSync(`${folder}/${name}_leftImg8bit.png`);
    assert.equal(readdirSync(folder), [`${name}_leftImg8bit.png`]);
    return { confusion: confusion!, png: decodePng(file) };
  };

  const { confusion, png } = await score("val");
  // Nine pixels count: road 7 7 7, sidewalk 8 8, bicycle 33, car 26 26 26.
  const hits: Record<number, [both: number, label: number, prediction: number]> = {
    ...{ 0: [2, 3, 2], 1: [2, 2, 3], 13: [2, 3, 2], 14: [0, 0, 1], 18: [1, 1, 1] },
  };
  const s = scores(confusion);
  for (let k = 0; k < 19; k++) {
    const [both, label, prediction] = hits[k] ?? [0, 0, 0];
    assert.equal([s.intersection[k], s.labelled[k], s.predicted[k]], [both, label, prediction], `class ${k}`);
    assert.equal([s.iou[k], s.dice[k]], [both / (label + prediction - both), (2 * both) / (label + prediction)]);
  }
  assert.ok(Math.abs(s.meanIou - (2 / 3 + 2 / 3 + 2 / 3 + 0 + 1) / 5) < 1e-15);
  assert.is(s.pixelAccuracy, 7 / 9);

  const ids = [7, 7, 8, 8, 8, 33, 7, 26, 26, 27, 26, 27];
  assert.equal([png.color, png.width, png.height, ...png.data], ["palette", 4, 3, ...ids]);
  const color = (index: number) => [...png.palette!.subarray(3 * index, 3 * index + 3)];
  assert.equal([color(7), color(33)], [[128, 64, 128], [119, 11, 32]]);
  const indices = (await score("val", "index")).png;
  assert.equal([...indices.data], PREDICTED.flat());
  assert.equal([...indices.palette!.subarray(3, 6)], [244, 35, 232]);

  const blind = await score("test", "cityscapes-server");
  assert.equal([...blind.png.data], ids);
  assert.ok(blind.confusion.counts.every((count) => count === 0), "without labels nothing is counted");
});

test("predictions that would overwrite each other, or a format without ids, are refused", async () => {
  const twice = { ...dataset, items: [dataset.items[0], dataset.items[0]] };
  await assertRejects(() => predictionWriter("x", twice), UserError, "cityscapes val", "same name");
  const other = { ...dataset, spec: datasetLayout("lip").spec };
  await assertRejects(() => predictionWriter("x", other, "cityscapes-server"), UserError, "lip", "--format index");
});

test("a panel shows image, truth and prediction in the dataset's colours, errors and confidence", () => {
  const [height, width] = [1, 3];
  const image = Uint8Array.of(1, 2, 3, 4, 5, 6, 10, 20, 30);
  const original = { height, width, image, label: Uint8Array.of(0, 255, 0) };
  const item = { id: "x", image: new Float32Array(9), height, width, original };
  const confidence = { height: 1, width: 3, values: Float32Array.of(0, 0.5, 1) };
  const panel = { item, classes: Int32Array.of(10, 13, 0), confidence, weightEntropy: null };
  const png = decodePng(panelPng(panel, dataset.spec), "panel");
  assert.equal([png.width, png.height], [5 * width + 4 * 4, height]);
  const pixels = Array.from({ length: png.width }, (_, x) => [...png.data.subarray(3 * x, 3 * x + 3)].join());
  const gap = Array<string>(4).fill("255,255,255");
  const { palette } = dataset.spec;
  const [road, sky, car] = [palette[0], palette[10], palette[13]].map((color) => color.join());
  const [wrong, unknown, right] = ["220,38,38", "0,0,0", "12,12,12"];
  assert.equal(pixels, [
    ...["1,2,3", "4,5,6", "10,20,30", ...gap, road, "0,0,0", road, ...gap, sky, car, road, ...gap],
    ...[wrong, unknown, right, ...gap, "12,8,38", "187,55,84", "252,255,164"],
  ]);
});

test.after(() => {
  model.dispose();
  temporary[Symbol.dispose]();
});

test.run();
