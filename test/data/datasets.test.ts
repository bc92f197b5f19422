import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DATASET_NAMES, datasetLayout, openDataset } from "../../src/data/open.ts";
import { readSample } from "../../src/data/sample.ts";
import { UserError } from "../../src/errors.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { cityscapesPaths, save, saveScene } from "../support/datasets.ts";
import { buildPng } from "../support/png.ts";
import { assertRejects } from "../support/throws.ts";

const test = suite<{ root: string }>("datasets");
test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "datasets-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true }));

test("every dataset names and colours each of its classes", () => {
  for (const name of DATASET_NAMES) {
    const { spec } = datasetLayout(name);
    assert.is(spec.name, name);
    assert.is(spec.classNames.length, spec.numClasses);
    assert.is(spec.palette.length, spec.numClasses);
    // Officially, ADE20K's road and skyscraper have the same colour.
    assert.is(new Set(spec.palette.map(String)).size, spec.numClasses - (name === "ade20k" ? 1 : 0), "colours differ");
    const ids = new Set([...spec.labelTable].filter((id) => id < 254));
    assert.equal([...ids].toSorted((a, b) => a - b), spec.classNames.map((_, i) => i), "every class has a label value");
  }
});

test("cityscapes: the official folders in the order of their names, trainval is train then val", async ({ root }) => {
  saveScene(root, "train", "ulm", "ulm_000001_000019");
  saveScene(root, "train", "aachen", "aachen_000000_000019");
  saveScene(root, "train", "aachen", "aachen_000000_000010");
  saveScene(root, "val", "bern", "bern_000000_000019");
  save(join(root, "leftImg8bit", "train", "aachen", "notes.txt"), new Uint8Array(0));
  const train = ["aachen_000000_000010", "aachen_000000_000019", "ulm_000001_000019"];
  const ids = async (split: string) => (await openDataset("cityscapes", { root, split })).items.map(({ id }) => id);
  assert.equal(await ids("train"), train);
  assert.equal(await ids("trainval"), [...train, "bern_000000_000019"]);
  const byVariable = await openDataset("cityscapes", { split: "val", env: { CITYSCAPES_DATASET: root } });
  assert.is(byVariable.root, root);
  const streets = await openDataset("streets", { root, split: "val" });
  assert.is(streets.spec.name, "streets");
  assert.is(streets.items[0].labelPath, cityscapesPaths(root, "val", "bern", "bern_000000_000019").label);
});

test("label ids become train ids", async ({ root }) => {
  const paths = cityscapesPaths(root, "val", "bern", "a");
  save(paths.image, encodePng({ width: 3, height: 2, channels: 3, data: new Uint8Array(18).fill(7) }));
  save(paths.label, encodePng({ width: 3, height: 2, channels: 1, data: Uint8Array.of(7, 8, 0, 33, 29, 255) }));
  const { items, spec } = await openDataset("cityscapes", { root, split: "val" });
  const sample = await readSample(items[0], spec);
  assert.equal([sample.height, sample.width], [2, 3]);
  assert.equal([...sample.label], [0, 1, 255, 18, 255, 255]);
  assert.equal([...sample.image], Array(18).fill(7));
});

test("a palette label is read by its indices, whatever the colours", async ({ root }) => {
  const paths = cityscapesPaths(root, "val", "bern", "a");
  save(paths.image, encodePng({ width: 4, height: 1, channels: 3, data: new Uint8Array(12) }));
  const samples = [7, 8, 11, 12];
  save(paths.label, buildPng({ width: 4, height: 1, colorType: 3, channels: 1, bitDepth: 4, samples }));
  const { items, spec } = await openDataset("cityscapes", { root, split: "val" });
  assert.equal([...(await readSample(items[0], spec)).label], [0, 1, 2, 3]);
});

test("opening refuses what it cannot find, and says what it expected", async ({ root }) => {
  const open = (name: string, split: string, folder?: string) => () =>
    openDataset(name, { root: folder, split, env: {} });
  await assertRejects(open("pascal", "train", root), UserError, '"pascal"', "streets, cityscapes, camvid");
  await assertRejects(open("toString", "train", root), UserError, '"toString"');
  await assertRejects(open("cityscapes", "train"), UserError, "--root", "CITYSCAPES_DATASET");
  await assertRejects(open("camvid", "train"), UserError, "camvid", "--root");
  await assertRejects(open("cityscapes", "dev", root), UserError, '"dev"', "train, val, test, trainval");
  await assertRejects(open("streets", "test", root), UserError, '"test"', "train, val, trainval");
  await assertRejects(open("camvid", "train", join(root, "none")), UserError, join(root, "none"), "no such file");
  await assertRejects(open("camvid", "train", root), UserError, "no images of camvid", join(root, "images", "train"));
  save(join(root, "file"), new Uint8Array(0));
  await assertRejects(open("camvid", "train", join(root, "file")), UserError, "not a folder");
  saveScene(root, "train", "ulm", "ulm_000001_000019");
  await assertRejects(open("cityscapes", "trainval", root), UserError, "no images", join("leftImg8bit", "val"));
  const paths = cityscapesPaths(root, "train", "ulm", "ulm_000001_000019");
  rmSync(paths.label);
  await assertRejects(open("cityscapes", "train", root), UserError, paths.image, "has no label", paths.label);
});

test("reading refuses labels that do not fit, and names file, value and place", async ({ root }) => {
  const paths = cityscapesPaths(root, "val", "bern", "a");
  const read = async () => {
    const { items, spec } = await openDataset("cityscapes", { root, split: "val" });
    return readSample(items[0], spec);
  };
  save(paths.image, encodePng({ width: 4, height: 3, channels: 3, data: new Uint8Array(36) }));
  save(paths.label, encodePng({ width: 3, height: 4, channels: 1, data: new Uint8Array(12) }));
  await assertRejects(read, UserError, paths.label, "3x4", paths.image, "4x3");
  const data = new Uint8Array(12);
  data[6] = 77;
  save(paths.label, encodePng({ width: 4, height: 3, channels: 1, data }));
  await assertRejects(read, UserError, paths.label, "value 77", "x 2, y 1", "cityscapes");
  save(paths.label, encodePng({ width: 4, height: 3, channels: 3, data: new Uint8Array(36) }));
  await assertRejects(read, UserError, paths.label, "8-bit rgb", "gray or palette");
  const deep = { width: 4, height: 3, colorType: 0, channels: 1, bitDepth: 16, samples: Array<number>(12).fill(7) };
  save(paths.label, buildPng(deep));
  await assertRejects(read, UserError, paths.label, "16-bit gray");
  save(paths.label, Buffer.from("no image"));
  await assertRejects(read, UserError, paths.label, "not a PNG");
  rmSync(paths.label);
  mkdirSync(paths.label);
  await assertRejects(read, UserError, paths.label, "it is a folder");
});

const CAMVID = new URL("../../../shared/data/camvid", import.meta.url).pathname;
if (!existsSync(CAMVID)) console.log("skipped: CamVid, because ../shared/data/camvid is absent");
(existsSync(CAMVID) ? test : test.skip)("camvid: the published numbers of images, sizes and labels", async () => {
  const sizes = { train: 367, val: 101, test: 233, trainval: 468 };
  for (const [split, count] of Object.entries(sizes)) {
    const { items, spec } = await openDataset("camvid", { root: CAMVID, split });
    assert.is(items.length, count);
    const { height, width, label } = await readSample(items[0], spec);
    assert.equal([height, width], [360, 480]);
    assert.ok(label.every((id) => id < 11 || id === 255) && label.includes(0) && label.includes(255));
  }
});

test.run();
