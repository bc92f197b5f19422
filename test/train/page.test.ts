/** The report of a run, from run folders written here. */
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { Report, writeComparison } from "../../src/train/page/write.ts";
import { readRun } from "../../src/train/page/record.ts";
import { hasChromium, launchChromium, watchPage } from "../support/chromium.ts";
import { assertRejects } from "../support/throws.ts";
import { runCommand } from "../support/command.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const CLASSES = ["road", "<b>&\"sky'", "car"];
const CONFUSION = [
  [90, 10, 0],
  [0, 50, 50],
  [0, 0, 0],
];
const CONFIG = { name: "tiny", data: { dataset: "camvid", trainSplit: "train" }, train: { epochs: 4, seed: 7 } };

interface Folder {
  readonly isOld?: boolean;
  readonly seed?: number;
  readonly epochs?: number;
}

/** A run of some epochs of 10 iterations; an old one records no classes, no memory and no confusion. */
function saveRun(name: string, { isOld = false, seed = 7, epochs = 4 }: Folder = {}): string {
  const folder = temporary.join(name);
  mkdirSync(`${folder}/panels`, { recursive: true });
  const save = (file: string, value: unknown): void => writeFileSync(`${folder}/${file}`, JSON.stringify(value));
  const config = { ...CONFIG, train: { ...CONFIG.train, seed } };
  save("config.json", { config, adapter: "test adapter", variants: {} });
  const lines = Array.from({ length: epochs }, (_, i) => {
    const [epoch, iteration] = [i + 1, 10 * (i + 1)];
    const losses = { loss_aux: 0.5 / epoch, total: 2 / epoch };
    const measured = { imagesPerSecond: 8, bytes: 3 * 2 ** 20, seconds: 60 * epoch };
    const iou = { [CLASSES[0]]: 0.9, [CLASSES[1]]: 0.1 * epoch, [CLASSES[2]]: null };
    const cosine = epoch === 1 ? [null, 0.25, null] : [-0.5, 0.25, 0.987];
    const recent = [{ kind: "memory", iteration, epoch, cosine }];
    const scored = { meanIou: 0.11 * epoch, meanAccuracy: 0.5, pixelAccuracy: 0.7 };
    return [
      { kind: "train", iteration, epoch, lr: 0.01, memoryMomentum: 0.9, iterations: 10, losses, ...measured },
      { kind: "eval", iteration, epoch, split: "val", ...scored, ...(isOld ? {} : { iou, weightEntropy: 0.3 }) },
      ...(isOld ? [] : recent),
    ];
  });
  writeFileSync(
    `${folder}/metrics.jsonl`,
    lines
      .flat()
      .map((line) => `${JSON.stringify(line)}\n`)
      .join(""),
  );
  const parts = isOld ? ["image", "truth", "prediction"] : ["image", "truth", "prediction", "errors", "confidence"];
  const width = parts.length * 20 + (parts.length - 1) * 4;
  const png = encodePng({ width, height: 10, channels: 3, data: new Uint8Array(3 * 10 * width).fill(99) });
  writeFileSync(`${folder}/panels/a'b.png`, png);
  const panels = { parts, names: ["a'b"] };
  if (!isOld)
    save("evaluation.json", { iteration: 40, epoch: 4, split: "val", images: 3, confusion: CONFUSION, panels });
  if (epochs === 4)
    save("result.json", { scores: { iou: { [CLASSES[0]]: 0.75, [CLASSES[1]]: 0.2, [CLASSES[2]]: null } } });
  return folder;
}

async function pageOf(folder: string): Promise<string> {
  const report = new Report(folder);
  await report.write();
  return readFileSync(report.path, "utf8");
}

/** Text as a reader sees it. */
const textOf = (html: string): string => {
  const shown = html.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, " ").replace(/<[^>]+>/g, " ");
  return shown.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replace(/\s+/g, " ");
};

test("a page of its own: nothing is fetched, and names are text", async () => {
  const html = await pageOf(saveRun("whole"));
  const fetched = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url);
  assert.ok(fetched.length > 5);
  for (const url of fetched) assert.match(url, /^(data:|#)/);
  assert.not.match(html, /https?:|@import|url\(/);
  assert.not.match(html, "<b>&\"sky'");
  assert.match(textOf(html), "<b>&\"sky'");
  assert.match(html, "prefers-color-scheme: dark");
  assert.match(html, '<meta name="viewport"');
  assert.is([...html.matchAll(/<svg(?![^>]*(aria-label|aria-hidden))/g)].length, 0);
  assert.is([...html.matchAll(/<img(?![^>]* alt="[^"]+")/g)].length, 0);
});

test("shows every record, as picture and in words", async () => {
  const html = await pageOf(temporary.join("whole"));
  const text = textOf(html);
  const titles = [
    "Loss terms, weighted",
    "Learning rate",
    "Memory momentum",
    "Scores",
    "Cosines between the classes of M",
  ];
  const more = [
    "Mean cosine",
    "Entropy of W",
    "Throughput, images/s",
    "GPU memory, MiB",
    "IoU by class",
    "Confusion: 3 images",
  ];
  for (const title of [...titles, ...more]) assert.match(text, title);
  assert.match(text, "mIoU, last 44.0 %");
  assert.match(text, "test adapter");
  assert.match(text, "finished");
  assert.match(html, /aria-label="Loss terms, weighted. total from 2 at iteration 10 to 0.5 at 40; aux from 0.5/);
  assert.match(text, /<b>&"sky' car 50\.0 % 50 road <b>&"sky' 10\.0 % 10/, "the largest confusions first");
  assert.match(text, /The most alike Epoch 4 class and cosine <b>&"sky' car 0\.99/);
  const pictures = [...html.matchAll(/<img src="data:image\/webp[^"]*" width="20" height="10" alt="([^"]*)"/g)];
  assert.equal(
    pictures.map(([, alt]) => alt.split(" ")[0]),
    ["image", "truth", "prediction", "errors", "confidence"],
  );
  const frames = [...html.matchAll(/<g class="frame( shown)?"/g)].map(([, shown]) => shown !== undefined);
  assert.equal(frames, [true, false, false, false, true], "one confusion; four memories, of which the last is shown");
});

test("what the script reads is what was recorded", async () => {
  const html = await pageOf(temporary.join("whole"));
  const data = [...html.matchAll(/<script type="application\/json">(.*?)<\/script>/g)].map(([, json]) =>
    JSON.parse(json),
  );
  const cosines = data.find(({ sentence }) => sentence?.includes("cosine"));
  assert.equal(cosines.frames, ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]);
  assert.equal(cosines.names, CLASSES);
  assert.equal(cosines.values[0], [1000, null, 250, null, 1000, null, 250, null, 1000]);
  assert.equal(cosines.values[3], [1000, -500, 250, -500, 1000, 987, 250, 987, 1000]);
  const rates = data.find(({ lines }) => lines?.[0].name === "learning rate");
  assert.equal(rates.lines[0].points, [
    [10, "0.01"],
    [20, "0.01"],
    [30, "0.01"],
    [40, "0.01"],
  ]);
});

test("a run that goes on renews its page, and says how far it is", async () => {
  const folder = saveRun("live", { epochs: 2 });
  rmSync(`${folder}/result.json`, { force: true });
  const report = new Report(folder);
  assert.ok(report.isDue);
  await report.write({ done: 20, total: 40, secondsLeft: 75 });
  assert.not.ok(report.isDue);
  const html = readFileSync(report.path, "utf8");
  assert.match(textOf(html), "20 of 40 iterations, 1:15 to go");
  assert.match(html, /class="live status" data-written="\d+" data-every="10"/);
  await report.write();
  assert.not.match(readFileSync(report.path, "utf8"), 'class="live');
});

test("a run of an earlier version, and one cut short, have their page all the same", async () => {
  const old = saveRun("old", { isOld: true });
  const text = textOf(await pageOf(old));
  for (const shown of ["Loss terms", "mIoU, last 44.0 %", "IoU by class", "75.0 %", "image truth prediction"]) {
    assert.match(text, shown);
  }
  for (const missing of ["Confusion", "Cosines", "Entropy"]) assert.not.match(text, missing);

  const folder = saveRun("cut");
  appendFileSync(`${folder}/metrics.jsonl`, '{"kind":"train","iter');
  rmSync(`${folder}/evaluation.json`);
  writeFileSync(`${folder}/panels/broken.png`, "no picture");
  await pageOf(folder);
  writeFileSync(`${folder}/metrics.jsonl`, "");
  assert.match(textOf(await pageOf(folder)), "iterations 0");
});

test("time is summed over sessions, whose clocks begin anew", async () => {
  const folder = saveRun("sessions");
  const line = (iteration: number, seconds: number): string => {
    return JSON.stringify({ kind: "train", iteration, epoch: 1, seconds });
  };
  writeFileSync(`${folder}/metrics.jsonl`, [line(1, 50), line(2, 100), line(3, 30), line(4, 40)].join("\n"));
  assert.is((await readRun(folder)).seconds, 140);
});

test("runs beside each other", async () => {
  const out = temporary.join("comparison.html");
  await writeComparison([saveRun("a"), saveRun("b", { seed: 8, epochs: 3 }), saveRun("c", { isOld: true })], out);
  const html = readFileSync(out, "utf8");
  const text = textOf(html);
  assert.match(text, "3 runs compared");
  assert.match(text, /train\.seed 7 8 7/);
  assert.not.match(text, /train\.epochs/);
  assert.match(text, "b 33.0 % 33.0 %");
  assert.match(html, "<b>90.0 %</b>");
});

test("the command names what it wrote, and folders that are no runs", async () => {
  const whole = temporary.join("whole");
  const out = temporary.join("elsewhere.html");
  const written = await runCommand("report", [whole, "--out", out, "--log", "json"]);
  assert.equal([written.code, written.stderr], [0, ""]);
  assert.is(JSON.parse(written.stdout).out, out);
  assert.match(readFileSync(out, "utf8"), "<title>whole</title>");
  const { code, stderr } = await runCommand("report", [temporary.path]);
  assert.is(code, 2);
  assert.match(stderr, `${temporary.path} is not the folder of a run`);
});

test("a file of the run that is damaged is named", async () => {
  const folder = saveRun("damaged");
  writeFileSync(`${folder}/evaluation.json`, "{");
  await assertRejects(() => pageOf(folder), UserError, `${folder}/evaluation.json is damaged`);
});

test("in Chromium, from the disk and offline: as narrow as phones, with pictures, charts take arrow keys", async () => {
  if (!hasChromium("the page of a run in a browser")) return;
  const [first, second] = [saveRun("first"), saveRun("second", { seed: 8, epochs: 3 })];
  const comparison = temporary.join("two.html");
  await Promise.all([pageOf(first), pageOf(second), writeComparison([first, second], comparison)]);
  const sections = ["Training", "Scores", "Samples", "Confusion", "Memory", "Throughput and memory"];
  const pages: readonly (readonly [path: string, headings: readonly string[], lastPoint: string])[] = [
    [`${first}/report.html`, sections, "iteration 40: total 0.5, aux 0.125"],
    [comparison, ["Results", "Over time", "IoU by class", "Configuration"], "iteration 40: first 44.0 %, second 33.0 %"],
  ];
  const browser = await launchChromium();
  try {
    for (const [path, headings, lastPoint] of pages) {
      const context = await browser.newContext({ viewport: { width: 390, height: 800 }, offline: true });
      const page = await context.newPage();
      const { problems } = watchPage(page);
      await page.goto(`file://${path}`);
      const content = await page.evaluate(() => {
        const pictures = [...document.images];
        for (const picture of pictures) picture.loading = "eager";
        return Promise.all(pictures.map((picture) => picture.decode())).then(() => ({
          headings: [...document.querySelectorAll("h2")].map((heading) => heading.textContent),
          overflow: document.documentElement.scrollWidth - innerWidth,
        }));
      });
      assert.equal(content, { headings, overflow: 0 }, path);
      const chart = page.locator(".chart").first();
      await chart.locator("> svg").press("ArrowRight");
      assert.is(await chart.locator("output").textContent(), lastPoint);
      assert.equal(problems, []);
      await context.close();
    }
  } finally {
    await browser.close();
  }
});

test.after(() => temporary[Symbol.dispose]());

test.run();
