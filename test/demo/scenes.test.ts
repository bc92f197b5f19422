/** The scenes and batches of the page are those of the generated dataset on disk. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createLoader } from "../../src/data/loader.ts";
import { openDataset } from "../../src/data/open.ts";
import { readSample } from "../../src/data/sample.ts";
import { generateStreets } from "../../src/data/streets/index.ts";
import { SceneBatches, stepsPerEpoch, streetScene } from "../../src/demo/scenes.ts";
import { loaderOptions } from "../../src/train/loader_options.ts";
import { TemporaryFolder, tinyConfig } from "../support/tiny_run.ts";

const SIZE = [32, 48] as const;
const SCENES = 160;

test("the same batches as those of npm run train, in any epoch", async () => {
  using folder = new TemporaryFolder();
  const root = folder.path;
  await generateStreets({ root, size: SIZE, train: SCENES, val: 5 });
  const [train, val] = await Promise.all(["train", "val"].map((split) => openDataset("streets", { root, split })));
  const config = tinyConfig(root);
  const loader = createLoader(train, loaderOptions(config));
  try {
    assert.is(stepsPerEpoch(config), loader.stepsPerEpoch);
    const ours = new SceneBatches(config, SIZE);
    for (const [epoch, start] of [[1, 0], [2, 78]]) {
      for await (const { images, labels, step } of loader.batches(epoch, start)) {
        const batch = ours.batch(epoch, step);
        assert.ok(Buffer.from(batch.images.buffer).equals(Buffer.from(images.buffer)), `images of ${epoch}, ${step}`);
        assert.equal(batch.labels, labels);
        if (step >= start + 1) break;
      }
    }
    const stored = await readSample(val.items[3], val.spec);
    const scene = streetScene("val", 3, SIZE);
    assert.equal(scene.label, stored.label);
    assert.equal(scene.image, new Uint8Array(stored.image));
  } finally {
    await loader.close();
  }
});

test.run();
