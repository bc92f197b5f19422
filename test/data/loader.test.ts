import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { augment, type Augmentation } from "../../src/data/augment.ts";
import { evaluationItems } from "../../src/data/evaluation.ts";
import { type Batch, createLoader, type Loader, type LoaderOptions } from "../../src/data/loader.ts";
import { openDataset } from "../../src/data/open.ts";
import { Random } from "../../src/data/random.ts";
import { readSample } from "../../src/data/sample.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../../src/data/transforms.ts";
import { UserError } from "../../src/errors.ts";
import { cityscapesPaths, save, saveScene } from "../support/datasets.ts";
import { assertRejects } from "../support/throws.ts";

const IMAGES = 7;
const AUGMENTATION: Augmentation = {
  crop: [12, 20],
  scaleRange: [0.5, 2],
  oneCategoryMaxRatio: 0.75,
  flip: 0.5,
  photometric: true,
  mean: IMAGENET_MEAN,
  std: IMAGENET_STD,
};
/** Nothing random, and the image as it is. */
const PLAIN: Augmentation = {
  ...{ crop: [16, 24], scaleRange: [1, 1], oneCategoryMaxRatio: 1, flip: 0, photometric: false },
  ...{ mean: [0, 0, 0], std: [1, 1, 1] },
};

const OPTIONS: LoaderOptions = {
  ...AUGMENTATION,
  ...{ batchSize: 2, seed: 3, workers: 1, ahead: 2, shuffle: true, dropLast: true, cacheMiB: 0 },
};

const test = suite<{ root: string; loaders: Loader[] }>("loader");
test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "loader-"));
  for (let i = 0; i < IMAGES; i++) saveScene(context.root, "train", "bern", `bern_${i}`, i);
  context.loaders = [];
});
test.after.each(async ({ root, loaders }) => {
  await Promise.all(loaders.map((loader) => loader.close()));
  rmSync(root, { recursive: true });
});

/** A loader over the scenes that is closed after the test. */
async function open({ root, loaders }: { root: string; loaders: Loader[] }, options: Partial<LoaderOptions> = {}) {
  const loader = createLoader(await openDataset("cityscapes", { root, split: "train" }), { ...OPTIONS, ...options });
  loaders.push(loader);
  return loader;
}

async function collect(loader: Loader, epoch: number, startStep?: number): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader.batches(epoch, startStep)) batches.push(batch);
  return batches;
}

test("the same seed gives the same bytes, with any number of threads, ahead or not, cached or not", async (context) => {
  const variants = [{}, { workers: 3, ahead: 5 }, { ahead: 0 }, { workers: 2, cacheMiB: 1 }];
  const runs: Batch[][] = [];
  for (const variant of variants) {
    const loader = await open(context, variant);
    runs.push([...(await collect(loader, 1)), ...(await collect(loader, 2))]);
  }
  assert.is(runs[0].length, 2 * Math.floor(IMAGES / 2));
  for (const [i, run] of runs.entries()) assert.equal(run, runs[0], `variant ${JSON.stringify(variants[i])}`);
});

test("the bytes are those of earlier versions: steps that are switched off draw no random numbers", async (context) => {
  const digest = createHash("sha256");
  const loader = await open(context, { rotate: { probability: 0, degrees: 30 }, keepRatio: true });
  for (const { images, labels } of await collect(loader, 1)) digest.update(images).update(labels);
  assert.is(digest.digest("hex").slice(0, 16), "7910199db5077208");
});

test("another seed or epoch gives other bytes in another order", async (context) => {
  const loader = await open(context);
  const other = await open(context, { seed: 4 });
  const [first, second, third] = [await collect(loader, 1), await collect(loader, 2), await collect(other, 1)];
  const order = (batches: Batch[]) => batches.flatMap(({ ids }) => ids).join();
  assert.is(new Set([first, second, third].map(order)).size, 3);
  assert.not.equal(first[0].images, second[0].images);
});

test("an epoch begun in the middle continues with the same batches", async (context) => {
  const loader = await open(context, { workers: 2 });
  const whole = await collect(loader, 5);
  assert.equal(whole.map(({ step }) => step), [0, 1, 2]);
  for (const step of [1, 2, 3]) assert.equal(await collect(await open(context), 5, step), whole.slice(step));
});

test("each image comes once per epoch; the last batch is dropped or short", async (context) => {
  const full = await open(context, { dropLast: false, shuffle: false });
  assert.is(full.stepsPerEpoch, 4);
  const batches = await collect(full, 1);
  assert.equal(batches.flatMap(({ ids }) => ids), Array.from({ length: IMAGES }, (_, i) => `bern_${i}`));
  assert.equal(batches.map(({ images }) => images.length), [2, 2, 2, 1].map((n) => n * 12 * 20 * 3));
  assert.equal(batches.map(({ labels }) => labels.length), [2, 2, 2, 1].map((n) => n * 12 * 20));
  const dropping = await open(context);
  assert.is(dropping.stepsPerEpoch, 3);
  const ids = (await collect(dropping, 1)).flatMap(({ ids }) => ids);
  assert.is(new Set(ids).size, 6);
});

test("a batch holds what the pipeline makes of its images, by their position", async (context) => {
  const { items, spec } = await openDataset("cityscapes", { root: context.root, split: "train" });
  const [, second] = await collect(await open(context), 9);
  const parts = await Promise.all(
    second.ids.map(async (id, i) => {
      const sample = await readSample(items.find((item) => item.id === id)!, spec);
      return augment(sample, AUGMENTATION, new Random(OPTIONS.seed, 9, 2 + i, 1));
    }),
  );
  assert.equal([...second.images], parts.flatMap(({ image }) => [...image.data]));
  assert.equal([...second.labels], parts.flatMap(({ label }) => [...label.data]));
});

test("without randomness the image comes through unchanged, padded with the mean and ignored", async (context) => {
  const { items, spec } = await openDataset("cityscapes", { root: context.root, split: "train" });
  const sample = await readSample(items[0], spec);
  const { image, label } = augment(sample, { ...PLAIN, crop: [18, 26] }, new Random(0, 0, 0, 0));
  for (let y = 0; y < 18; y++) {
    for (let x = 0; x < 26; x++) {
      const inside = y >= 1 && y < 17 && x >= 1 && x < 25;
      const source = (y - 1) * 24 + x - 1;
      assert.is(label.data[y * 26 + x], inside ? sample.label[source] : 255);
      for (let c = 0; c < 3; c++) {
        assert.is(image.data[(y * 26 + x) * 3 + c], inside ? sample.image[source * 3 + c] : 0);
      }
    }
  }
});

test("mirroring exchanges paired classes, resizing may fill, rotation turns image and label alike", () => {
  const [height, width] = [16, 24];
  const label = Uint8Array.from({ length: height * width }, (_, i) => [14, 15, 3, 255][i % 4]);
  const color = { height, width, image: Uint8Array.from([...label].flatMap((id) => [id, id, id])), label };
  const mirrored = augment(color, { ...PLAIN, flip: 1, flipPairs: [[14, 15]] }, new Random(0, 0, 0, 0));
  assert.equal([...mirrored.label.data.subarray(0, 4)], [255, 3, 14, 15]);
  assert.equal([...mirrored.image.data.subarray(0, 12)], [255, 3, 15, 14].flatMap((id) => [id, id, id]));

  const square = { ...PLAIN, crop: [8, 8], baseSize: [8, 8] } as const;
  const filled = augment(color, { ...square, keepRatio: false }, new Random(0, 0, 0, 0));
  assert.equal([...filled.label.data.subarray(0, 4)], [14, 255, 3, 15], "every third pixel, and all of the crop");
  const fitted = augment(color, square, new Random(0, 0, 0, 0));
  assert.is(fitted.label.data[0], 255, "5 rows of 8 leave a rim");

  const area = height * width;
  const blank = { height, width, image: new Uint8Array(3 * area).fill(200), label: new Uint8Array(area) };
  const angles = new Set<string>();
  for (let position = 0; position < 40; position++) {
    const rotate = { probability: 0.5, degrees: 30 };
    const turned = augment(blank, { ...PLAIN, rotate }, new Random(1, 0, position, 0));
    angles.add(String(turned.label.data));
    turned.label.data.forEach((id, i) => {
      assert.ok(id === 0 || id === 255);
      if (id === 255) assert.ok(turned.image.data[3 * i] < 130, "what came in is mostly black");
    });
  }
  assert.ok(angles.size > 10, `${angles.size} different angles`);
  const still = augment(blank, { ...PLAIN, rotate: { probability: 0, degrees: 30 } }, new Random(1, 0, 0, 0));
  assert.ok(still.label.data.every((id) => id === 0));
});

test("a broken file ends the loop with its name, and the loader still works for others", async (context) => {
  const loader = await open(context, { shuffle: false, workers: 2 });
  const { label } = cityscapesPaths(context.root, "train", "bern", "bern_3");
  save(label, Buffer.from("broken"));
  await assertRejects(() => collect(loader, 1), UserError, label, "not a PNG");
  assert.equal((await collect(loader, 1, 2)).map(({ ids }) => ids), [["bern_4", "bern_5"]]);
});

test("options that make no sense are refused by name", async (context) => {
  const cases: [Partial<LoaderOptions>, ...string[]][] = [
    [{ batchSize: 0 }, "batchSize is 0"],
    [{ batchSize: 8 }, "7 images", "8"],
    [{ crop: [0, 4] }, "crop is [0,4]"],
    [{ baseSize: [8, 0.5] }, "baseSize is [8,0.5]"],
    [{ scaleRange: [2, 1] }, "scaleRange is [2,1]"],
    [{ seed: -1 }, "seed is -1"],
    [{ ahead: -1 }, "ahead is -1"],
    [{ workers: 0 }, "0 loader threads"],
    [{ std: [1, 0, 1] }, "std is [1,0,1]"],
    [{ cacheMiB: NaN }, "cacheMiB"],
  ];
  for (const [options, ...parts] of cases) await assertRejects(() => open(context, options), UserError, ...parts);
});

test("a closed loader says so", async (context) => {
  const loader = await open(context);
  const batches = loader.batches(1);
  await batches.next();
  await loader.close();
  await assertRejects(() => collect(loader, 2), Error, "the loader is closed");
});

test("evaluation: every image in order, resized and normalised, with its original beside it", async ({ root }) => {
  const dataset = await openDataset("cityscapes", { root, split: "train" });
  const options = { mean: [0, 0, 0], std: [2, 2, 2], workers: 2, ahead: 3 } as const;
  const ids: string[] = [];
  for await (const item of evaluationItems(dataset, options)) {
    ids.push(item.id);
    const sample = await readSample(dataset.items[ids.length - 1], dataset.spec);
    assert.equal([item.height, item.width], [16, 24]);
    assert.equal([...item.original.label], [...sample.label]);
    assert.equal([...item.original.image], [...sample.image]);
    assert.equal([...item.image], [...sample.image].map((value) => value / 2));
  }
  assert.equal(ids, dataset.items.map(({ id }) => id));
  const sizes: number[][] = [];
  for (const keepRatio of [false, true]) {
    for await (const item of evaluationItems(dataset, { ...options, size: [8, 8], keepRatio })) {
      assert.is(item.image.length, item.height * item.width * 3);
      assert.is(item.original.label.length, 16 * 24);
      sizes.push([item.height, item.width]);
      break;
    }
  }
  assert.equal(sizes, [[8, 8], [5, 8]]);
});

/** Runs a program that imports our sources; resolves with its exit code and output. */
function runProgram(source: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", source], {
    cwd: new URL("../..", import.meta.url).pathname,
    timeout: 20_000,
  });
  let output = "";
  child.stdout.on("data", (data: Buffer) => (output += data));
  child.stderr.on("data", (data: Buffer) => (output += data));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}

test("a process ends by itself after its loop, even when nobody closes the loader", async ({ root }) => {
  const { code, output } = await runProgram(`
    import { openDataset } from "./src/data/open.ts";
    import { createLoader } from "./src/data/loader.ts";
    const dataset = await openDataset("cityscapes", { root: ${JSON.stringify(root)}, split: "train" });
    const loader = createLoader(dataset, ${JSON.stringify(OPTIONS)});
    for await (const { step } of loader.batches(1)) if (step === 1) break;
    console.log("done");
  `);
  assert.equal([code, output], [0, "done\n"]);
});

test.run();
