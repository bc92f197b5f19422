/** `npm run ablate` and then `npm run analyze` on what it has trained, as processes of their own. */
import { readFileSync, readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { RUNGS } from "../../src/train/ablation.ts";
import { runCommand } from "../support/command.ts";
import { saveScene } from "../support/datasets.ts";
import { TINY_SETTINGS, TemporaryFolder, saveTinyDataset } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
saveScene(root, "test", "cc", "cc_000000_000019");
const out = temporary.join("out");
const settings = [...TINY_SETTINGS, "train.epochs=1", "losses.memory.startEpoch=1", "train.panels=0"];
const set = settings.flatMap((setting) => ["--set", setting]);
const ladder = ["--dataset", "cityscapes", "--root", root, "--hosts", "fcn", "--out", out, ...set];
const last = (rung: string): string => `${out}/fcn/${rung}/seed-0/checkpoints/last.safetensors`;

test("the ladder of one host: the table and the files", async () => {
  const { code, stdout, stderr } = await runCommand("ablate", ladder);
  assert.is(code, 0, stderr);
  for (const { label } of RUNGS) assert.match(stdout, label);
  assert.match(stdout, /host +rung +parameters +seeds +mIoU % +gain/);
  const { rows, finishedRuns } = JSON.parse(readFileSync(`${out}/ablation.json`, "utf8"));
  assert.equal([rows.length, finishedRuns], [5, 5]);
  assert.match(readFileSync(`${out}/ablation.md`, "utf8"), "| host | rung |");
});

test("the analysis of its last rung, and of the first, which has no memory", async () => {
  const folder = temporary.join("analysis");
  const [whole, bare] = await Promise.all([
    runCommand("analyze", ["--checkpoint", last("consistent"), "--root", root, "--out", folder, "--samples", "100"]),
    runCommand("analyze", ["--checkpoint", last("baseline"), "--root", root, "--samples", "100"]),
  ]);
  assert.is(whole.code, 0, whole.stderr);
  for (const words of ["R_aug", "C_bi", "entropy of W: mean", "rows filled"]) assert.match(whole.stdout, words);
  const files = ["analysis.json", "entropy.svg", "memory-cosine.svg", "projection.svg", "separation.svg"];
  assert.equal(readdirSync(folder).sort(), files);
  const analysis = JSON.parse(readFileSync(`${folder}/analysis.json`, "utf8"));
  assert.equal(analysis.levels.map(({ name }: { name: string }) => name), ["R", "C_bi", "R_aug"]);
  assert.is(analysis.memory.cosines.length, 19);
  assert.is(analysis.entropy.count, analysis.levels[0].scatter.count);

  assert.is(bare.code, 0, bare.stderr);
  assert.match(bare.stdout, "this network has no memory");
  assert.match(bare.stdout, "no labelled cell is of");
  const beside = last("baseline").replace("safetensors", "analysis");
  assert.equal(readdirSync(beside).sort(), ["analysis.json", "projection.svg", "separation.svg"]);
});

test("what cannot be done is said", async () => {
  const checkpoint = ["--checkpoint", last("baseline"), "--root", root];
  const cases: readonly (readonly [command: string, args: readonly string[], ...words: string[]])[] = [
    ["ablate", ["--set", "memory.strategy=mean"], "memory.strategy=mean", "--hosts"],
    ["ablate", ["--seeds", "0,1,0"], "--seeds 0,1,0", "twice"],
    ["analyze", [...checkpoint, "--set", "eval.flip=true"], "eval.flip=true", "once"],
    ["analyze", [...checkpoint, "--seed", "4294967296"], "--seed", "2^32"],
    ["analyze", [...checkpoint, "--split", "test"], "without labels"],
  ];
  const ended = await Promise.all(cases.map(([command, args]) => runCommand(command, args)));
  cases.forEach(([, args, ...words], i) => {
    assert.is(ended[i].code, 2, `${args.join(" ")}: ${ended[i].stderr}`);
    for (const word of words) assert.match(ended[i].stderr, word);
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
