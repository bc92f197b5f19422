import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runCommand, startCommand } from "../support/command.ts";
import type { Ended } from "../support/command.ts";
import { TINY_SETTINGS, TemporaryFolder, saveTinyDataset } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);

const ITERATIONS = 8 * 5;
const settings = [...TINY_SETTINGS, "train.epochs=8", "train.evalEvery=8", "train.saveEvery=3", "train.logEvery=1"];
const newRun = (folder: RunFolder): string[] => {
  const place = ["--dataset", "cityscapes", "--root", root, "--run", folder.path];
  return [...place, ...settings.flatMap((setting) => ["--set", setting])];
};

const whole = new RunFolder(temporary.join("whole"));

/** Starts a run, sends the signal once the run folder holds so many iterations, and waits for its end. */
async function interrupt(folder: RunFolder, signal: NodeJS.Signals, iterations: number): Promise<Ended> {
  const { child, ended } = startCommand("train", newRun(folder));
  const metrics = `${folder.path}/metrics.jsonl`;
  const lines = (): number => (existsSync(metrics) ? readFileSync(metrics, "utf8").split("\n").length - 1 : 0);
  while (child.exitCode === null && (lines() < iterations || !existsSync(folder.last))) await sleep(5);
  child.kill(signal);
  return ended;
}

async function resume(folder: RunFolder): Promise<void> {
  const { code, stdout, stderr } = await runCommand("train", ["--resume", folder.path]);
  assert.is(code, 0, stderr);
  assert.match(stdout, /continuing after iteration \d+/);
  assert.ok(readFileSync(folder.last).equals(readFileSync(whole.last)), "last.safetensors differs");
  assert.ok(readFileSync(folder.best).equals(readFileSync(whole.best)), "best.safetensors differs");
}

test("an uninterrupted run prints the table", async () => {
  const { code, stdout, stderr } = await runCommand("train", newRun(whole));
  assert.is(code, 0, stderr);
  for (const text of ["compiling kernels", "class", "bicycle", "mean", whole.path]) assert.match(stdout, text);
});

for (const [signal, exitCode] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
  test(`${signal} saves and ends with ${exitCode}; resumed, the run gives the same bytes`, async () => {
    const folder = new RunFolder(temporary.join(signal));
    const { code, stdout, stderr } = await interrupt(folder, signal, 4);
    assert.is(code, exitCode, stderr);
    const [, iteration] = /stopped after iteration (\d+) of 40; saved (\S+)/.exec(stdout) ?? [];
    assert.ok(Number(iteration) >= 4 && Number(iteration) < ITERATIONS, stdout);
    assert.match(stdout, `--resume ${folder.path}`);
    assert.is((await readCheckpoint(folder.last)).progress.iteration, Number(iteration));
    await resume(folder);
  });
}

test("SIGKILL leaves a checkpoint to continue from, to the same bytes", async () => {
  const folder = new RunFolder(temporary.join("SIGKILL"));
  const { signal } = await interrupt(folder, "SIGKILL", 8);
  assert.is(signal, "SIGKILL");
  const { iteration } = (await readCheckpoint(folder.last)).progress;
  assert.ok(iteration >= 3 && iteration < ITERATIONS, `iteration ${iteration}`);
  await resume(folder);
  const lines = readFileSync(`${folder.path}/metrics.jsonl`, "utf8").trimEnd().split("\n");
  const trained = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "train");
  const iterations = trained.map((line) => line.iteration);
  assert.equal(iterations, Array.from({ length: ITERATIONS }, (_, i) => i + 1));
});

test.after(() => temporary[Symbol.dispose]());

test.run();
