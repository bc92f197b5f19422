import { readFileSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { datasetLayout } from "../../src/data/open.ts";
import { UserError } from "../../src/errors.ts";
import { serializeSafetensors } from "../../src/io/safetensors.ts";
import type { Segmentor } from "../../src/models/segmentor.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import type { StateDict, StateTensor } from "../../src/nn/state.ts";
import { isCheckpoint, loadBackbone, loadWeights, requireClasses } from "../../src/train/checkpoint.ts";
import { readCheckpoint, readWeights } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runCommand } from "../support/command.ts";
import { testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { TINY_SETTINGS, TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const gpu = await testGpu();
const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
const config = tinyConfig(root, "train.epochs=1");
const BACKBONE = "backbone_net.";

const build = (seed: number, numClasses = 19): Segmentor =>
  buildModel(config, numClasses, new RandomState(0)).initialize(gpu, seed);

const source = build(1);
const state = await source.stateDict();
const backbone = [...state].filter(([name]) => name.startsWith(BACKBONE));
const imageNet = new Map(backbone.map(([name, tensor]) => [name.slice(BACKBONE.length), tensor]));
const fc: [string, StateTensor][] = [["fc.weight", { shape: [1, 1], data: new Float32Array(1) }]];

/** A state dict as a file from elsewhere. */
function save(name: string, tensors: StateDict): string {
  const path = temporary.join(name);
  writeFileSync(path, serializeSafetensors(tensors, { format: "pt" }));
  return path;
}

/** Names whose values differ. */
const changes = (a: StateDict, b: StateDict): string[] =>
  [...a].filter(([name, { data }]) => String(data) !== String(b.get(name)!.data)).map(([name]) => name);

test("a pretrained backbone: the names of ImageNet files or of whole networks, without their other parts", async () => {
  for (const dict of [imageNet, new Map([...imageNet, ...fc]), state]) {
    const model = build(2);
    const before = await model.stateDict();
    const weights = await readWeights(save("pretrained.safetensors", dict));
    assert.is(loadBackbone(model, weights), backbone.length);
    const changed = changes(before, await model.stateDict());
    assert.ok(changed.length > 10 && changed.every((name) => name.startsWith(BACKBONE)));
    for (const [name, { data }] of backbone) assert.equal((await model.stateDict()).get(name)!.data, data, name);
    model.dispose();
  }
});

test("a backbone of another depth or stem does not fit, and nothing changes", async () => {
  const model = build(2);
  const before = await model.stateDict();
  const path = temporary.join("x.pth");
  const deeper = new Map([...imageNet, ["layer1.2.conv1.weight", fc[0][1]] as const]);
  const refused = (dict: StateDict, ...message: string[]) =>
    assertRejects(() => loadBackbone(model, { path, state: dict }), UserError, path, ...message);
  await refused(deeper, "1 unexpected:\n  layer1.2.conv1.weight");
  const stem = new Map([...imageNet].map(([name, tensor]) => [name.replace(/^conv1/, "stem.0"), tensor]));
  await refused(stem, "1 missing:\n  conv1.weight", "1 unexpected:\n  stem.0.weight");
  assert.equal(changes(before, await model.stateDict()), []);
  model.dispose();
});

test("many names are summed up by their prefixes, or listed where that is asked for", async () => {
  const model = build(2);
  const weights = { path: "f.pth", state: new Map(fc) };
  const names = [...state.keys()].filter((name) => !name.endsWith("num_batches_tracked"));
  const decoder = names.filter((name) => name.startsWith("decoder_stage1.")).length;
  const first = names.slice(0, 20).join("\n  ");
  const groups = [`${names.length} missing:\n  ${first}\n  backbone_net.`, `  decoder_stage1.* (${decoder} more)`];
  await assertRejects(() => loadWeights(model, weights), UserError, "f.pth", ...groups, "1 unexpected:");
  const listed = () => loadWeights(model, weights, { mostListed: Infinity });
  await assertRejects(listed, UserError, ...names.map((name) => `\n  ${name}`));
  model.dispose();
});

test("without counters of batches, as old files are: they begin at 0", async () => {
  const model = build(2);
  const counter = "bottleneck.1.num_batches_tracked";
  model.loadStateDict(new Map([...state, [counter, { shape: [], data: BigInt64Array.of(5n) }]]));
  const tensors = [...state].filter(([name]) => !name.endsWith("num_batches_tracked"));
  loadWeights(model, await readWeights(save("old.safetensors", new Map(tensors))));
  assert.equal(changes(state, await model.stateDict()), []);
  model.dispose();
});

test("the classifiers of every network tell the number of classes", () => {
  for (const segmentor of ["fcn", "pspnet", "deeplabv3", "ocrnet", "upernet"]) {
    const config = tinyConfig(root, `model.segmentor=${segmentor}`, "memory.enabled=false");
    const shapes = [...buildModel(config, 7, new RandomState(0)).stateShapes()];
    const state = new Map(shapes.map(([name, shape]) => [name, { shape, data: new Float32Array(0) }]));
    const { spec } = datasetLayout("cityscapes");
    assert.throws(() => requireClasses({ path: "seven", state }, spec), /seven knows 7 classes, not the 19/);
    requireClasses({ path: "seven", state }, { ...spec, numClasses: 7 });
  }
});

test("weights of other classes: refused by their number or names, taken without classifiers on request", async () => {
  const other = build(3, 7);
  const weights = await readWeights(save("seven.safetensors", await other.stateDict()));
  other.dispose();
  const folder = new RunFolder(temporary.join("seven"));
  const advice = ["seven.safetensors knows 7 classes, not the 19 of cityscapes", "--reinit-classifiers"];
  const whole = () => runTiny(gpu, { config, folder, start: { weights, part: "network" } });
  await assertRejects(whole, UserError, ...advice);
  const model = build(config.train.seed);
  const before = await model.stateDict();
  loadWeights(model, weights, { reinitialize: model.classifiers });
  const kept = [...before.keys()].filter((name) => model.classifiers.some((prefix) => name.startsWith(prefix)));
  const changed = changes(before, await model.stateDict());
  assert.ok(kept.length === 7 && changed.length > 20 && kept.every((name) => !changed.includes(name)));
  model.dispose();
  const start = { weights, part: "without classifiers" } as const;
  const { printed } = await runTiny(gpu, { config, folder, start, stopAfter: 1 });
  assert.match(printed, "stopped after iteration 1");
});

test("a run begins with a pretrained backbone and says so", async () => {
  const folder = new RunFolder(temporary.join("pretrained"));
  const weights = { path: "imagenet.pth", state: new Map([...imageNet, ...fc]) };
  const { printed } = await runTiny(gpu, { config, folder, start: { weights, part: "backbone" }, stopAfter: 1 });
  assert.match(printed, `backbone from imagenet.pth: ${backbone.length} tensors`);
});

test("eval scores weights from elsewhere as it does the checkpoint they are from; resuming refuses them", async () => {
  const folder = new RunFolder(temporary.join("run"));
  await runTiny(gpu, { config, folder });
  const checkpoint = await readCheckpoint(folder.last);
  const path = save("ours.safetensors", checkpoint.state);
  assert.not.ok(isCheckpoint(await readWeights(path)));
  await assertRejects(() => readCheckpoint(path), UserError, path, "weights alone");
  const json = temporary.join("scores.json");
  const network = TINY_SETTINGS.flatMap((setting) => ["--set", setting]);
  const place = ["--checkpoint", path, "--dataset", "cityscapes", "--root", root, "--json", json];
  const { code, stderr } = await runCommand("eval", [...place, "--preset", "tiny", ...network]);
  assert.is(code, 0, stderr);
  const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as { scores: unknown; iteration: unknown };
  assert.equal(read(json).scores, read(`${folder.path}/result.json`).scores);
  assert.is(read(json).iteration, null);
  const both = await runCommand("eval", ["--checkpoint", folder.last, "--preset", "tiny"]);
  assert.is(both.code, 2);
  assert.match(both.stderr, "has a configuration of its own");
});

test.after(() => {
  source.dispose();
  temporary[Symbol.dispose]();
});

test.run();
