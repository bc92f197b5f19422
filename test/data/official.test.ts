/** The official layouts of the datasets, on small trees made here, and on real files where those are at hand. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readIds } from "../../src/data/dataset.ts";
import { datasetLayout, openDataset } from "../../src/data/open.ts";
import { readSample } from "../../src/data/sample.ts";
import { UserError } from "../../src/errors.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { photo, save } from "../support/datasets.ts";
import { MAT_CLASS, MatWriter, matFile } from "../support/mat.ts";
import { buildPng } from "../support/png.ts";
import { assertRejects } from "../support/throws.ts";

const [WIDTH, HEIGHT] = [24, 16];
type Rows = readonly (readonly number[])[];

/** A label of the usual size that repeats these values. */
const rowsOf = (values: readonly number[], width = WIDTH): Rows =>
  Array.from({ length: HEIGHT }, (_, y) => {
    return Array.from({ length: width }, (_, x) => values[(y * width + x) % values.length]);
  });

const gray = (rows: Rows): Uint8Array =>
  encodePng({ width: rows[0].length, height: rows.length, channels: 1, data: Uint8Array.from(rows.flat()) });

/** Indices into colours that a reader must not look at. */
const palette = (rows: Rows): Uint8Array => {
  const size = { width: rows[0].length, height: rows.length };
  return buildPng({ ...size, colorType: 3, channels: 1, bitDepth: 8, samples: rows.flat() });
};

function sbd(rows: Rows): Uint8Array {
  const writer = new MatWriter();
  const boundaries = writer.array("", [1, 1], MAT_CLASS.cell, [writer.matrix("", [[1]])]);
  const fields = { Boundaries: boundaries, Segmentation: writer.matrix("", rows) };
  return writer.file([writer.struct("GTcls", fields)]);
}

interface Tree {
  readonly dataset: string;
  readonly split: string;
  /** Paths of an image and its label below the root. */
  readonly image: (id: string) => string;
  readonly label: (id: string) => string;
  readonly encode: (rows: Rows) => Uint8Array;
  /** List files besides. */
  readonly lists?: (ids: readonly string[]) => Readonly<Record<string, readonly string[]>>;
  /** Label values, their train ids, and a value that the dataset does not define. */
  readonly values: readonly number[];
  readonly trainIds: readonly number[];
  readonly undefinedValue: number;
}

const png = (folder: string) => (id: string) => `${folder}/${id}.png`;
const jpg = (folder: string) => (id: string) => `${folder}/${id}.jpg`;
const mat = (folder: string) => (id: string) => `${folder}/${id}.mat`;

const ADE = { dataset: "ade20k", encode: gray, values: [0, 1, 150], trainIds: [255, 0, 149], undefinedValue: 151 };
const LIP = { dataset: "lip", encode: gray, values: [0, 14, 19], trainIds: [0, 14, 19], undefinedValue: 20 };
const COCO = {
  ...{ dataset: "cocostuff10k", encode: (rows: Rows) => matFile("S", rows), image: jpg("images"), undefinedValue: 183 },
  ...{ label: mat("annotations"), values: [0, 1, 182, 255], trainIds: [255, 0, 181, 255] },
};
const VOC = {
  ...{ dataset: "voc", image: jpg("JPEGImages"), undefinedValue: 21 },
  ...{ values: [0, 1, 20, 255], trainIds: [0, 1, 20, 255] },
};
const vocList = (split: string) => `ImageSets/Segmentation/${split}.txt`;
const AUGMENTED = {
  ...VOC,
  split: "trainaug",
  lists: () => ({ [vocList("train")]: [], [vocList("val")]: ["2009_000001"] }),
};

const LIP_VAL = { image: jpg("val_images"), label: png("val_segmentations") };
const VOC_PALETTE = { ...VOC, label: png("SegmentationClass"), encode: palette };

const TREES: readonly Tree[] = [
  { ...ADE, split: "train", image: jpg("images/training"), label: png("annotations/training") },
  { ...ADE, split: "val", image: jpg("images/validation"), label: png("annotations/validation") },
  { ...LIP, split: "train", image: jpg("train_images"), label: png("train_segmentations") },
  { ...LIP, ...LIP_VAL, split: "val", lists: (ids) => ({ "val_id.txt": ids }) },
  { ...COCO, split: "train", lists: (ids) => ({ "imageLists/train.txt": ids }) },
  { ...COCO, split: "test", lists: (ids) => ({ "imageLists/test.txt": ids }) },
  { ...VOC_PALETTE, split: "train", lists: (ids) => ({ [vocList("train")]: ids }) },
  { ...VOC_PALETTE, split: "val", lists: (ids) => ({ [vocList("val")]: ids }) },
  { ...AUGMENTED, label: png("SegmentationClassAug"), encode: gray },
  { ...AUGMENTED, label: mat("SegmentationClassAug"), encode: sbd },
];

const IDS = ["b_2", "a_1", "c_3"];

const test = suite<{ root: string }>("official layouts");
test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "official-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true }));

const PHOTO = await photo(WIDTH, HEIGHT);

function saveTree(tree: Tree, root: string, ids = IDS): void {
  for (const id of ids) {
    save(join(root, tree.image(id)), PHOTO);
    save(join(root, tree.label(id)), tree.encode(rowsOf(tree.values)));
  }
  for (const [path, list] of Object.entries(tree.lists?.(ids) ?? {})) {
    save(join(root, path), Buffer.from(list.map((id) => `${id}\r\n`).join("")));
  }
}

for (const tree of TREES) {
  const { dataset, split } = tree;
  const name = `${dataset} ${split}, ${tree.label("ID")}`;

  test(`${name}: found in the order of the names, labels become train ids`, async ({ root }) => {
    saveTree(tree, root);
    save(join(root, tree.image("notes").replace(".jpg", ".txt")), Buffer.from("not an image"));
    const { items, spec, isLabelled } = await openDataset(dataset, { root, split });
    assert.ok(isLabelled);
    assert.equal(items.map(({ id }) => id), IDS.toSorted());
    for (const item of items) {
      assert.is(item.labelPath, join(root, tree.label(item.id)));
      const { height, width, image, label } = await readSample(item, spec);
      assert.equal([height, width, image.length], [HEIGHT, WIDTH, 3 * HEIGHT * WIDTH]);
      assert.equal([...label], rowsOf(tree.trainIds).flat());
    }
    const { archiveFolder } = datasetLayout(dataset);
    if (!archiveFolder) return;
    saveTree(tree, join(root, "parent", archiveFolder));
    const above = await openDataset(dataset, { root: join(root, "parent"), split });
    assert.is(above.root, join(root, "parent", archiveFolder));
    assert.is(above.items.length, 3);
  });

  test(`${name}: what is missing or broken is named`, async ({ root }) => {
    saveTree(tree, root);
    const [image, label] = [join(root, tree.image("b_2")), join(root, tree.label("b_2"))];
    const open = () => openDataset(dataset, { root, split });
    const read = async () => {
      const { items, spec } = await open();
      return readSample(items.find(({ id }) => id === "b_2")!, spec);
    };
    save(image, PHOTO.subarray(0, PHOTO.length - 100));
    await assertRejects(read, UserError, image, "cannot decode");
    save(image, PHOTO);
    const whole = readFileSync(label);
    save(label, whole.subarray(0, whole.length - 30));
    await assertRejects(read, UserError, label);
    save(label, new Uint8Array(0));
    await assertRejects(read, UserError, label);
    save(label, tree.encode(rowsOf(tree.values, WIDTH + 1)));
    await assertRejects(read, UserError, label, `${WIDTH + 1}x${HEIGHT}`, image, `${WIDTH}x${HEIGHT}`);
    save(label, tree.encode(rowsOf([tree.values[0], tree.undefinedValue])));
    await assertRejects(read, UserError, label, `the value ${tree.undefinedValue} at x 1, y 0`, dataset);
    rmSync(label);
    if (split === "trainaug") assert.equal((await open()).items.map(({ id }) => id), ["a_1", "c_3"]);
    else await assertRejects(open, UserError, image, "has no label", label);
    rmSync(image);
    if (tree.lists && split !== "trainaug") await assertRejects(open, UserError, image, "is missing");
    for (const id of IDS) rmSync(join(root, tree.image(id)), { force: true });
    for (const id of IDS) rmSync(join(root, tree.label(id)), { force: true });
    for (const path of Object.keys(tree.lists?.([]) ?? {})) save(join(root, path), new Uint8Array(0));
    await assertRejects(open, UserError, `no images of ${dataset}`, root);
  });
}

test("lists: one that is required and absent, an id twice, two images of one name", async ({ root }) => {
  saveTree(TREES.find(({ split }) => split === "test")!, root);
  const list = join(root, "imageLists", "test.txt");
  save(list, Buffer.from("a_1\nb_2\na_1\n"));
  await assertRejects(() => openDataset("cocostuff10k", { root, split: "test" }), UserError, list, "a_1 twice");
  rmSync(list);
  await assertRejects(() => openDataset("cocostuff10k", { root, split: "test" }), UserError, list, "no such file");
  for (const split of ["val", "trainval"]) {
    const open = () => openDataset("cocostuff10k", { root, split });
    await assertRejects(open, UserError, `"${split}"`, "one of train, test");
  }
  for (const name of ["a.jpg", "a.png"]) save(join(root, "images", "val", name), PHOTO);
  save(join(root, "labels", "val", "a.png"), gray(rowsOf([0])));
  await assertRejects(() => openDataset("camvid", { root, split: "val" }), UserError, "a.jpg", "a.png");
});

test("voc: trainaug is train and SBD without val, SBD's labels first; trainval is both", async ({ root }) => {
  const extra = TREES.find(({ encode }) => encode === sbd)!;
  const voc = TREES.find(({ dataset, split }) => dataset === "voc" && split === "train")!;
  saveTree(extra, root, ["in_both", "in_sbd", "in_val"]);
  saveTree(voc, root, ["in_both", "in_train", "in_val"]);
  save(join(root, vocList("train")), Buffer.from("in_train\nin_both\n"));
  save(join(root, vocList("val")), Buffer.from("in_val\n"));
  const open = (split: string) => openDataset("voc", { root, split });
  const { items } = await open("trainaug");
  const folders = { in_both: extra.label, in_sbd: extra.label, in_train: voc.label };
  assert.equal(
    items.map(({ labelPath }) => labelPath),
    Object.entries(folders).map(([id, label]) => join(root, label(id))),
  );
  assert.equal((await open("trainval")).items.map(({ id }) => id), ["in_both", "in_train", "in_val"]);
});

test("splits that are published without labels open without them", async ({ root }) => {
  const cityscapes = join("leftImg8bit", "test", "bonn", "bonn_000000_000019_leftImg8bit.png");
  const photos = { ade20k: "images/testing/a.jpg", lip: "testing_images/a.jpg", voc: "JPEGImages/a.jpg" };
  for (const path of Object.values(photos)) save(join(root, path), PHOTO);
  save(join(root, cityscapes), encodePng({ width: 2, height: 1, channels: 3, data: new Uint8Array(6) }));
  save(join(root, vocList("test")), Buffer.from("a\n"));
  for (const dataset of [...Object.keys(photos), "cityscapes"]) {
    const { items, spec, isLabelled } = await openDataset(dataset, { root, split: "test" });
    assert.not(isLabelled, dataset);
    assert.is(items.length, 1);
    assert.ok((await readSample(items[0], spec)).label.every((id) => id === 255));
  }
});

const SAMPLES = new URL("../../../shared/data/samples/", import.meta.url).pathname;
if (!existsSync(SAMPLES)) console.log("skipped: real files of the datasets (../shared/data/samples is absent)");
const real = existsSync(SAMPLES) ? test : test.skip;

real("ade20k: real files, and the official names", async () => {
  const { items, spec, root } = await openDataset("ade20k", { root: join(SAMPLES, "ade20k"), split: "val" });
  assert.is(items.length, 3);
  for (const item of items) {
    const { label } = await readSample(item, spec);
    assert.ok(new Set(label).size > 4);
  }
  const rows = readFileSync(join(root, "objectInfo150.txt"), "utf8").trim().split("\n").slice(1);
  assert.is(rows.length, 150);
  const synonyms = rows.map((row) => row.split("\t")[4].split(",").map((name) => name.trim()));
  assert.equal(spec.classNames.filter((name, k) => !synonyms[k].includes(name)), []);
});

real("voc: real palette labels hold classes of their images, not luminance", async () => {
  const { items, spec } = await openDataset("voc", { root: join(SAMPLES, "voc"), split: "trainval" });
  const found = new Map<string, string[]>();
  for (const item of items) {
    const ids = new Set((await readSample(item, spec)).label);
    found.set(item.id, [...ids].toSorted((a, b) => a - b).map((id) => spec.classNames[id] ?? "-"));
  }
  assert.equal([...found.keys()], ["2011_000003", "2011_000006", "2011_000025"]);
  // "-" is the void rim, which the third label lacks.
  assert.equal([...found.values()], [
    ["background", "bottle", "person", "-"],
    ["background", "chair", "person", "sofa", "-"],
    ["background", "bus", "car"],
  ]);
});

real("cocostuff10k and lip: the published names and lists", async () => {
  const labels = readFileSync(join(SAMPLES, "cocostuff10k", "cocostuff-labels.txt"), "utf8").trim().split("\n");
  const names = labels.map((line) => line.slice(line.indexOf(":") + 1).trim());
  assert.equal(datasetLayout("cocostuff10k").spec.classNames, names.slice(1));
  const count = async (...path: string[]) => (await readIds(join(SAMPLES, ...path))).length;
  assert.is(await count("cocostuff10k", "imageLists", "train.txt"), 9000);
  assert.is(await count("cocostuff10k", "imageLists", "test.txt"), 1000);
  assert.is(await count("lip", "lists", "train_id.txt"), 30462);
  assert.is(await count("lip", "lists", "val_id.txt"), 10000);
});

test.run();
