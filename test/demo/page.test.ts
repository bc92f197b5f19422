/** The page in a real Chromium: the fixtures, a prediction, the memory, a training whose checkpoint Node reads. */
import { readFileSync, readdirSync } from "node:fs";
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import sharp from "sharp";
import type { Page } from "playwright-core";
import { buildModel } from "../../src/config/model.ts";
import { preset } from "../../src/config/presets.ts";
import { setFieldFromOption } from "../../src/config/set.ts";
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

type BrowserFixtures = typeof import("../support/browser_fixtures.ts");

const FIXTURES = new URL("../fixtures/", import.meta.url).pathname;
const SHIPPED = new URL("../../src/predict/pretrained/tiny.safetensors", import.meta.url).pathname;
/** The first sample of the page, and the scene of its training. */
const SCENE = streetScene("val", 3, [256, 512]);
/** Adapters differ in rounding: pixels on the border of two classes may go either way. */
const LEAST_AGREEMENT = 0.999;
const TABS = ["segment", "memory", "train", "kernels"];
const PATIENCE = 180_000;
/**
 * Small pictures and no long warm-up, since every iteration takes long on this adapter. The layers are those of the
 * shipped network: its kernels are compiled already.
 */
const SETTINGS = ["data.size=32,48", "data.crop=32,32", "optim.warmup.iters=2"];
/** What the running mean of the loss falls to in 15 iterations, at least. */
const LOWERED = 0.95;

interface Visit {
  readonly page: Page;
  /** What the page reported as errors, and requests to other hosts. */
  readonly problems: readonly string[];
  readonly close: () => Promise<void>;
}

/** Opens a page of these files in a Chromium of its own. */
async function open(files: Files, options: { webgpu?: boolean } = {}): Promise<Visit> {
  const server = await serve(files, 0);
  const browser = await launchChromium(options);
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  const { problems } = watchPage(page);
  await page.goto(server.url);
  return { page, problems, close: () => browser.close().then(() => server.close()) };
}

/** The same for a single look. */
async function inChromium<T>(files: Files, look: (page: Page) => Promise<T>, options = {}): Promise<T> {
  const visit = await open(files, options);
  try {
    const found = await look(visit.page);
    assert.equal(visit.problems, []);
    return found;
  } finally {
    await visit.close();
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
  const config = preset("tiny");
  for (const setting of SETTINGS) setFieldFromOption(config, setting);
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

/** Lets a file fall on the picture. */
async function drop(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  const dataTransfer = await page.evaluateHandle(([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(bytes)], name));
    return data;
  }, [name, [...bytes]] as const);
  await page.dispatchEvent("#frame", "drop", { dataTransfer });
}

/** Names of what the tab key reaches, in that order. */
async function tabOrder(page: Page): Promise<string[]> {
  await page.focus('[role="tab"][tabindex="0"]');
  await page.keyboard.press("Shift+Tab");
  const order: string[] = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const { words, outline } = await page.evaluate(() => {
      const active = document.activeElement!;
      const label = document.querySelector(`label[for="${active.id}"]`);
      const shown = getComputedStyle(active.classList.contains("unseen") ? label! : active);
      const words = active.getAttribute("aria-label") ?? (label ?? active.closest("label") ?? active).textContent!;
      return { words: active === document.body ? "" : words.trim(), outline: shown.outlineStyle };
    });
    if (words === "" || order.length > 99) return order;
    assert.is(outline, "solid", `what has the focus is seen: ${words}`);
    order.push(words);
  }
}

if (hasChromium("the page in a browser")) {
  const verifyFixtures = async (): Promise<Awaited<ReturnType<BrowserFixtures["verifyFixtures"]>>> => {
    const filesOf = (family: string) => readdirSync(FIXTURES + family).map((name) => `${family}/${name}`);
    const names = ["ops", "opinfo"].flatMap(filesOf).filter((name) => name.endsWith(".safetensors"));
    const verify = new URL("../support/browser_fixtures.ts", import.meta.url).pathname;
    const scripts = await bundleScripts({ verify });
    const index = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="verify.js"></script>';
    const fixtures = names.map((name) => [name, readFileSync(FIXTURES + name)] as const);
    const files = new Map<string, Uint8Array>([...scripts, ["index.html", Buffer.from(index)], ...fixtures]);
    return inChromium(files, (page) => page.evaluate(
      (paths) => (globalThis as unknown as BrowserFixtures).verifyFixtures(paths),
      names.map((name) => name.replace(".safetensors", "")),
    ));
  };
  /** Under way beside the tests of the page: Chromium's adapter compiles on a single core. */
  let verification: ReturnType<typeof verifyFixtures>;

  test("the fixtures of the operations pass in the browser", async () => {
    const { totals, lines } = await verification;
    assert.is(totals.failed, 0, lines.filter((line) => line.includes("FAILED")).join("\n"));
    assert.ok(totals.passed > 170, `only ${totals.passed} passed`);
  });

  test("without WebGPU the page says what to do, and its tabs can be looked at", async () => {
    await inChromium(await pageFiles(), async (page) => {
      await waitForText(page, "#alert", /WebGPU.*--enable-unsafe-webgpu/);
      assert.is(await page.textContent("#adapter"), "no WebGPU");
      for (const id of ["file", "camera", "network", "train"]) assert.ok(await page.isDisabled(`#${id}`), id);
      for (const tab of TABS) {
        await page.click(`#tab-${tab}`);
        assert.ok(await page.isVisible(`#panel-${tab} h2`), tab);
      }
    }, { webgpu: false });
  });

  /** Tests of one page, one after the other: what is compiled and loaded there stays. */
  const story = suite("the page");
  let visit: Visit | null = null;
  let node: Network;
  const step = (name: string, check: (page: Page) => Promise<void>): void => {
    story(name, async () => {
      node ??= await networkOf(SHIPPED);
      visit ??= await open(await pageFiles());
      await check(visit.page);
    });
  };

  step("a prediction is that of Node", async (page) => {
    await waitForText(page, "#timing", /ms per frame/);
    await page.fill("#opacity", "100");
    const { classes } = await node.segment(SCENE);
    assert.ok(agreement(await shownClasses(page), classes) > LEAST_AGREEMENT);
    assert.match((await page.textContent("#spoken"))!, /^Generated scene 1, segmented: vegetation \d+ %/);
  });

  step("files that are no picture and no checkpoint are refused in words", async (page) => {
    const broken = { name: "broken.png", mimeType: "image/png", buffer: Buffer.from([137, 80, 78, 71]) };
    await page.setInputFiles("#file", broken);
    await waitForText(page, "#alert", /^broken.png \(image\/png\) is no picture that this browser can read/);
    await drop(page, "notes.txt", Buffer.from("no picture"));
    await waitForText(page, "#alert", /^notes.txt/);
    await page.setInputFiles("#checkpoint", { ...broken, name: "broken.safetensors" });
    await waitForText(page, "#alert", /^checkpoint broken.safetensors: 4 bytes are too few/);
    assert.is(await page.textContent("#caption"), "Generated scene 1, 512 × 256");
    assert.is(await page.inputValue("#network"), "shipped");
  });

  step("the keyboard reaches everything, arrow keys the pixels", async (page) => {
    const order = await tabOrder(page);
    const samples = [1, 2, 3, 4, 5].map((number) => `Generated scene ${number}`);
    assert.equal(order.slice(0, 10), ["Segment", order[1], ...samples, "Open a picture …", "Camera", "Overlay"]);
    assert.match(order[1], /^Generated scene 1, segmented/);
    assert.match(order[10], /^vegetation/);
    assert.equal(order.slice(-2), ["Network", "Open a checkpoint …"]);

    await page.focus("#canvas");
    await page.keyboard.press("ArrowDown");
    const { classes, subject } = await node.segment(SCENE);
    const name = subject.classNames[classes[Math.floor((0.5 + 1 / 32) * SCENE.height) * SCENE.width + SCENE.width / 2]];
    await waitForText(page, "#spoken", new RegExp(`50 % from the left, 53 % from the top: ${name}`));
    assert.match((await page.textContent('#legend [aria-pressed="true"]'))!, new RegExp(`^${name}`));
    await page.keyboard.press("Enter");
    assert.is(await page.locator('#legend [aria-pressed="true"]').count(), 0, "pressing again lets it go");

    await page.focus("#tab-segment");
    await page.keyboard.press("ArrowRight");
    assert.is(await page.getAttribute("#tab-memory", "aria-selected"), "true");
    assert.ok(await page.isVisible("#panel-memory") && !(await page.isVisible("#panel-segment")));
  });

  step("the memory is that of Node, and what a pixel draws from it", async (page) => {
    await page.waitForSelector("#matrix td + td");
    const { cosine } = await node.memoryView();
    const cells = await page.$$eval("#matrix tbody td", (found) => found.map((cell) => Number(cell.textContent)));
    assert.is(cells.length, cosine.length);
    assert.ok(cells.every((value, i) => Math.abs(value - cosine[i]) < 0.0051), "the similarity matrix");
    await page.focus("#matrix tbody td");
    await page.keyboard.press("ArrowRight");
    assert.is(await page.textContent("#pair"), `road and sidewalk: ${cosine[1].toFixed(2)}`);

    await page.waitForSelector("#draws li");
    const look = await node.look(SCENE, 0.5, 0.5 + 1 / 32);
    const own = look.weights.subarray((look.row * look.columns + look.column) * 19).subarray(0, 19);
    const drawn = await page.textContent("#draws li .share");
    assert.ok(Math.abs(parseFloat(drawn!) - 100 * Math.max(...own)) < 0.2, `the pixel draws ${drawn}`);
  });

  step("another network, pictures that are dropped, and the camera", async (page) => {
    await page.click("#tab-segment");
    const small = { name: "small.safetensors", mimeType: "", buffer: Buffer.from(await smallCheckpoint()) };
    await page.setInputFiles("#checkpoint", small);
    await waitForText(page, "#summary", /The network sees 32 × 48 pixels/);
    await page.click("#tab-train");
    const background = { r: 90, g: 90, b: 90 };
    const tall = sharp({ create: { width: 2, height: 6, channels: 3, background } }).png();
    await drop(page, "tall.png", await tall.toBuffer());
    await waitForText(page, "#caption", /^tall.png, 2 × 6$/);
    assert.is(await page.getAttribute("#tab-segment", "aria-selected"), "true", "the tab that shows it");
    const { width, height } = (await page.locator("#canvas").boundingBox())!;
    assert.ok(Math.abs(3 * width - height) < 3, `the box is the picture's: ${width} x ${height}`);

    await page.click("#camera");
    await waitForText(page, "#caption", /^Camera, \d+ × \d+$/);
    await page.click("#tab-train");
    assert.is(await page.getAttribute("#camera", "aria-pressed"), "false", "nobody sees its pictures there");
  });

  step("on a narrow screen nothing is wider than that", async (page) => {
    const size = page.viewportSize()!;
    await page.setViewportSize({ width: 360, height: 640 });
    for (const tab of TABS) {
      await page.click(`#tab-${tab}`);
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 360, `${tab} is ${width} pixels wide`);
    }
    await page.setViewportSize(size);
  });

  step("training lowers the loss, and Node predicts the same with the checkpoint", async (page) => {
    await page.click("#tab-train");
    await page.click("#train");
    await waitForText(page, "#train-status", /Iteration (1[5-9]|[2-9]\d|\d{3}) of 640/);
    await page.click("#tab-kernels");
    await page.click("#measure");
    await waitForText(page, "#alert", /in training, .*: pause it first/);
    await page.click("#tab-train");
    await page.click("#pause");
    await waitForText(page, "#train-status", /^Paused/);
    const curve = await page.getAttribute("#curve", "aria-label");
    const [first, last] = /from ([\d.]+) to ([\d.]+)/.exec(curve!)!.slice(1);
    assert.ok(Number(last) < LOWERED * Number(first), `the loss went from ${first} to ${last}`);

    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
    const path = await download.path();
    const { progress } = await readCheckpoint(path);
    assert.ok(progress.iteration >= 15);
    const after = await (await networkOf(path)).segment(SCENE);
    const share = agreement(await shownClasses(page), after.classes);
    assert.ok(share > LEAST_AGREEMENT, "the trained network's prediction");

    await page.click("#use-trained");
    await waitForText(page, "#network option:checked", /^Network trained here$/);
    assert.is(await page.getAttribute("#tab-segment", "aria-selected"), "true");
  });

  step("no error was reported, no other host asked", async () => {
    assert.equal(visit!.problems, []);
  });
  story.before(() => {
    verification = verifyFixtures();
    verification.catch(() => {}); // told by its test
  });
  story.after(() => visit?.close());
  story.run();
}

test.run();
