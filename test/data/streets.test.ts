import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CITYSCAPES } from "../../src/data/cityscapes.ts";
import { IGNORE_INDEX } from "../../src/data/label_tables.ts";
import { openDataset } from "../../src/data/open.ts";
import { ensureStreets, generateStreets } from "../../src/data/streets/index.ts";
import { SceneRandom } from "../../src/data/streets/random.ts";
import { renderScene } from "../../src/data/streets/scene.ts";
import { UserError } from "../../src/errors.ts";
import { decodePng } from "../../src/io/png.node.ts";
import { assertRejects } from "../support/throws.ts";

const SAMPLE = 40;
const SMALL = { seed: 5, size: [32, 64], train: 5, val: 2 } as const;

const test = suite<{ root: string }>("streets");
test.before.each(async (context) => {
  context.root = await mkdtemp(join(tmpdir(), "streets-"));
});
test.after.each(({ root }) => rm(root, { recursive: true }));

const scene = (index: number) => renderScene(new SceneRandom(0, 0, index), [128, 256]);

/** All files below a folder with their contents, in order of their paths. */
async function contents(root: string): Promise<Map<string, string>> {
  const files = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).sort();
  return new Map(await Promise.all(paths.map(async (path) =>
    [path.slice(root.length + 1), await readFile(path, "hex")] as const)));
}

test("the first scene has these pixels and labels on every machine", () => {
  const { image, labels } = scene(0);
  const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex").slice(0, 16);
  // A deliberate change of the scenes changes these two, and GENERATOR_VERSION with them.
  assert.is(hash(image), "ad244f1d447b47ca");
  assert.is(hash(labels), "db3a90bfe1d7b5e3");
});

test("every class is in at least 35 % of the scenes and none is a speck", () => {
  const { classNames, labelTable } = CITYSCAPES.spec;
  const pixels = new Float64Array(classNames.length);
  const scenes = new Float64Array(classNames.length);
  for (let index = 0; index < SAMPLE; index++) {
    const { labels } = scene(index);
    const counts = new Float64Array(classNames.length);
    for (const label of labels) {
      const train = labelTable[label];
      assert.ok(label <= 33 && (train < classNames.length || train === IGNORE_INDEX), `label ${label} is not official`);
      if (train !== IGNORE_INDEX) counts[train]++;
    }
    counts.forEach((count, k) => {
      pixels[k] += count / labels.length / SAMPLE;
      // Fewer pixels than a 6 x 6 square teach nothing.
      if (count >= 36) scenes[k] += 1 / SAMPLE;
    });
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`.padStart(8);
  for (const [k, name] of classNames.entries()) {
    console.log(`  ${name.padEnd(14)}${percent(pixels[k])} of pixels ${percent(scenes[k])} of scenes`);
  }
  for (const [k, name] of classNames.entries()) {
    assert.ok(scenes[k] >= 0.35, `${name} is in ${percent(scenes[k])} of the scenes`);
    assert.ok(pixels[k] >= 0.005, `${name} has ${percent(pixels[k])} of the pixels`);
  }
});

test("scenes differ from each other and from those of another split or seed", () => {
  const hashes = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]].map(([seed, split, index]) =>
    createHash("sha256").update(renderScene(new SceneRandom(seed, split, index), [32, 64]).image).digest("hex"));
  assert.is(new Set(hashes).size, 4);
});

test("files follow the official layout, open as a dataset and hold gray labels beside RGB images", async ({ root }) => {
  const progress: string[] = [];
  await generateStreets({ root, ...SMALL, onProgress: (done, total) => progress.push(`${done}/${total}`) });
  assert.equal(progress, ["1/7", "2/7", "3/7", "4/7", "5/7", "6/7", "7/7"]);
  const files = [...(await contents(root)).keys()];
  assert.ok(files.includes(join("leftImg8bit", "train", "alderby", "alderby_000001_000019_leftImg8bit.png")));
  assert.ok(files.includes(join("gtFine", "val", "elmstead", "elmstead_000001_000019_gtFine_labelIds.png")));
  assert.is(files.length, 15);
  for (const [split, count] of [["train", 5], ["val", 2]] as const) {
    const { items } = await openDataset("streets", { root, split });
    assert.is(items.length, count);
    const image = decodePng(await readFile(items[0].imagePath));
    const label = decodePng(await readFile(items[0].labelPath!));
    assert.equal([image.height, image.width, image.color, image.bitDepth], [32, 64, "rgb", 8]);
    assert.equal([label.height, label.width, label.color, label.bitDepth], [32, 64, "gray", 8]);
  }
});

test("the same options give the same bytes", async ({ root }) => {
  const [first, second] = [join(root, "first"), join(root, "second")];
  await generateStreets({ root: first, ...SMALL });
  await generateStreets({ root: second, ...SMALL });
  assert.equal(await contents(first), await contents(second));
});

test("what is complete is not written again", async ({ root }) => {
  assert.is(await ensureStreets({ root, ...SMALL }), true);
  const marker = join(root, "streets.json");
  const before = await stat(marker);
  assert.is(await ensureStreets({ root, ...SMALL }), false);
  assert.is((await stat(marker)).ino, before.ino);
});

test("other options or a missing marker start anew and leave nothing of the old set", async ({ root }) => {
  await ensureStreets({ root, ...SMALL });
  const complete = await contents(root);
  await ensureStreets({ root, ...SMALL, train: 2 });
  assert.is((await contents(root)).size, 9);

  await rm(join(root, "streets.json"));
  await writeFile(join(root, "leftImg8bit", "val", "elmstead", ".half-written.tmp"), "");
  assert.is(await ensureStreets({ root, ...SMALL }), true);
  assert.equal(await contents(root), complete);
});

test("a folder with other images is left alone", async ({ root }) => {
  const city = join(root, "leftImg8bit", "train", "elsewhere");
  await mkdir(city, { recursive: true });
  await writeFile(join(city, "photo.png"), "mine");
  await assertRejects(() => ensureStreets({ root, ...SMALL }), UserError, city);
  assert.equal([...(await contents(root)).keys()], [join("leftImg8bit", "train", "elsewhere", "photo.png")]);
});

test("options out of range are named", async ({ root }) => {
  for (const [options, name] of [
    [{ size: [16, 256] }, "height is 16"],
    [{ train: 0 }, "train scenes is 0"],
    [{ val: 1.5 }, "val scenes is 1.5"],
    [{ seed: -1 }, "seed is -1"],
  ] as const) {
    await assertRejects(() => generateStreets({ root, ...options }), UserError, name);
  }
  assert.is((await contents(root)).size, 0);
});

test.run();
