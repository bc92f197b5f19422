/** The command that makes a memory for a run to start with. */
import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSafetensors } from "../../src/io/safetensors.ts";
import { MEMORY_NAME } from "../../src/train/memory_file.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runCommand } from "../support/command.ts";
import { testGpu } from "../support/gpu.ts";
import { TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const folder = new RunFolder(temporary.join("run"));
await runTiny(await testGpu(), { config: tinyConfig(root), folder, stopAfter: 1 });

test("a memory of a checkpoint's representations, the same bytes for the same seed", async () => {
  const make = async (name: string) => {
    const out = temporary.join(`${name}.safetensors`);
    const what = ["--checkpoint", folder.last, "--root", root, "--method", "random-pixel", "--slots", "2"];
    const { code, stdout, stderr } = await runCommand("memory", [...what, "--seed", "1", "--out", out]);
    assert.is(code, 0, stderr);
    assert.match(stdout, /10 images of cityscapes train/);
    assert.match(stdout, new RegExp(`${name}.safetensors: \\d+ of 38 slots filled; empty until seen: .*truck`));
    return readFileSync(out);
  };
  const [first, again] = await Promise.all([make("a"), make("b")]);
  assert.ok(first.equals(again));
  const { metadata, tensors } = parseSafetensors(first);
  assert.equal(tensors.get(MEMORY_NAME)!.shape, [19, 2, 8]);
  assert.is(JSON.parse(metadata.subject).classNames.length, 19);
  assert.equal(JSON.parse(metadata.source), { method: "random-pixel", split: "train", seed: 1 });
});

test("options and networks that cannot be used: one line, exit code 2, nothing written", async () => {
  const out = temporary.join("never.safetensors");
  const checkpoint = ["--checkpoint", folder.last, "--root", root];
  const refused: [args: string[], ...parts: string[]][] = [
    [["--out", out], "--checkpoint"],
    [[...checkpoint, "--out", "memory.bin"], "--out is memory.bin", "FILE.safetensors"],
    [[...checkpoint, "--out", out, "--method", "mean"], '"mean"', "kmeans or random-pixel"],
    [[...checkpoint, "--out", out, "--method", "random-pixel", "--images", "3"], "--images", "kmeans"],
  ];
  for (let i = 0; i < refused.length; i += 2) {
    const group = refused.slice(i, i + 2);
    const ended = await Promise.all(group.map(([args]) => runCommand("memory", args)));
    ended.forEach(({ code, stderr }, j) => {
      const [args, ...parts] = group[j];
      assert.is(code, 2, `${args.join(" ")}: ${stderr}`);
      const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: max"));
      assert.is(lines.length, 1, stderr);
      for (const part of parts) assert.ok(lines[0].includes(part), `"${part}" is not in: ${lines[0]}`);
    });
  }
  assert.not.ok(existsSync(out));
});

test.after(() => temporary[Symbol.dispose]());

test.run();
