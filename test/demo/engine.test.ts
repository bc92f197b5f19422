/** What the page's engine answers, here over Dawn: networks, the memory, a training that is paused and gone on with. */
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Config } from "../../src/config/config.ts";
import { STREETS_SPEC } from "../../src/data/cityscapes_spec.ts";
import { Engine } from "../../src/demo/engine.ts";
import type { EngineEvent } from "../../src/demo/engine.ts";
import { SceneBatches, streetScene } from "../../src/demo/scenes.ts";
import { LiveTraining, accuracyOf } from "../../src/demo/training.ts";
import { UserError } from "../../src/errors.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { subjectOf } from "../../src/train/checkpoint.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { sharedDevice, testGpu } from "../support/gpu.ts";
import { TemporaryFolder, tinyConfig } from "../support/tiny_run.ts";
import { assertRejects } from "../support/throws.ts";

const SHIPPED = new URL("../../src/predict/pretrained/tiny.safetensors", import.meta.url);
const SIZE = [32, 48] as const;

async function engine(emit: (event: EngineEvent) => void = () => {}): Promise<Engine> {
  const { check } = await sharedDevice();
  const batchesOf = (config: Config) => new SceneBatches(config, SIZE);
  return new Engine({ gpu: await testGpu(), kernels: kernelsOnDisk, check, batchesOf, emit });
}

test("the shipped network segments a scene, draws on its memory and looks somewhere", async () => {
  const asked = await engine();
  const info = asked.load(readFileSync(SHIPPED), "tiny.safetensors");
  assert.equal(info.subject.classNames, STREETS_SPEC.classNames);
  assert.ok(info.hasMemory);
  const scene = streetScene("val", 3, [128, 256]);
  const { classes, shares } = await asked.segment(scene);
  assert.is(classes.length, 128 * 256);
  assert.ok(Math.abs(shares.reduce((sum, share) => sum + share) - 1) < 1e-9);
  assert.ok(accuracyOf(classes, scene.label) > 0.6, "far better than chance");

  const look = await asked.look(scene, 0.999, 0);
  assert.equal([look.rows, look.columns, look.row, look.column], [16, 32, 0, 31]);
  const sum = (values: Float32Array): number => values.reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum(look.weights) - 16 * 32) < 1e-2);
  assert.is(look.attention.length, 16 * 32);
  assert.ok(Math.abs(sum(look.attention) - 1) < 1e-4);

  const { cosine, lengths } = await asked.memoryView();
  const { state } = await readCheckpoint(SHIPPED.pathname);
  const rows = state.get("memory_module.memory")!;
  const [count, , width] = rows.shape;
  const row = (k: number): number[] => Array.from(rows.data as Float32Array).slice(k * width, (k + 1) * width);
  const dot = (a: number, b: number): number => row(a).reduce((total, value, i) => total + value * row(b)[i], 0);
  for (const [a, b] of [[0, 0], [0, 1], [18, 17]]) {
    const want = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    assert.ok(Math.abs(cosine[a * count + b] - want) < 1e-5, `cosine of ${a} and ${b}`);
    assert.ok(Math.abs(lengths[a] - Math.sqrt(dot(a, a))) < 1e-4);
  }
});

test("what is no checkpoint is refused, and the network before it stays", async () => {
  const asked = await engine();
  asked.load(readFileSync(SHIPPED), "tiny.safetensors");
  await assertRejects(() => asked.load(new Uint8Array(100), "noise.safetensors"), UserError, "noise.safetensors");
  assert.is((await asked.segment(streetScene("val", 0, [128, 256]))).height, 128);
});

/** Trains until so many iterations are done, with pauses after others before. */
async function trained(...stops: number[]) {
  const { check } = await sharedDevice();
  const config = tinyConfig("");
  const scenes = new SceneBatches(config, SIZE);
  const losses: number[] = [];
  const batch = (epoch: number, step: number) => {
    if (step === stops[0]) live.pause();
    return scenes.batch(epoch, step);
  };
  const live: LiveTraining = new LiveTraining(await testGpu(), {
    ...{ config, check, batches: { batch }, preview: streetScene("val", 0, SIZE), previewEvery: 100 },
    onPreview: () => {},
    onStep: (step) => losses.push(step.losses.total),
  });
  for (; stops.length > 0; stops.shift()) await live.run();
  const bytes = await live.checkpoint();
  await live.dispose();
  return { losses, bytes };
}

test("a pause changes nothing: the same losses and checkpoint as without; Node reads it", async () => {
  const [whole, halves] = [await trained(5), await trained(2, 5)];
  assert.is(whole.losses.length, 5);
  assert.equal(halves.losses, whole.losses);
  assert.ok(Buffer.from(whole.bytes).equals(Buffer.from(halves.bytes)), "the bytes of the checkpoints");
  using folder = new TemporaryFolder();
  const path = folder.join("downloaded.safetensors");
  writeFileSync(path, whole.bytes);
  const { progress, subject, optimizer } = await readCheckpoint(path);
  assert.is(progress.iteration, 5);
  assert.is(subject.dataset, "streets");
  assert.ok(optimizer.size > 0);
});

test("a training is paused before kernels are measured; its network is asked for when it exists", async () => {
  const asked = await engine();
  await assertRejects(() => asked.useTrained(), UserError, "no network is in training yet");
  asked.load((await trained(1)).bytes, "small.safetensors");
  const request = { epochs: 1, seed: 0, preview: streetScene("val", 0, SIZE), previewEvery: 100 };
  await asked.begin(request);
  const running = asked.run();
  await assertRejects(() => asked.bench(), UserError, "pause it first");
  await assertRejects(() => asked.begin(request), UserError, "pause it first");
  asked.pause();
  assert.not(await running, "it is not finished");
  assert.equal(asked.useTrained().subject, subjectOf(STREETS_SPEC));
  assert.equal((await asked.segment(request.preview)).subject, subjectOf(STREETS_SPEC));
});

test.run();
