/** The page in a real Chromium: the fixtures, a prediction, the memory, a training whose checkpoint Node reads. */
import { readFileSync, readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Page } from "playwright-core";
import { buildModel } from "../../src/config/model.ts";
import type { Files } from "../../src/demo/bundle.node.ts";
import { bundleScripts, pageFiles } from "../../src/demo/bundle.node.ts";
import { STREETS_SPEC } from "../../src/data/cityscapes_spec.ts";
import { Network } from "../../src/demo/network.ts";
import { serve } from "../../src/demo/serve.node.ts";
import { SceneBatches, streetScene } from "../../src/demo/scenes.ts";
import { LiveTraining } from "../../src/demo/training.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { loadWeights } from "../../src/train/checkpoint.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { hasChromium, launchChromium, watchPage } from "../support/chromium.ts";
import { sharedDevice, testGpu } from "../support/gpu.ts";
import { tinyConfig } from "../support/tiny_run.ts";

type BrowserFixtures = typeof import("../support/browser_fixtures.ts");

const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;
const SHIPPED = new URL("../../src/predict/pretrained/tiny.safetensors", import.meta.url).pathname;
/** The first sample of the page, and the scene of its training. */
const SCENE = streetScene("val", 3, [256, 512]);
/** Adapters differ in rounding: pixels on the border of two classes may go either way. */
const LEAST_AGREEMENT = 0.999;
const PATIENCE = 180_000;
/** What the running mean of the loss falls to in 30 iterations, at least. */
const LOWERED = 0.95;

/** Runs `visit` on a page of these files. Fails where the page reported an error or asked another host. */
async function inChromium(files: Files, visit: (page: Page) => Promise<void>, options = {}): Promise<void> {
  const server = await serve(files, 0);
  const browser = await launchChromium(options);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PATIENCE);
    const { problems } = watchPage(page);
    await page.goto(server.url);
    await visit(page);
    assert.equal(problems, []);
  } finally {
    await browser.close();
    await server.close();
  }
}

/** The classes that the page shows: once the overlay is opaque, the canvas has the palette's colours. */
async function shownClasses(page: Page): Promise<number[]> {
  const pixels = await page.evaluate(() => {
    const canvas = document.querySelector("canvas")!;
    return [...new Uint32Array(canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height).data.buffer)];
  });
  const ids = new Map(STREETS_SPEC.palette.map(([r, g, b], id) => [(0xff000000 | (b << 16) | (g << 8) | r) >>> 0, id]));
  return pixels.map((pixel) => ids.get(pixel) ?? -1);
}

/** What Node's WebGPU makes of the scene with the network of a checkpoint. */
async function networkOf(path: string): Promise<Network> {
  const checkpoint = await readCheckpoint(path);
  const { config, subject } = checkpoint;
  const gpu = await testGpu();
  const model = buildModel(config, subject.classNames.length, new RandomState(0)).initialize(gpu, null).eval();
  loadWeights(model, checkpoint);
  return new Network(gpu, model, { config, subject });
}

function agreement(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.is(a.length, b.length);
  return Array.from(a).filter((id, i) => id === b[i]).length / a.length;
}

/** Of a network that is not trained yet. */
async function smallCheckpoint(): Promise<Uint8Array> {
  const { check } = await sharedDevice();
  const config = tinyConfig("");
  const untrained = new LiveTraining(await testGpu(), {
    ...{ config, check, batches: new SceneBatches(config), preview: SCENE, previewEvery: 1 },
    ...{ onStep: () => {}, onPreview: () => {} },
  });
  const bytes = await untrained.checkpoint();
  await untrained.dispose();
  return bytes;
}

async function waitForText(page: Page, selector: string, pattern: RegExp): Promise<void> {
  await page.waitForFunction(
    ([where, source]) => new RegExp(source).test(document.querySelector(where)!.textContent!),
    [selector, pattern.source] as const,
  );
}

if (hasChromium("the page in a browser")) {
  test("the fixtures of the operations pass in the browser", async () => {
    const filesOf = (family: string) => readdirSync(FIXTURES + family).map((name) => `${family}/${name}`);
    const names = ["ops", "opinfo"].flatMap(filesOf).filter((name) => name.endsWith(".safetensors"));
    const verify = new URL("../support/browser_fixtures.ts", import.meta.url).pathname;
    const scripts = await bundleScripts({ verify });
    const index = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="verify.js"></script>';
    const fixtures = names.map((name) => [name, readFileSync(FIXTURES + name)] as const);
    const files = new Map<string, Uint8Array>([...scripts, ["index.html", Buffer.from(index)], ...fixtures]);
    await inChromium(files, async (page) => {
      const { totals, lines } = await page.evaluate(
        (paths) => (globalThis as unknown as BrowserFixtures).verifyFixtures(paths),
        names.map((name) => name.replace(".safetensors", "")),
      );
      assert.is(totals.failed, 0, lines.filter((line) => line.includes("FAILED")).join("\n"));
      assert.ok(totals.passed > 170, `only ${totals.passed} passed`);
    });
  });

  test("prediction and memory as in Node; training lowers the loss, Node predicts the same with it", async () => {
    await inChromium(await pageFiles(), async (page) => {
      const node = await networkOf(SHIPPED);
      await waitForText(page, "#timing", /ms per frame/);
      await page.fill("#opacity", "100");
      const { classes } = await node.segment(SCENE);
      assert.ok(agreement(await shownClasses(page), classes) > LEAST_AGREEMENT, "the shipped network's prediction");

      await page.click("#tab-memory");
      await page.waitForSelector("#matrix td + td");
      const { cosine } = await node.memoryView();
      const cells = await page.$$eval("#matrix tbody td", (found) => found.map((cell) => Number(cell.textContent)));
      assert.ok(cells.every((value, i) => Math.abs(value - cosine[i]) < 0.0051), "the similarity matrix");
      await page.waitForSelector("#draws li");
      const look = await node.look(SCENE, 0.5, 0.6);
      const own = look.weights.subarray((look.row * look.columns + look.column) * 19).subarray(0, 19);
      const drawn = await page.textContent("#draws li .share");
      assert.ok(Math.abs(parseFloat(drawn!) - 100 * Math.max(...own)) < 0.2, `the pixel draws ${drawn}`);

      // A smaller network, since this adapter takes seconds for an iteration of the shipped one.
      const small = { name: "small.safetensors", mimeType: "", buffer: Buffer.from(await smallCheckpoint()) };
      await page.click("#tab-segment");
      await page.setInputFiles("#checkpoint", small);
      await waitForText(page, "#network", /small/);
      await page.click("#tab-train");
      await page.click("#train");
      await waitForText(page, "#train-status", /Iteration ([3-9]\d|\d{3}) of 640/);
      await page.click("#pause");
      await waitForText(page, "#train-status", /^Paused/);
      const curve = await page.getAttribute("#curve", "aria-label");
      const [first, last] = /from ([\d.]+) to ([\d.]+)/.exec(curve!)!.slice(1);
      assert.ok(Number(last) < LOWERED * Number(first), `the loss went from ${first} to ${last}`);

      const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
      const path = await download.path();
      const { progress } = await readCheckpoint(path);
      assert.ok(progress.iteration >= 30);
      const after = await (await networkOf(path)).segment(SCENE);
      const share = agreement(await shownClasses(page), after.classes);
      assert.ok(share > LEAST_AGREEMENT, "the trained network's prediction");
    });
  });

  test("without WebGPU the page says what to do", async () => {
    await inChromium(
      await pageFiles(),
      async (page) => {
        await waitForText(page, "#alert", /WebGPU/);
        assert.is(await page.textContent("#adapter"), "no WebGPU");
        assert.ok(await page.isDisabled("#camera"));
      },
      { webgpu: false },
    );
  });
}

test.run();
