import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import type { MetricsLine } from "../../src/train/run_folder.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { ITERATIONS, STEPS_PER_EPOCH, TemporaryFolder } from "../support/tiny_run.ts";
import { runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const gpu = await testGpu();
const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const config = tinyConfig(root);
const whole = new RunFolder(temporary.join("whole"));

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
  assert.is(confusion!.counts.reduce((a, b) => a + b, 0) > 0, true);
  const names = ["checkpoints", "config.json", "metrics.jsonl", "panels", "result.json"];
  assert.equal(readdirSync(whole.path).sort(), names);
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
  for (const part of ["state", "momentum"] as const) assert.equal(a[part], b[part]);
  assert.is(a.masksDrawn, b.masksDrawn);
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
  assert.ok(full.momentum.size > 0 && full.masksDrawn > 0);
  const momentumLost = { ...full, momentum: new Map() };
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
