import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { decodePng } from "../../src/io/png.node.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { EVENT_FILES } from "../../src/train/event_log.ts";
import type { MetricsLine } from "../../src/train/run_folder.ts";
import { readEvents } from "../support/events.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { ITERATIONS, STEPS_PER_EPOCH, TemporaryFolder } from "../support/tiny_run.ts";
import { runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const gpu = await testGpu();
const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const config = tinyConfig(root);
const whole = new RunFolder(temporary.join("whole"));
/** Of its last evaluation. */
let counts: ArrayLike<number> = [];

const metrics = (folder: RunFolder): MetricsLine[] => {
  const lines = readFileSync(`${folder.path}/metrics.jsonl`, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as MetricsLine);
};

function assertSameBytes(a: RunFolder, b: RunFolder): void {
  for (const file of ["last", "best"] as const) {
    assert.ok(readFileSync(a[file]).equals(readFileSync(b[file])), `${file}.safetensors differs`);
  }
}

/** Losses and scores in order, without times. */
const numbers = (folder: RunFolder): unknown[] => {
  return metrics(folder).map(({ iteration, losses, meanIou }) => [iteration, losses, meanIou]);
};

const evaluations = (folder: RunFolder): MetricsLine[] => metrics(folder).filter(({ kind }) => kind === "eval");

test("a run fills its folder", async () => {
  const { confusion, printed } = await runTiny(gpu, { config, folder: whole });
  await checkDevice();
  ({ counts } = confusion!);
  assert.ok(confusion!.counts.some((count) => count > 0));
  const files = ["config.json", "evaluation.json", "metrics.jsonl", "report.html", "result.json"];
  const names = readdirSync(whole.path).filter((name) => !EVENT_FILES.test(name));
  assert.equal(names.sort(), [...files, "checkpoints", "panels"].sort());
  assert.is(readdirSync(whole.path).filter((name) => EVENT_FILES.test(name)).length, 1);
  assert.equal(readdirSync(`${whole.path}/checkpoints`).sort(), ["best.safetensors", "last.safetensors"]);
  assert.equal(readdirSync(`${whole.path}/panels`), ["bb_000001_000019.png"]);
  assert.equal((await whole.describe()).config, config);

  const scored = evaluations(whole);
  assert.equal(scored.map(({ epoch }) => epoch), [2, 3]);
  const trained = metrics(whole).filter(({ kind }) => kind === "train");
  // Every second iteration, and wherever a checkpoint was written.
  assert.equal(trained.map(({ iteration }) => iteration), [2, 4, 5, 6, 8, 10, 12, 14, 15]);
  const terms = (line: MetricsLine): string[] => Object.keys(line.losses as object);
  assert.equal(terms(trained[0]), ["loss_aux", "loss_cls_stage1", "loss_cls_stage2", "total"]);
  assert.ok(terms(trained[8]).includes("loss_memory"), "the memory loss starts with the second epoch");

  const result = JSON.parse(readFileSync(`${whole.path}/result.json`, "utf8"));
  assert.is(result.iterations, ITERATIONS);
  assert.is(result.scores.meanIou, scored[1].meanIou);
  const best = Math.max(...scored.map(({ meanIou }) => meanIou as number));
  assert.is(result.best.meanIou, best);
  assert.match(printed, "compiling kernels");
  assert.match(printed, /epoch 3 \| val: mIoU/);
});

test("records what its memory and W are like, and the last confusion matrix", async () => {
  const { state, config: { memory } } = await readCheckpoint(whole.last);
  assert.ok(memory.enabled);
  const recorded = metrics(whole).filter(({ kind }) => kind === "memory").at(-1)!;
  const cosine = recorded.cosine as (number | null)[];
  assert.is(cosine.length, (19 * 18) / 2);
  const { data, shape } = state.get("memory_module.memory")!;
  assert.equal(shape, [19, 1, 8]);
  const row = (k: number): number[] => [...data.subarray(8 * k, 8 * k + 8)] as number[];
  const dot = (a: number, b: number): number => row(a).reduce((sum, value, c) => sum + value * row(b)[c], 0);
  let pairs = 0;
  for (let a = 0, i = 0; a < 19; a++) {
    for (let b = a + 1; b < 19; b++, i++) {
      const expected = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
      if (Number.isNaN(expected)) assert.is(cosine[i], null);
      else assert.ok(Math.abs(cosine[i]! - expected) <= 0.0005 + 1e-9, `${a}, ${b}: ${cosine[i]}, not ${expected}`);
      if (cosine[i] !== null) pairs++;
    }
  }
  assert.ok(pairs > 0);
  const [last] = evaluations(whole).slice(-1);
  assert.ok((last.weightEntropy as number) > 0 && (last.weightEntropy as number) < Math.log(19));
  const { confusion, panels } = JSON.parse(readFileSync(`${whole.path}/evaluation.json`, "utf8"));
  assert.equal(confusion.flat(), Array.from(counts));
  assert.equal(panels.names, ["bb_000001_000019"]);
});

test("its event file holds the same numbers, and the panels", () => {
  const [name] = readdirSync(whole.path).filter((file) => EVENT_FILES.test(file));
  const events = readEvents(readFileSync(`${whole.path}/${name}`));
  const values = events.flatMap(({ step, summary }) => (summary?.value ?? []).map((value) => ({ step, ...value })));
  const scalars = (tag: string): unknown[] => {
    return values.filter((value) => value.tag === tag).map(({ step, simpleValue }) => [step, simpleValue]);
  };
  const expected = (kind: string, pick: (line: MetricsLine) => unknown): unknown[] => {
    const lines = metrics(whole).filter((line) => line.kind === kind);
    return lines.map((line) => [line.iteration, Math.fround(pick(line) as number)]);
  };
  assert.equal(scalars("train/losses/total"), expected("train", ({ losses }) => (losses as { total: number }).total));
  assert.equal(scalars("train/memoryMomentum"), expected("train", ({ memoryMomentum }) => memoryMomentum));
  assert.equal(scalars("eval/meanIou"), expected("eval", ({ meanIou }) => meanIou));
  assert.equal(scalars("eval/iou/road"), expected("eval", ({ iou }) => (iou as { road: number }).road));
  const panels = values.filter(({ image }) => image);
  assert.equal(panels.map(({ step, tag }) => [step, tag]), [10, 15].map((step) => [step, "panels/bb_000001_000019"]));
  const { encodedImageString: png, width, height } = panels[1].image!;
  const decoded = decodePng(png, "panel");
  assert.equal([decoded.width, decoded.height], [width, height]);
  const file = decodePng(readFileSync(`${whole.path}/panels/bb_000001_000019.png`), "panel");
  assert.equal(decoded.data, file.data);
});

test("its page shows it whole, and that nothing will follow", () => {
  const html = readFileSync(`${whole.path}/report.html`, "utf8");
  for (const shown of ["Cosines between the classes of M", "errors of bb_000001_000019", "Entropy of W", "finished"]) {
    assert.match(html, shown);
  }
  assert.not.match(html, 'class="live');
});

test("the same seed gives the same bytes, another seed does not", async () => {
  const again = new RunFolder(temporary.join("again"));
  await runTiny(gpu, { config, folder: again });
  assertSameBytes(whole, again);
  assert.equal(numbers(again), numbers(whole));
  const other = new RunFolder(temporary.join("other"));
  await runTiny(gpu, { config: tinyConfig(root, "train.seed=1", "train.epochs=1"), folder: other, stopAfter: 1 });
  const [a, b] = [await readCheckpoint(whole.last), await readCheckpoint(other.last)];
  const name = "bottleneck.0.weight";
  assert.not.equal(a.state.get(name)!.data, b.state.get(name)!.data);
});

test("a folder in which another process trains is left alone, until that process is gone", async () => {
  const folder = new RunFolder(temporary.join("again"));
  const resume = await readCheckpoint(folder.last);
  const lock = `${folder.path}/training.lock`;
  const changed = (name: string): number => statSync(`${folder.path}/${name}`).mtimeMs;
  const files = (): unknown[] => readdirSync(folder.path).map((name) => [name, changed(name)]);
  assert.not.ok(existsSync(lock), "nothing locks a run that has ended");
  writeFileSync(lock, String(process.ppid));
  const before = files();
  await assertRejects(() => folder.lock(), UserError, folder.path, `process ${process.ppid}`, lock);
  await assertRejects(() => runTiny(gpu, { config, folder, resume }), UserError, `process ${process.ppid}`);
  assert.equal(files(), before);
  writeFileSync(lock, String(spawnSync(process.execPath, ["--version"]).pid));
  await folder.lock();
  assert.is(readFileSync(lock, "utf8"), String(process.pid));
  await assertRejects(() => folder.create({ config, adapter: "", variants: {} }), UserError, "another run");
  await folder.release();
  assert.not.ok(existsSync(lock));
});

/** Within an epoch, and between one and its evaluation. */
for (const stopAfter of [3, 2 * STEPS_PER_EPOCH]) {
  test(`stopped in iteration ${stopAfter} and resumed: the same bytes`, async () => {
    const folder = new RunFolder(temporary.join(`stopped${stopAfter}`));
    const { confusion, printed } = await runTiny(gpu, { config, folder, stopAfter });
    assert.is(confusion, null);
    assert.match(printed, `stopped after iteration ${stopAfter} of ${ITERATIONS}; saved ${folder.last}`);
    assert.not.ok(existsSync(`${folder.path}/result.json`));
    const resume = await readCheckpoint(folder.last);
    assert.is(resume.progress.iteration, stopAfter);
    assert.ok((await runTiny(gpu, { config, folder, resume })).confusion);
    assertSameBytes(whole, folder);
    const logs = readdirSync(folder.path).filter((name) => EVENT_FILES.test(name)).sort();
    assert.is(logs.length, 2, "an event file per session");
    const [, { step, sessionLog }] = readEvents(readFileSync(`${folder.path}/${logs[1]}`));
    assert.equal([step, sessionLog], [stopAfter + 1, { status: 1 }]);
    const ious = (of: RunFolder): unknown[] => evaluations(of).map(({ meanIou }) => meanIou);
    assert.equal(ious(folder), ious(whole));
  });
}

test("recomputing, stopped and resumed: the same bytes as a run that kept everything", async () => {
  const folder = new RunFolder(temporary.join("recomputed"));
  const recomputing = tinyConfig(root, "train.recompute=true");
  await runTiny(gpu, { config: recomputing, folder, stopAfter: 3 });
  await runTiny(gpu, { config: recomputing, folder, resume: await readCheckpoint(folder.last) });
  const [a, b] = [await readCheckpoint(whole.last), await readCheckpoint(folder.last)];
  assert.is(b.config.train.recompute, true);
  for (const part of ["state", "optimizer"] as const) assert.equal(a[part], b[part]);
  assert.is(a.masksDrawn, b.masksDrawn);
});

test("looking into the network for panels leaves no trace in what is trained after it", async () => {
  const folder = new RunFolder(temporary.join("unseen"));
  await runTiny(gpu, { config: tinyConfig(root, "train.panels=0"), folder });
  const [a, b] = [await readCheckpoint(whole.last), await readCheckpoint(folder.last)];
  for (const part of ["state", "optimizer"] as const) assert.equal(a[part], b[part]);
  assert.is(a.masksDrawn, b.masksDrawn);
  assert.equal(evaluations(folder).map(({ weightEntropy }) => weightEntropy), [null, null]);
});

test("a network of the toolbox with a slow backbone: its terms, and resumed to the same bytes", async () => {
  const network = ["model.segmentor=ocrnet", "memory.enabled=false", "optim.backbone.lr=0.1", "train.epochs=1"];
  const [once, resumed] = [new RunFolder(temporary.join("toolbox")), new RunFolder(temporary.join("resumed"))];
  const toolbox = tinyConfig(root, ...network);
  assert.ok((await runTiny(gpu, { config: toolbox, folder: once })).confusion);
  const [{ losses }] = metrics(once).filter(({ kind }) => kind === "train");
  assert.equal(Object.keys(losses as object), ["loss_aux", "loss_cls", "total"]);
  await runTiny(gpu, { config: toolbox, folder: resumed, stopAfter: 3 });
  await runTiny(gpu, { config: toolbox, folder: resumed, resume: await readCheckpoint(resumed.last) });
  assertSameBytes(once, resumed);
});

test("resumed from an older checkpoint than its metrics: lines are neither doubled nor lost", async () => {
  const folder = new RunFolder(temporary.join("older"));
  await runTiny(gpu, { config, folder, stopAfter: 4 });
  const older = readFileSync(folder.last);
  await runTiny(gpu, { config, folder, resume: await readCheckpoint(folder.last), stopAfter: 8 });
  writeFileSync(folder.last, older); // as if killed before the later checkpoint
  appendFileSync(`${folder.path}/metrics.jsonl`, '{"kind":"train","iter'); // in the middle of a line
  await runTiny(gpu, { config, folder, resume: await readCheckpoint(folder.last) });
  assertSameBytes(whole, folder);
  assert.equal(numbers(folder), numbers(whole));
});

test("resuming a finished run only repeats its result", async () => {
  const before = numbers(whole);
  const { confusion } = await runTiny(gpu, { config, folder: whole, resume: await readCheckpoint(whole.last) });
  assert.ok(confusion);
  assert.equal(numbers(whole), before);
});

test("weights alone are not enough to continue: momentum and the place in the sequence of masks matter", async () => {
  const folder = new RunFolder(temporary.join("weights"));
  await runTiny(gpu, { config, folder, stopAfter: 6 });
  const full = await readCheckpoint(folder.last);
  assert.ok(full.optimizer.size > 0 && full.masksDrawn > 0);
  const momentumLost = { ...full, optimizer: new Map() };
  const masksForgotten = { ...full, masksDrawn: 0 };
  const continued: string[] = [];
  for (const resume of [full, full, momentumLost, masksForgotten]) {
    await runTiny(gpu, { config, folder, resume, stopAfter: 8 });
    continued.push(String((await readCheckpoint(folder.last)).state.get("bottleneck.0.weight")!.data));
  }
  assert.equal(continued.map((weights) => weights === continued[0]), [true, true, false, false]);
  const fresh = new RunFolder(temporary.join("fresh"));
  await runTiny(gpu, { config, folder: fresh, start: { weights: full, part: "network" }, stopAfter: 1 });
  const begun = await readCheckpoint(fresh.last);
  assert.is(begun.progress.iteration, 1);
  assert.is(begun.state.get("bottleneck.1.num_batches_tracked")!.data[0], 7n, "six batches came with the weights");
});

test("one submit per iteration, and nothing left allocated", async () => {
  const folder = new RunFolder(temporary.join("counted"));
  const live = gpu.memory.live;
  const quiet = tinyConfig(root, "train.epochs=1", "train.saveEvery=0", "train.panels=0");
  const submits: number[] = [];
  const groups: number[] = [];
  const onCheck = (): void => {
    submits.push(gpu.counters.submits);
    groups.push(gpu.bindGroups);
  };
  await runTiny(gpu, { config: quiet, folder, onCheck });
  assert.equal(submits.slice(1, STEPS_PER_EPOCH).map((n, i) => n - submits[i]), [1, 1, 1, 1]);
  const grown = groups[STEPS_PER_EPOCH - 1] - groups[STEPS_PER_EPOCH - 2];
  assert.ok(grown < 0.05 * groups[0], `${grown} new bind groups in the fifth of equal iterations`);
  assert.is(gpu.memory.live, live);
});

test.after(() => temporary[Symbol.dispose]());

test.run();
