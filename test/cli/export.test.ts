/** `npm run export` as users call it. */
import { readFileSync, readdirSync, statSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSafetensors } from "../../src/io/safetensors.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { parseCheckpoint } from "../../src/train/checkpoint.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { runCommand } from "../support/command.ts";
import { testGpu } from "../support/gpu.ts";
import { onnxRuntime } from "../support/onnx.ts";
import { TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

test("a checkpoint of training becomes a model that runs, and weights under the official names", async () => {
  using temporary = new TemporaryFolder();
  const root = temporary.join("data");
  saveTinyDataset(root);
  const folder = new RunFolder(temporary.join("run"));
  await runTiny(await testGpu(), { config: tinyConfig(root), folder, stopAfter: 1 });
  const [onnx, weights] = [temporary.join("a.onnx"), folder.last.replace(/\.safetensors$/, ".weights.safetensors")];

  const half = temporary.join("half.safetensors");
  const [exported, saved, tooSmall, halved] = await Promise.all([
    runCommand("export", ["--checkpoint", folder.last, "--out", onnx]),
    runCommand("export", ["--checkpoint", folder.last, "--format", "safetensors"]),
    runCommand("export", ["--checkpoint", folder.last, "--out", temporary.join("b.onnx"), "--size", "1,70000"]),
    runCommand("export", ["--checkpoint", folder.last, "--format", "half", "--out", half]),
  ]);
  assert.equal([exported.code, saved.code, halved.code], [0, 0, 0], exported.stderr + saved.stderr + halved.stderr);
  assert.match(exported.stdout, `${onnx}: `);
  assert.is(tooSmall.code, 2);
  assert.match(tooSmall.stderr, /^error: checkpoint .*images of 1x70000.*65535/m);
  assert.not(readdirSync(temporary.path).includes("b.onnx"));

  const whole = await readCheckpoint(folder.last);
  const { state } = whole;
  const { tensors } = parseSafetensors(readFileSync(weights));
  assert.equal([...tensors.keys()].sort(), [...state.keys()].sort());
  for (const [name, tensor] of state) assert.equal(tensors.get(name), tensor, name);

  const usable = parseCheckpoint(readFileSync(half), half);
  for (const part of ["config", "subject", "progress", "masksDrawn"] as const) assert.equal(usable[part], whole[part]);
  assert.equal(usable.subject.palette![13], [0, 0, 142]);
  assert.is(usable.momentum.size, 0);
  for (const [name, { shape, data }] of usable.state) {
    assert.equal(shape, state.get(name)!.shape);
    const exact = state.get(name)!.data;
    const isNear = (x: number, i: number): boolean => Math.abs(x - Number(exact[i])) <= Math.abs(x) / 2048 + 2 ** -25;
    assert.ok([...data].every((x, i) => isNear(Number(x), i)), name);
  }
  assert.ok(statSync(half).size < statSync(folder.last).size / 2);

  const load = await onnxRuntime("an exported checkpoint");
  if (!load) return;
  const run = await load(readFileSync(onnx));
  const { logits } = await run({ image: { shape: [1, 3, 40, 24], data: new Float32Array(3 * 40 * 24).fill(0.5) } });
  assert.equal(logits.shape, [1, 19, 40, 24]);
  assert.ok(logits.data.every(Number.isFinite));
});

test.run();
