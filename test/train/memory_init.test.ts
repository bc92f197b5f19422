/** What the memory starts with: how representations are chosen, what they are, and runs that begin with them. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mcibiOptions } from "../../src/config/model.ts";
import type { Batch } from "../../src/data/loader.ts";
import { createLoader } from "../../src/data/loader.ts";
import { openDataset } from "../../src/data/open.ts";
import { Random } from "../../src/data/random.ts";
import { UserError } from "../../src/errors.ts";
import { serializeSafetensors } from "../../src/io/safetensors.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { interpolateBilinear } from "../../src/ops/interpolate.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { sphericalKmeans } from "../../src/train/kmeans.ts";
import { MEMORY_NAME, readMemory, requireFitting, serializeMemory } from "../../src/train/memory_file.ts";
import { collectMemory, initializeMemory } from "../../src/train/memory_init.ts";
import type { MemoryMethod } from "../../src/train/memory_init.ts";
import { MeanSampler, PixelSampler } from "../../src/train/memory_samplers.ts";
import type { Sampler } from "../../src/train/memory_samplers.ts";
import { loaderOptions } from "../../src/train/loader_options.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const gpu = await testGpu();
const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const config = tinyConfig(root);
const [HEIGHT, WIDTH] = config.data.crop;
const AREA = HEIGHT * WIDTH;
const IGNORE = 255;

const random = (seed = 1): Random => new Random(seed, 0, 0, 9);

const sorted = (vectors: readonly Float32Array[]): number[][] =>
  vectors.map((vector) => [...vector]).toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);

test("spherical k-means groups directions; its centres are the means of the vectors, lengths included", () => {
  const groups = [[[4, 0], [2, 0.2], [6, 0.1]], [[0.1, 1], [0, 9]], [[-3, -3], [-1, -1.1], [-2, -2], [-9, -8]]];
  const means = groups.map((own) => own[0].map((_, c) => own.reduce((sum, v) => sum + v[c], 0) / own.length));
  const vectors = groups.flat().map((vector) => Float32Array.from(vector));
  for (const seed of [1, 2, 3, 4]) {
    const found = sorted(sphericalKmeans(vectors, 3, random(seed)));
    const wanted = sorted(means.map((mean) => Float32Array.from(mean)));
    assertClose(`seed ${seed}`, found.flat(), wanted.flat(), [3, 2], { rtol: 1e-6, atol: 1e-6 });
  }
  const [whole] = sphericalKmeans(vectors, 1, random());
  const mean = [0, 1].map((c) => vectors.reduce((sum, vector) => sum + vector[c], 0) / vectors.length);
  assertClose("one centre", whole, mean, [2], { rtol: 1e-6, atol: 1e-6 });
  const again = () => sphericalKmeans(vectors, 2, random(7));
  assert.equal(again(), again());
});

test("spherical k-means gives no more centres than there are directions", () => {
  const parallel = [[1, 2], [2, 4], [0.3, 0.6]].map((vector) => Float32Array.from(vector));
  assertClose("parallel", sphericalKmeans(parallel, 3, random())[0], [1.1, 2.2], [2], { rtol: 1e-6, atol: 0 });
  assert.is(sphericalKmeans(parallel, 3, random()).length, 1);
  assert.is(sphericalKmeans([Float32Array.of(1, 0), Float32Array.of(0, 1)], 5, random()).length, 2);
  assert.equal(sphericalKmeans([], 2, random()), []);
  assert.equal(sphericalKmeans([Float32Array.of(2, 0), Float32Array.of(-2, 0)], 1, random()), [Float32Array.of(0, 0)]);
});

/** Labels of three images of 12 pixels; class 0 has 1, 3 and 6 pixels in them, class 1 only one, class 2 none. */
const IMAGES = [1, 3, 6].map((count, image) => {
  const labels = new Int32Array(12).fill(IGNORE).fill(0, 0, count);
  labels[7] = -1;
  if (image === 1) labels[11] = 1;
  return labels;
});
const SMALL = { numClasses: 3, channels: 2, ignoreIndex: IGNORE };

/** Answers as if the representation of a pixel were (image + 1, pixel + 1). */
function answered(sampler: Sampler): Float32Array {
  IMAGES.forEach((image, i) => {
    for (const { labels, take } of sampler.ask(image)) {
      const means = new Float32Array(SMALL.numClasses * 2);
      for (let k = 0; k < SMALL.numClasses; k++) {
        const own = [...labels.keys()].filter((p) => labels[p] === k);
        if (own.length > 0) means.set([i + 1, own.reduce((a, b) => a + b, 0) / own.length + 1], 2 * k);
      }
      take(means);
    }
  });
  return sampler.rows();
}

test("every pixel of a class is as likely to be chosen, for every slot; one pixel fills one slot", () => {
  const SEEDS = 800;
  const chosen = [new Map<string, number>(), new Map<string, number>()];
  let alike = 0;
  for (let seed = 0; seed < SEEDS; seed++) {
    const rows = answered(new PixelSampler({ ...SMALL, slots: 2, seed }));
    assert.equal([...rows.subarray(4, 8)], [2, 12, 0, 0], "class 1 has one pixel");
    assert.equal([...rows.subarray(8)], [0, 0, 0, 0], "class 2 has none");
    if (rows[2] === 0) alike++;
    [0, 1].forEach((slot) => {
      const key = String(rows.subarray(2 * slot, 2 * slot + 2));
      chosen[slot].set(key, (chosen[slot].get(key) ?? 0) + 1);
    });
  }
  const deviation = Math.sqrt(SEEDS * 0.1 * 0.9);
  const pixels = [1, 3, 6].flatMap((count, i) => Array.from({ length: count }, (_, p) => `${i + 1},${p + 1}`));
  for (const pixel of pixels) {
    const first = chosen[0].get(pixel) ?? 0;
    assert.ok(Math.abs(first - SEEDS / 10) < 5 * deviation, `${pixel} was chosen ${first} times`);
  }
  assert.is(chosen[0].size, 10, "nothing else was chosen");
  assert.ok(Math.abs(alike - SEEDS / 10) < 5 * deviation, `both slots chose one pixel ${alike} times`);
});

test("means of images: one vector per image and class, no more than are to be remembered, each image as likely", () => {
  const all = answered(new MeanSampler({ ...SMALL, slots: 1, seed: 0, mostPerClass: 9 }));
  assertClose("all images", all, [2, (1 + 2 + 3.5) / 3, 2, 12, 0, 0], [3, 2], { rtol: 1e-6, atol: 0 });
  const counts = [0, 0, 0];
  for (let seed = 0; seed < 600; seed++) {
    const [image] = answered(new MeanSampler({ ...SMALL, slots: 1, seed, mostPerClass: 1 }));
    counts[image - 1]++;
  }
  assert.is(counts.reduce((a, b) => a + b), 600);
  for (const count of counts) assert.ok(Math.abs(count - 200) < 5 * Math.sqrt((600 * 2) / 9), String(counts));
  const several = answered(new MeanSampler({ ...SMALL, slots: 3, seed: 0, mostPerClass: 9 }));
  const centres = sorted([0, 2, 4].map((at) => several.subarray(at, at + 2)));
  assert.equal(centres, [[0, 0], [1.5, 1.5], [3, 3.5]], "two images say the same but for its length");
  assert.equal([...several.subarray(6, 12)], [2, 12, 0, 0, 0, 0]);
});

const dataset = await openDataset("cityscapes", { root, split: "train" });
const { spec } = dataset;
const model = new Mcibi(mcibiOptions(config, spec.numClasses), new RandomState(3)).initialize(gpu, 3).train();

/** Uses the batches that a memory is made of. */
async function withLoader<T>(use: (loader: ReturnType<typeof createLoader>) => Promise<T>): Promise<T> {
  const loader = createLoader(dataset, loaderOptions(config));
  try {
    return await use(loader);
  } finally {
    await loader.close();
  }
}

const collect = (method: MemoryMethod, slots = 1, seed = 5): Promise<Float32Array> =>
  withLoader(async (loader) => {
    const crop = config.data.crop;
    return (await collectMemory(gpu, { model, loader, crop, spec, method, slots, seed }))!;
  });

/** Per image the label and the representation of every pixel, resized to it: [pixels, C]. */
async function representations(): Promise<{ labels: Int32Array; values: Float32Array }[]> {
  const images: { labels: Int32Array; values: Float32Array }[] = [];
  const add = async ({ images: pixels, labels, ids }: Batch): Promise<void> => {
    using _ = gpu.arena();
    const feats = model.representations(Tensor.from(gpu, pixels, [ids.length, HEIGHT, WIDTH, 3]));
    const resized = (await interpolateBilinear(feats, { size: [HEIGHT, WIDTH] }).data()) as Float32Array;
    const size = AREA * model.featsChannels;
    ids.forEach((_, i) =>
      images.push({
        labels: labels.slice(i * AREA, (i + 1) * AREA),
        values: resized.slice(i * size, (i + 1) * size),
      }),
    );
  };
  await withLoader(async (loader) => {
    for await (const batch of loader.batches(1)) await add(batch);
  });
  return images;
}

test("random pixels are representations of pixels of their class, from anywhere in the training images", async () => {
  const before = await model.stateDict();
  const slots = 2;
  const rows = await collect("random-pixel", slots);
  assert.equal(await model.stateDict(), before, "the network is as it was");
  assert.equal(await collect("random-pixel", slots), rows, "the same seed, the same bytes");
  const other = await collect("random-pixel", slots, 6);
  const images = await representations();
  const C = model.featsChannels;
  const sources = new Set<number>();
  let known = 0;
  for (let row = 0; row < spec.numClasses * slots; row++) {
    const klass = Math.floor(row / slots);
    const vector = rows.subarray(row * C, (row + 1) * C);
    const has = images.some(({ labels }) => labels.includes(klass));
    if (vector.every((value) => value === 0)) {
      if (row % slots === 0) assert.not(has, `class ${klass} is in the images, but not in the memory`);
      continue;
    }
    known++;
    const source = images.findIndex(({ labels, values }) =>
      labels.some(
        (label, p) => label === klass && vector.every((value, c) => Math.abs(value - values[p * C + c]) < 1e-4),
      ),
    );
    assert.ok(source >= 0, `row ${row} is no representation of class ${klass}`);
    sources.add(source);
  }
  assert.ok(known > 10 && sources.size > 2, `${known} rows from ${sources.size} images`);
  assert.not.equal(other, rows);
  await checkDevice();
});

test("k-means with one slot per class is the mean over images of their means", async () => {
  const rows = await collect("kmeans");
  const images = await representations();
  const C = model.featsChannels;
  const wanted = new Float64Array(spec.numClasses * C);
  for (let k = 0; k < spec.numClasses; k++) {
    const means = images.flatMap(({ labels, values }) => {
      const own = [...labels.keys()].filter((p) => labels[p] === k);
      if (own.length === 0) return [];
      return [Array.from({ length: C }, (_, c) => own.reduce((sum, p) => sum + values[p * C + c], 0) / own.length)];
    });
    means.forEach((mean) => mean.forEach((value, c) => (wanted[k * C + c] += value / means.length)));
  }
  assert.ok(wanted.some((value) => value !== 0));
  assertClose("rows", rows, wanted, [spec.numClasses, C], { rtol: 1e-4, atol: 1e-5 });
});

test("only empty slots take initial values: what weights brought along stays", async () => {
  const { memory } = model;
  const values = new Float32Array(memory!.memory.size);
  values.fill(7, 0, 8);
  const initialize = (init: string) =>
    withLoader((loader) => {
      memory!.assign(values);
      return initializeMemory(gpu, { model, config: { ...config, memory: { ...config.memory, init } }, loader, spec });
    });
  assert.is(await initialize("first-batch-mean"), "");
  assert.equal(await memory!.memory.data(), values);
  const said = await initialize("random");
  assert.is(said, "memory from random: 1 from the weights, 19 of 19 slots filled");
  const random = (await memory!.memory.data()) as Float32Array;
  assert.equal(random.subarray(0, 8), values.subarray(0, 8));
  const rest = [...random.subarray(8)];
  assert.ok(rest.every((value) => value > 0));
  const square = rest.reduce((sum, value) => sum + value * value, 0) / rest.length;
  assert.ok(Math.abs(square - 1) < 0.6, `mean square ${square}, expected 1`);
  await initialize("random");
  assert.equal(await memory!.memory.data(), random);
  memory!.assign(new Float32Array(values.length));
});

test("a memory's file: read as it was written, refused where it does not fit", async () => {
  const shape = [spec.numClasses, 1, 8];
  const values = Float32Array.from({ length: spec.numClasses * 8 }, (_, i) => i);
  const path = temporary.join("memory.safetensors");
  writeFileSync(path, serializeMemory({ shape, values }, spec, { method: "kmeans", seed: 0 }));
  const stored = await readMemory(path);
  assert.equal([stored.shape, stored.values, stored.classNames], [shape, values, spec.classNames]);
  requireFitting(stored, shape, spec);
  const refused = (run: () => void, ...parts: string[]) => assertRejects(async () => run(), UserError, path, ...parts);
  await refused(() => requireFitting(stored, [19, 2, 8], spec), "[19, 1, 8]", "[19, 2, 8]", "memory.featsPerClass");
  const other = { ...spec, name: "towns", classNames: spec.classNames.toReversed() };
  await refused(() => requireFitting(stored, shape, other), "classes road, sidewalk, building", "towns");
  const bad: [StoredBytes: Uint8Array, ...parts: string[]][] = [
    [serializeSafetensors([["x", { shape: [1], data: Float32Array.of(1) }]]), `no tensor ${MEMORY_NAME}`],
    [serializeSafetensors([[MEMORY_NAME, { shape: [2], data: Float32Array.of(1, 2) }]]), "has shape [2]"],
    [serializeSafetensors([[MEMORY_NAME, { shape: [1, 1, 1], data: Float32Array.of(NaN) }]]), "not finite"],
    [new Uint8Array(3), "3 bytes"],
  ];
  for (const [bytes, ...parts] of bad) {
    const broken = temporary.join("broken.safetensors");
    writeFileSync(broken, bytes);
    await assertRejects(() => readMemory(broken), UserError, broken, ...parts);
  }
  await assertRejects(() => readMemory(temporary.join("gone.safetensors")), UserError, "gone", "no such file");
});

const SWITCHES = [
  ...["memory.officialAliasing=true", "memory.skipZeroFeatures=true"],
  ...["losses.memory.beforeUpdate=true", "losses.memory.startEpoch=1"],
];
const ONE_EPOCH = ["train.epochs=1", "train.panels=0"];

test("a run begins with pixels of its images, names the classes they lack, resumes to the same bytes", async () => {
  const settings = tinyConfig(root, ...ONE_EPOCH, ...SWITCHES, "memory.init=random-pixel");
  const [whole, stopped] = [new RunFolder(temporary.join("whole")), new RunFolder(temporary.join("stopped"))];
  const { printed } = await runTiny(gpu, { config: settings, folder: whole });
  assert.match(printed, /memory: 5 of 5 batches/);
  assert.match(printed, /memory from random-pixel: \d+ of 19 slots filled; empty until seen: .*truck/);
  await runTiny(gpu, { config: settings, folder: stopped, stopAfter: 3 });
  const resume = await readCheckpoint(stopped.last);
  assert.ok((await runTiny(gpu, { config: settings, folder: stopped, resume })).confusion);
  assert.ok(readFileSync(whole.last).equals(readFileSync(stopped.last)));
  const early = new RunFolder(temporary.join("early"));
  const begun = await runTiny(gpu, { config: settings, folder: early, stopAfter: 1 });
  assert.is(begun.confusion, null);
  assert.match(begun.printed, "stopped before the first iteration");
  assert.not.ok(existsSync(early.path));
});

test("a run begins with the memory of a file or of another run's checkpoint", async () => {
  const from = new RunFolder(temporary.join("whole"));
  const path = from.last;
  const folder = new RunFolder(temporary.join("from-checkpoint"));
  const settings = tinyConfig(root, ...ONE_EPOCH, `memory.init=${path}`, "memory.momentum=0");
  const { printed } = await runTiny(gpu, { config: settings, folder });
  assert.match(printed, `memory from ${path}: `);
  const [source, result] = [await readMemory(path), await readMemory(folder.last)];
  const C = 8;
  const filled = [...source.values.keys()].filter((i) => {
    const start = Math.floor(i / C) * C;
    return source.values.subarray(start, start + C).some((value) => value !== 0);
  });
  assert.ok(filled.length >= 5 * C);
  for (const i of filled) assert.is(result.values[i], source.values[i], "without momentum it stays");
  const several = tinyConfig(root, ...ONE_EPOCH, `memory.init=${path}`, "memory.featsPerClass=2");
  const never = new RunFolder(temporary.join("several"));
  const refused = () => runTiny(gpu, { config: several, folder: never });
  await assertRejects(refused, UserError, path, "[19, 1, 8]", "[19, 2, 8]");
  assert.not.ok(existsSync(never.path));
});

test.after(() => {
  model.dispose();
  temporary[Symbol.dispose]();
});

test.run();
