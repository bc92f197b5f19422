/** `npm run predict` as users call it. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePng } from "../../src/io/png.node.ts";
import { runCommand, startCommand } from "../support/command.ts";
import { photo, save } from "../support/datasets.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
/** The network sees small images: this is about files. */
const SMALL = ["--size", "32,48"];

const filesBelow = (folder: string): string[] => {
  return (readdirSync(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`.slice(folder.length + 1)).sort();
};

test("good and bad inputs: the good ones are predicted, the bad ones named, the exit code is 3", async () => {
  const inputs = temporary.join("frames");
  save(`${inputs}/1.jpg`, await photo(48, 32));
  save(`${inputs}/deep/2.jpg`, await photo(24, 16));
  save(`${inputs}/empty.png`, new Uint8Array(0));
  save(temporary.join("cut.jpg"), (await photo()).subarray(0, 200));
  const out = temporary.join("out");
  const json = temporary.join("summary.json");
  const args = [inputs, temporary.join("cut.jpg"), temporary.join("none.png"), "--out", out, "--json", json];
  const { code, stdout, stderr } = await runCommand("predict", [...args, ...SMALL, "--probabilities"]);
  assert.is(code, 3, stderr);

  const names = ["frames/1.png", "frames/deep/2.png"];
  const files = filesBelow(out);
  for (const kind of ["overlay", "colors", "index", "confidence"]) {
    assert.equal(files.filter((file) => file.startsWith(`${kind}/`)), names.map((name) => `${kind}/${name}`));
  }
  const planes = files.filter((file) => file.startsWith("probabilities/"));
  assert.is(planes.length, 2 * 19);
  assert.ok(planes.includes("probabilities/06_traffic_light/frames/1.png"));
  assert.is(files.length, 4 * 2 + 2 * 19, "and nothing else");
  for (const file of files) decodePng(readFileSync(`${out}/${file}`), file);

  for (const bad of ["frames/empty.png", "cut.jpg", "none.png"]) assert.match(stderr, new RegExp(`skipped: .*${bad}`));
  assert.match(stdout, /frames\/1\.jpg: 48x32, \d+\.\d\d s: .+ \d+\.\d %/);
  assert.match(stdout, `2 images predicted, 3 of the inputs skipped; results in ${out}`);
  const { images, skipped } = JSON.parse(readFileSync(json, "utf8"));
  assert.equal(images.map(({ name, width, height }: Record<string, unknown>) => [name, width, height]), [
    ["frames/1", 48, 32], ["frames/deep/2", 24, 16],
  ]);
  const shares = Object.values(images[0].shares as Record<string, number>);
  assert.ok(Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-9);
  assert.is(skipped.length, 3);
});

test("Ctrl-C leaves whole files only", async () => {
  const [inputs, out] = [temporary.join("many"), temporary.join("stopped")];
  const bytes = await photo(24, 16);
  for (let i = 0; i < 200; i++) save(`${inputs}/${i}.jpg`, bytes);
  const { child, ended } = startCommand("predict", [inputs, "--out", out, ...SMALL]);
  while (child.exitCode === null && !existsSync(`${out}/index/0.png`)) await sleep(5);
  child.kill("SIGINT");
  const { code, stdout, stderr } = await ended;
  assert.is(code, 130, stderr);
  assert.match(stdout, "stopping after the images under way");
  const files = filesBelow(out);
  const count = files.length / 3;
  assert.ok(Number.isInteger(count) && count >= 1 && count < 200, `${files.length} files`);
  assert.match(stdout, `${count} image`);
  for (const file of files) decodePng(readFileSync(`${out}/${file}`), file);
});

test("what has to be put right ends with code 2 before anything is written", async () => {
  const out = temporary.join("refused");
  const bad = temporary.join("bad.png");
  save(bad, Buffer.from("no image"));
  const calls: [args: string[], message: RegExp][] = [
    [[temporary.join("none.png")], /skipped: .*none\.png: no such file[^]*error: none of the inputs/],
    [[bad, ...SMALL], /skipped: .*bad\.png[^]*error: none of the inputs/],
    [[bad, "--opacity", "2"], /--opacity is "2", expected 0 to 1/],
    [[bad, "--window", "64,64", "--mode", "whole"], /--window and --stride go with sliding windows/],
    [[bad, "--scales", "1,x"], /eval\.scales: found "1,x"/],
  ];
  await Promise.all(calls.map(async ([args, message]) => {
    const { code, stderr } = await runCommand("predict", [...args, "--out", out]);
    assert.is(code, 2, stderr);
    assert.match(stderr, message);
  }));
  assert.not(existsSync(out));
});

test.after(() => temporary[Symbol.dispose]());

test.run();
