import { readFileSync, statSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import sharp from "sharp";
import { buildModel } from "../../src/config/model.ts";
import type { Config } from "../../src/config/config.ts";
import { setFieldFromOption } from "../../src/config/set.ts";
import { openDataset } from "../../src/data/open.ts";
import { generateStreets } from "../../src/data/streets/index.ts";
import { crc32 } from "../../src/io/crc32.ts";
import { decodePng } from "../../src/io/png.node.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { pathOf, writePrediction } from "../../src/predict/files.ts";
import { findImages } from "../../src/predict/inputs.ts";
import { predictImages } from "../../src/predict/predict.ts";
import type { PredictedImage, Wanted } from "../../src/predict/predict.ts";
import { loadWeights, parseCheckpoint } from "../../src/train/checkpoint.ts";
import { evaluate } from "../../src/train/evaluate.ts";
import { scores } from "../../src/train/metrics.ts";
import { predictionWriter } from "../../src/train/predictions.ts";
import { save } from "../support/datasets.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

const pretrained = new URL("../../src/predict/pretrained/", import.meta.url);
const file = new URL("tiny.safetensors", pretrained);
const checkpoint = parseCheckpoint(readFileSync(file), "tiny.safetensors");
const { subject, config: trained, state } = checkpoint;
const gpu = await testGpu();
const model = buildModel(trained, subject.classNames.length, new RandomState(0)).initialize(gpu, 0).eval();
loadWeights(model, checkpoint);

const temporary = new TemporaryFolder();
const root = temporary.join("streets");
await generateStreets({ root, seed: 77, train: 1, val: 2 });
const dataset = await openDataset("streets", { root, split: "val" });
const folder = temporary.join("streets", "leftImg8bit", "val", "elmstead");

function configWith(settings: readonly string[]): Config {
  const config = structuredClone(trained);
  for (const setting of settings) setFieldFromOption(config, setting);
  return config;
}

/** The images below `from`, as they are handed out, and the reasons of those left out. */
async function predictAll(from: string, settings: readonly string[] = [], wanted: Wanted = "classes") {
  const config = configWith(settings);
  const predictions: PredictedImage[] = [];
  const reasons: string[] = [];
  const { images } = await findImages([from]);
  await predictImages(gpu, {
    ...{ model, spec: dataset.spec, config, images, wanted, signal: new AbortController().signal },
    check: () => {},
    onImage: async (prediction) => void predictions.push(prediction),
    onRefusal: (_, reason) => reasons.push(reason),
  });
  await checkDevice();
  return { predictions, reasons };
}

test("the shipped file is small, says what it needs to be used, and is in half precision", () => {
  assert.ok(statSync(file).size < 2 ** 20);
  assert.equal([subject.dataset, subject.palette!.length], ["streets", 19]);
  assert.equal([subject.classNames, subject.palette], [dataset.spec.classNames, dataset.spec.palette]);
  const weights = [...state.values()].filter(({ data }) => data instanceof Float32Array);
  assert.ok(weights.length > 200 && weights.every(({ data }) => (data as Float32Array).every(Number.isFinite)));
  assert.is(checkpoint.optimizer.size, 0);
});

/** What evaluation makes of the scenes, into files, and their scores. */
async function evaluateAll(settings: readonly string[], saved: string) {
  const onPrediction = predictionWriter(saved, dataset, "index");
  return scores((await evaluate(gpu, { model, dataset, config: configWith(settings), onPrediction }))!);
}

const upright = await predictAll(folder, [], "probabilities");

test("it tells the classes of scenes apart that are in no dataset", async () => {
  const { meanIou, pixelAccuracy } = await evaluateAll([], temporary.join("saved"));
  assert.ok(meanIou > 0.4, `mIoU ${meanIou}`); // 0.57 on the 40 scenes of val
  assert.ok(pixelAccuracy > 0.7, `pixel accuracy ${pixelAccuracy}`);
});

/** Writes the predictions; the index PNGs have to be those that evaluation saved. */
async function compareFiles(predictions: readonly PredictedImage[], saved: string): Promise<void> {
  const out = `${saved} by predict`;
  assert.is(predictions.length, 2);
  for (const prediction of predictions) {
    await writePrediction(prediction, { out, spec: dataset.spec, opacity: 0.5 });
    const { name } = prediction.image;
    assert.ok(readFileSync(pathOf(out, "index", name)).equals(readFileSync(`${saved}/${name}.png`)), name);
    const { width, height } = decodePng(readFileSync(pathOf(out, "overlay", name)));
    assert.equal([width, height], [256, 128]);
    assert.ok(decodePng(readFileSync(pathOf(out, "colors", name))).width > 256);
  }
}

test("index PNGs are those that evaluation saves", () => compareFiles(upright.predictions, temporary.join("saved")));

test("and so they are by sliding windows at two scales, mirrored, with confidence", async () => {
  const sliding = ["eval.mode=slide", "eval.crop=96,160", "eval.stride=64,96", "eval.average=probs"];
  const settings = [...sliding, "eval.scales=0.75,1", "eval.flip=true"];
  const live = gpu.memory.live;
  const { predictions } = await predictAll(folder, settings, "confidence");
  const saved = temporary.join("sliding");
  await evaluateAll(settings, saved);
  await compareFiles(predictions, saved);
  assert.is(predictions[0].probabilities, null);
  const confidence = predictions[0].confidence!;
  assert.ok(Math.min(...confidence) < 128 && Math.max(...confidence) > 250);
  assert.is(gpu.memory.live, live);
});

test("probabilities add up, and the predicted class has the largest one, the confidence", () => {
  const [{ classes, confidence, probabilities, seconds }] = upright.predictions;
  const area = classes.length;
  for (let i = 0; i < area; i += 7) {
    const column = Array.from({ length: 19 }, (_, k) => probabilities![k * area + i]);
    const sum = column.reduce((a, b) => a + b);
    assert.ok(Math.abs(sum - 255) <= 9.5, `pixel ${i}: ${sum}`);
    assert.equal([column[classes[i]], Math.max(...column)], [confidence![i], confidence![i]], `pixel ${i}`);
  }
  assert.ok(seconds > 0);
});

test("a photograph is turned as its tag says; files that are none are left out with their reasons", async () => {
  const mixed = temporary.join("mixed");
  const [scene] = dataset.items;
  const turned = await sharp(scene.imagePath).rotate(-90).withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
  save(`${mixed}/b.jpg`, turned);
  save(`${mixed}/a.png`, new Uint8Array(0));
  save(`${mixed}/c.png`, readFileSync(scene.imagePath).subarray(0, 9000));
  save(`${mixed}/d.jpeg`, turned.subarray(0, 2000));
  save(`${mixed}/e.png`, Buffer.from("no image"));
  save(`${mixed}/f.png`, withSize(readFileSync(scene.imagePath), 100_000, 100_000));
  const { predictions, reasons } = await predictAll(mixed);
  assert.equal(predictions.map(({ image: { name }, width, height }) => [name, width, height]), [["b", 256, 128]]);
  assert.equal(reasons.map((reason) => /mixed\/(\w)\./.exec(reason)![1]), ["a", "c", "d", "e", "f"]);
  assert.match(reasons[4], /pixel limit.*268 million/);
  const same = upright.predictions[0].classes.filter((id, i) => id === predictions[0].classes[i]).length;
  assert.ok(same > 0.95 * 256 * 128, `${same} pixels are predicted alike`);
});

/** A PNG whose header tells another size, with the right checksum. */
function withSize(png: Buffer, width: number, height: number): Uint8Array {
  const bytes = Buffer.from(png);
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

test.after(() => temporary[Symbol.dispose]());

test.run();
