/** A step in parts against the same step at once. Batch normalisation sees one part at a time: it is in evaluation. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import type { Mcibi } from "../../src/models/mcibi.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { loaderOptions } from "../../src/train/loader_options.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { Iteration } from "../../src/train/trainer.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const CLASSES = 5;
const IMAGES = 4;
/** With the memory's loss. */
const EPOCH = 2;
const STEPS = 2;

/** Parts differ in what counts: the first image has one labelled pixel in eight, the last none. */
function batchOf(step: number, pixels: number) {
  const images = Float32Array.from({ length: IMAGES * pixels * 3 }, (_, i) => Math.sin(1e4 * Math.sin(i + step)));
  const labels = Int32Array.from({ length: IMAGES * pixels }, (_, i) => {
    const image = Math.floor(i / pixels);
    if (image === IMAGES - 1 || (image === 0 && i % 8 !== 0)) return 255;
    return Math.floor(i / 37 + step + image) % CLASSES;
  });
  return { images, labels, ids: ["a", "b", "c", "d"], step };
}

interface Trained {
  readonly iterations: readonly Iteration[];
  readonly memory: ArrayLike<number>;
  readonly parameters: ReadonlyMap<string, ArrayLike<number>>;
  readonly peak: number;
}

async function train(gpu: Gpu, accumulate: number, ...settings: readonly string[]): Promise<Trained> {
  const batch = [`train.accumulate=${accumulate}`, `train.batchSize=${IMAGES}`];
  // The host whose auxiliary head is there in evaluation, too.
  const own = ["model.host=ocr", "model.dropout=0", "optim.clipGradNorm=1"];
  const config = tinyConfig("", ...batch, ...own, ...settings);
  const trainer = new Trainer(gpu, { config, numClasses: CLASSES, ignoreIndex: 255, maxIters: 10 });
  trainer.model.eval();
  const iterations: Iteration[] = [];
  const pixels = config.data.crop[0] * config.data.crop[1];
  for (let step = 0; step < STEPS; step++) {
    await trainer.step(batchOf(step, pixels), EPOCH, (iteration) => iterations.push(iteration));
  }
  await trainer.drain();
  const state = await trainer.model.stateDict();
  const names = [...trainer.model.namedParameters().keys()];
  const parameters = new Map(names.map((name) => [name, numbers(state.get(name)!.data)]));
  const memory = await (trainer.model as Mcibi).memory!.memory.data();
  trainer.dispose();
  await checkDevice();
  return { iterations, memory, parameters, peak: gpu.memory.peak };
}

const numbers = (data: ArrayLike<number | bigint>): number[] => Array.from(data, Number);

const WEIGHTS = "losses.classWeights=0.5,1,2,0,3";

for (const settings of [
  ["memory.strategy=cosine_similarity", WEIGHTS, "losses.labelSmoothing=0.1"],
  ["memory.strategy=mean", WEIGHTS, "losses.normByClassWeights=false", "optim.type=adamw", "optim.eps=1e-3"],
]) {
  test(`the losses, parameters and memory of the whole batch: ${settings.join(" ")}`, async () => {
    const gpu = await testGpu();
    const whole = await train(gpu, 1, ...settings);
    const parts = await train(gpu, 4, ...settings);
    const rates = ({ iterations }: Trained) => iterations.map((of) => [of.iteration, of.lr, of.memoryMomentum]);
    assert.equal(rates(parts), rates(whole));
    for (const [step, { losses }] of whole.iterations.entries()) {
      const got = parts.iterations[step].losses;
      assert.equal([...got.keys()].sort(), [...losses.keys()].sort());
      const names = [...losses.keys()];
      assert.equal(names, ["loss_aux", "loss_cls_stage1", "loss_cls_stage2", "loss_memory", "total"]);
      const values = names.map((name) => got.get(name)!);
      assertClose(`losses ${step}`, values, [...losses.values()], [names.length], { rtol: 1e-4, atol: 1e-6 });
    }
    assertClose("memory", parts.memory, whole.memory, [whole.memory.length], { rtol: 1e-4, atol: 1e-5 });
    for (const [name, want] of whole.parameters) {
      const largest = Math.max(...Array.from(want, Math.abs));
      assertClose(name, parts.parameters.get(name)!, want, [want.length], { rtol: 1e-4, atol: 1e-5 * largest + 1e-7 });
    }
  });
}

test("a part's memory is enough; the order of the images is that of the batch", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk }); // its own, whose peak no other test has raised
  const { peak: inParts } = await train(gpu, 4, "data.crop=96,96");
  const { peak: atOnce } = await train(gpu, 1, "data.crop=96,96");
  assert.ok(inParts < 0.5 * atOnce, `${inParts} bytes at the peak instead of ${atOnce}`);
  assert.is(gpu.memory.live, 0);
  const [whole, parts] = ["1", "2"].map((n) => loaderOptions(tinyConfig("", `train.accumulate=${n}`)));
  assert.equal(parts, whole);
});

test("class weights and labels of another number of classes are refused", async () => {
  const gpu = await testGpu();
  const options = { numClasses: CLASSES, ignoreIndex: -100, maxIters: 1 };
  const build = (...settings: string[]) => new Trainer(gpu, { ...options, config: tinyConfig("", ...settings) });
  assert.throws(() => build("losses.classWeights=1,2"), /has 2 numbers, expected one for each of the 5 classes/);
  const trainer = build();
  await assertRejects(() => trainer.step(batchOf(0, 32 * 32), 1, () => {}), UserError, "a label is 255");
  trainer.dispose();
});

test("AdamW in parts, stopped and resumed: the same bytes", async () => {
  using temporary = new TemporaryFolder();
  const gpu = await testGpu();
  const root = temporary.join("data");
  saveTinyDataset(root);
  const batch = ["train.batchSize=4", "train.accumulate=2", "train.epochs=2"];
  const config = tinyConfig(root, "optim.type=adamw", "optim.lr=0.001", ...batch, "losses.labelSmoothing=0.1");
  const [once, resumed] = [new RunFolder(temporary.join("once")), new RunFolder(temporary.join("resumed"))];
  await runTiny(gpu, { config, folder: once });
  await runTiny(gpu, { config, folder: resumed, stopAfter: 3 });
  const resume = await readCheckpoint(resumed.last);
  assert.is(resume.optimizer.get("step.bottleneck.0.weight")!.data[0], 3, "steps of the optimiser, not of parts");
  await runTiny(gpu, { config, folder: resumed, resume });
  const [a, b] = [await readCheckpoint(once.last), await readCheckpoint(resumed.last)];
  assert.is(b.progress.iteration, 4);
  for (const part of ["state", "optimizer"] as const) assert.equal(a[part], b[part]);
  assert.is(a.masksDrawn, b.masksDrawn);
});

test.run();
