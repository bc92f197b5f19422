/** `npm run export` as users call it. */
import { readFileSync, readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSafetensors } from "../../src/io/safetensors.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { readCheckpoint } from "../../src/train/checkpoint.ts";
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

  const [exported, saved, tooSmall] = await Promise.all([
    runCommand("export", ["--checkpoint", folder.last, "--out", onnx]),
    runCommand("export", ["--checkpoint", folder.last, "--format", "safetensors"]),
    runCommand("export", ["--checkpoint", folder.last, "--out", temporary.join("b.onnx"), "--size", "1,70000"]),
  ]);
  assert.equal([exported.code, saved.code], [0, 0], exported.stderr + saved.stderr);
  assert.match(exported.stdout, `${onnx}: `);
  assert.is(tooSmall.code, 2);
  assert.match(tooSmall.stderr, /^error: checkpoint .*images of 1x70000.*65535/m);
  assert.not(readdirSync(temporary.path).includes("b.onnx"));

  const { state } = await readCheckpoint(folder.last);
  const { tensors } = parseSafetensors(readFileSync(weights));
  assert.equal([...tensors.keys()].sort(), [...state.keys()].sort());
  for (const [name, tensor] of state) assert.equal(tensors.get(name), tensor, name);

  const load = await onnxRuntime("an exported checkpoint");
  if (!load) return;
  const run = await load(readFileSync(onnx));
  const { logits } = await run({ image: { shape: [1, 3, 40, 24], data: new Float32Array(3 * 40 * 24).fill(0.5) } });
  assert.equal(logits.shape, [1, 19, 40, 24]);
  assert.ok(logits.data.every(Number.isFinite));
});

test.run();
