/**
 * The ladder: what its runs are, how they are stopped and continued, what is made of their results. Then both commands,
 * as processes of their own, on what it has trained.
 */
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Writable } from "node:stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configOf, loadModel } from "../../src/cli/network.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open.ts";
import { UserError } from "../../src/errors.ts";
import { RUNGS, planLadder, stateOf } from "../../src/train/ablation.ts";
import type { AblationRun, RunResult, RunState } from "../../src/train/ablation.ts";
import { ladderMarkdown, ladderReport, ladderTable, statistic } from "../../src/train/ablation_report.ts";
import { readWeights } from "../../src/train/checkpoint.node.ts";
import { LadderProgress, climb } from "../../src/train/ladder.ts";
import { collectRepresentations } from "../../src/train/representations.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runCommand } from "../support/command.ts";
import { testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { TINY_SETTINGS, TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const gpu = await testGpu();
const config = tinyConfig(root, "train.epochs=1", "losses.memory.startEpoch=1", "train.saveEvery=1");
const plan = (name: string, seeds = [0]): AblationRun[] => {
  return planLadder({ config, hosts: ["aspp"], seeds, out: temporary.join(name) });
};

const open = (split: string): Promise<Dataset> => openDataset("cityscapes", { root, split });

/** Climbs as far as the iteration of the run that is to be stopped, or to the top; the table and what was printed. */
async function climbTo(runs: readonly AblationRun[], out: string, stopAt = { run: Infinity, step: Infinity }) {
  const states = new Map<AblationRun, RunState>();
  for (const run of runs) states.set(run, await stateOf(run, {}));
  const [trainSet, evalSet] = await Promise.all(["train", "val"].map(open));
  let printed = "";
  const stop = new AbortController();
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      printed += chunk.toString();
      const place = printed.lastIndexOf(`run ${stopAt.run}/`);
      if (place >= 0 && printed.includes(`step ${stopAt.step}/`, place)) stop.abort();
      done();
    },
  });
  const table = await climb({
    ...{ gpu, runs, states, trainSet, evalSet, out, adapter: "test", variants: {}, signal: stop.signal },
    check: () => {},
    output: new LadderProgress(Object.assign(stream, { isTTY: true, columns: 300 }) as unknown as NodeJS.WriteStream),
  });
  return { table, printed };
}

test("every rung has its part and nothing else differs", () => {
  const runs = planLadder({ config, hosts: ["fcn", "ppm"], seeds: [3, 4], out: "x" });
  assert.is(runs.length, 2 * 2 * 5);
  assert.equal(runs.slice(0, 5).map(({ host, seed }) => [host, seed]), Array(5).fill(["fcn", 3]));
  const parts = runs.slice(0, 5).map(({ config: { memory, losses } }) => {
    return [memory.enabled, memory.strategy, memory.hardAggregate, losses.memory.weight];
  });
  assert.equal(parts.slice(1), [
    [true, "mean", false, 0],
    [true, "cosine_similarity", false, 0],
    [true, "cosine_similarity", false, 1],
    [true, "cosine_similarity", true, 1],
  ]);
  assert.is(parts[0][0], false);
  for (const run of runs) {
    const same = structuredClone(run.config);
    Object.assign(same.memory, config.memory);
    same.losses.memory.weight = config.losses.memory.weight;
    same.train.seed = config.train.seed;
    same.model.host = config.model.host;
    assert.equal(same, config);
    assert.equal([run.config.train.seed, run.config.model.host], [run.seed, run.host]);
  }
  assert.is(new Set(runs.map(({ folder }) => folder.path)).size, runs.length);
});

test("a configuration without the loss gets it on the last rungs; what cannot be a ladder is refused", async () => {
  const ladder = (...settings: string[]) => () =>
    planLadder({ config: tinyConfig(root, ...settings), hosts: ["aspp"], seeds: [0], out: "x" });
  const weights = ladder("losses.memory.weight=0", "train.epochs=2")().map((run) => run.config.losses.memory.weight);
  assert.equal(weights, [0, 0, 0, 1, 1]);
  await assertRejects(ladder("train.epochs=1"), UserError, "startEpoch is 2", "1 epochs", "--epochs");
  await assertRejects(ladder("memory.enabled=false", "model.segmentor=pspnet"), UserError, "without memory", "pspnet");
  await assertRejects(
    () => planLadder({ config, hosts: ["unet"], seeds: [0], out: "x" }), UserError, "model.host is unet", "aspp",
  );
});

test("stopped in the middle of its second run, the ladder goes on there and repeats nothing", async () => {
  const out = temporary.join("ladder");
  const runs = plan("ladder");
  const first = await climbTo(runs, out, { run: 2, step: 2 });
  assert.is(first.table, null);
  const [done, half] = runs;
  assert.is(await stateOf(half, {}), "stopped");
  assert.is(await stateOf(runs[2], {}), "new");
  assert.match(readFileSync(`${out}/ablation.md`, "utf8"), "so far 1 of 5 runs");
  const result = `${done.folder.path}/result.json`;
  const written = statSync(result).mtimeMs;

  // As after SIGKILL before its first checkpoint.
  await runs[2].folder.create({ config: runs[2].config, adapter: "test", variants: {} });
  const { table, printed } = await climbTo(runs, out);
  assert.match(printed, "1 of 5 runs are finished");
  assert.not.match(printed, "run 1/5");
  assert.match(printed, /run 3\/5, all done in [\d.]/);
  assert.is(statSync(result).mtimeMs, written);
  for (const { label } of RUNGS) assert.match(table!, label);
  assert.not.match(table!, "so far");

  const report = JSON.parse(readFileSync(`${out}/ablation.json`, "utf8"));
  assert.is(report.rows.length, 5);
  for (const [i, row] of report.rows.entries()) {
    const { scores } = JSON.parse(readFileSync(`${runs[i].folder.path}/result.json`, "utf8"));
    assert.is(row.meanIou.mean, scores.meanIou);
    assert.is(row.iou.road.mean, scores.iou.road);
  }
  assert.ok(report.rows[0].parameters < report.rows[1].parameters);
  assert.is(report.rows[3].parameters, report.rows[4].parameters);

  // The half run ends with the bytes of a whole one.
  const whole = new RunFolder(temporary.join("whole"));
  await runTiny(gpu, { config: half.config, folder: whole });
  assert.equal(readFileSync(half.folder.last), readFileSync(whole.last));

  const again = await climbTo(runs, out);
  assert.is(again.table, table);
  assert.not.match(again.printed, "run 1/");
});

test("folders of other settings, damaged files and forced variants are named", async () => {
  const [run] = plan("ladder");
  const other = planLadder({ config: { ...config, optim: { ...config.optim, lr: 0.1 } }, hosts: ["aspp"], seeds: [0],
    out: temporary.join("ladder") });
  await assertRejects(() => stateOf(other[0], {}), UserError, run.folder.path, "optim.lr is 0.05", "0.1", "--out");
  await assertRejects(() => stateOf(run, { conv2d: "direct" }), UserError, "--variant");
  const result = `${run.folder.path}/result.json`;
  const text = readFileSync(result);
  for (const damaged of ["{", "{}", "null"]) {
    writeFileSync(result, damaged);
    await assertRejects(() => stateOf(run, {}), UserError, result, "damaged");
  }
  rmSync(result);
  assert.is(await stateOf(run, {}), "stopped");
  writeFileSync(result, text);
});

test("mean, spread and gain by hand", () => {
  assert.equal(statistic([1, null, 3]), { mean: 2, deviation: Math.SQRT2, values: [1, null, 3] });
  assert.equal(statistic([5]), { mean: 5, deviation: null, values: [5] });
  assert.equal(statistic([null]), { mean: null, deviation: null, values: [null] });

  const runs = planLadder({ config, hosts: ["fcn"], seeds: [0, 1], out: "x" });
  const result = (meanIou: number, sky: number | null): RunResult => ({
    ...{ images: 2, adapter: "an adapter", iterations: 5 },
    scores: { meanIou, pixelAccuracy: 0.5, meanAccuracy: 0.25, iou: { sky } },
  });
  // Baseline 0.2 and 0.3, mean 0.21 and 0.33, cosine with seed 0 only.
  const results = new Map([
    [runs[0], result(0.2, 0.5)], [runs[5], result(0.3, null)],
    [runs[1], result(0.21, null)], [runs[6], result(0.33, null)],
    [runs[2], result(0.15, 0.1)],
  ]);
  const report = ladderReport(runs, results, ["sky"]);
  const [baseline, mean, cosine, consistent] = report.rows;
  const close = (got: number | null, wanted: number): void => assert.ok(Math.abs(got! - wanted) < 1e-12, `${got}`);
  close(baseline.meanIou.mean, 0.25);
  close(baseline.meanIou.deviation, Math.sqrt(0.005));
  assert.is(baseline.gain, null);
  close(mean.gain!.mean, 0.02);
  close(mean.gain!.deviation, Math.sqrt(2 * 0.01 ** 2));
  close(cosine.gain!.mean, -0.05);
  assert.is(cosine.gain!.deviation, null);
  assert.equal(baseline.iou.sky, { mean: 0.5, deviation: null, values: [0.5, null] });
  assert.is(consistent.meanIou.mean, null);
  const lines = ladderTable(report).split("\n");
  assert.ok(lines.some((line) => /memory, mean +\d+ +0,1 +27\.00 ± 8\.49 +\+2\.00 ± 1\.41 +50\.00/.test(line)));
  assert.ok(lines.some((line) => /memory, cosine +\d+ +0 +15\.00 +-5\.00 /.test(line)));
  const markdown = ladderMarkdown(report);
  assert.match(markdown, /\| fcn \| memory, cosine \| \d+ \| 0 \| 15\.00 \| -5\.00 \|/);
  assert.match(markdown, "| fcn | no memory | 50.00 |");
  assert.match(markdown, "so far 5 of 10 runs");
});

const out = temporary.join("ladder");
const settings = [...TINY_SETTINGS, "train.epochs=1", "losses.memory.startEpoch=1", "train.saveEvery=1"];
const last = (rung: string): string => `${out}/aspp/${rung}/seed-0/checkpoints/last.safetensors`;

test("npm run ablate does again what is missing, and prints the table", async () => {
  rmSync(`${out}/aspp/mean`, { recursive: true });
  const table = readFileSync(`${out}/ablation.md`, "utf8");
  const place = ["--dataset", "cityscapes", "--root", root, "--out", out];
  const { code, stdout, stderr } = await runCommand("ablate", [...place, ...settings.flatMap((s) => ["--set", s])]);
  assert.is(code, 0, stderr);
  assert.match(stdout, "4 of 5 runs are finished");
  assert.match(stdout, "run 5/5: aspp, memory, mean, seed 0");
  assert.match(stdout, /host +rung +parameters +seeds +mIoU % +gain/);
  const scores = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("| aspp"));
  assert.equal(scores(readFileSync(`${out}/ablation.md`, "utf8")), scores(table));
});

test("npm run analyze of the last rung", async () => {
  const folder = temporary.join("analysis");
  const args = ["--checkpoint", last("consistent"), "--root", root, "--out", folder, "--samples", "100"];
  const { code, stdout, stderr } = await runCommand("analyze", args);
  assert.is(code, 0, stderr);
  for (const words of ["R_aug", "entropy of W", "rows filled", "no labelled cell is of"]) assert.match(stdout, words);
  const files = ["analysis.json", "entropy.svg", "memory-cosine.svg", "projection.svg", "separation.svg"];
  assert.equal(readdirSync(folder).sort(), files);
  const analysis = JSON.parse(readFileSync(`${folder}/analysis.json`, "utf8"));
  assert.equal(analysis.levels.map(({ name }: { name: string }) => name), ["R", "C_bi", "R_aug"]);
  assert.is(analysis.memory.cosines.length, 19);
  assert.is(analysis.entropy.count, analysis.levels[0].scatter.count);
});

test("of a network without memory what there is is collected", async () => {
  const checkpoint = await readWeights(last("baseline"));
  const own = configOf(checkpoint, undefined, []);
  const model = loadModel(gpu, { config: own, checkpoint, numClasses: 19, verbose: false });
  const done: number[] = [];
  const meter = await collectRepresentations(gpu, {
    ...{ model, dataset: await open("val"), config: own, samplesPerClass: 5, seed: 0 },
    onProgress: (count) => done.push(count),
  });
  model.dispose();
  assert.equal([...meter.levels.keys()], ["R", "R_aug"]);
  assert.is(meter.entropy, null);
  assert.equal(done, [1, 2]);
  const { classes, count } = meter.levels.get("R")!.scatter.summary();
  const cells = 2 * (32 / 8) * (48 / 8); // of two images at an output stride of 8
  assert.ok(count > cells / 2 && count < cells, `${count} of ${cells} cells have a label`);
  assert.is(classes.length, 19);
});

test("what cannot be done is said", async () => {
  const cases = [
    ["ablate", ["--set", "memory.strategy=mean"], "--hosts"],
    ["analyze", ["--checkpoint", "x", "--set", "eval.flip=true"], "once"],
  ] as const;
  const ended = await Promise.all(cases.map(([command, args]) => runCommand(command, args)));
  cases.forEach(([, args, word], i) => {
    assert.is(ended[i].code, 2, ended[i].stderr);
    for (const words of [args[args.length - 1], word]) assert.match(ended[i].stderr, words);
    assert.not.match(ended[i].stderr, /\n +at /);
  });
});

test("--help of both", async () => {
  const ended = await Promise.all([runCommand("ablate", ["--help"]), runCommand("analyze", ["--help"])]);
  assert.equal(ended.map(({ code }) => code), [0, 0]);
  for (const words of ["npm run ablate --", "hard aggregation"]) assert.match(ended[0].stdout, words);
  for (const words of ["npm run analyze --", "t-SNE"]) assert.match(ended[1].stdout, words);
});

test.after(() => temporary[Symbol.dispose]());

test.run();
