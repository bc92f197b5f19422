/** A network in training, with and without recomputation: the same bytes, less memory, no kernels that come late. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { tinyConfig } from "../support/tiny_run.ts";

const CLASSES = 5;
/** With the memory's loss, whose rows pass the second decoder a second time. */
const EPOCH = 2;
const STEPS = 3;
const SIZE = 64;

const images = Float32Array.from({ length: 2 * SIZE * SIZE * 3 }, (_, i) => Math.sin(1e4 * Math.sin(i)));
const labels = Int32Array.from({ length: 2 * SIZE * SIZE }, (_, i) => Math.floor(i / 37) % CLASSES);
const batch = { images, labels, ids: ["a", "b"], step: 0 };

interface Trained {
  /** State, momentum, gradients' effect and losses by name. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly masksDrawn: number;
  readonly pipelines: readonly number[];
}

async function train(gpu: Gpu, recompute: boolean, ...network: readonly string[]): Promise<Trained> {
  const training = [`train.recompute=${recompute}`, `data.crop=${SIZE},${SIZE}`, "optim.clipGradNorm=1"];
  const config = tinyConfig("", ...training, ...network);
  const trainer = new Trainer(gpu, { config, numClasses: CLASSES, ignoreIndex: 255, maxIters: 100 });
  const values = new Map<string, unknown>();
  const pipelines: number[] = [];
  for (let step = 1; step <= STEPS; step++) {
    await trainer.step(batch, EPOCH, ({ iteration, losses }) => values.set(`losses ${iteration}`, [...losses]));
    pipelines.push(gpu.pipelines);
  }
  await trainer.drain();
  for (const [name, { data }] of await trainer.model.stateDict()) values.set(name, data.slice());
  const masksDrawn = trainer.random.counter;
  trainer.dispose();
  await checkDevice();
  return { values, masksDrawn, pipelines };
}

test("the same losses, parameters, statistics, counts, memory and masks; a lower peak; no late pipelines", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk }); // its own, whose peak no other test has raised
  const recomputed = await train(gpu, true);
  const { peak } = gpu.memory;
  const kept = await train(gpu, false);
  assertAlike(recomputed, kept);
  assert.is(kept.masksDrawn, STEPS * 4, "two decoders, the auxiliary one, and the second decoder for the memory");
  assert.ok(peak < 0.9 * gpu.memory.peak, `${peak} bytes at the peak instead of ${gpu.memory.peak}`);
  for (const { pipelines } of [recomputed, kept]) assert.is(pipelines[STEPS - 1], pipelines[1]);
  assert.is(gpu.memory.live, 0);
});

const TOOLBOX = ["model.segmentor=ocrnet", "memory.enabled=false"];

for (const network of [["model.host=ocr"], ["model.host=upernet"], TOOLBOX]) {
  test(`${network[0]}: the same with and without recomputation`, async () => {
    const gpu = await testGpu();
    assertAlike(await train(gpu, true, ...network), await train(gpu, false, ...network));
  });
}

function assertAlike(recomputed: Trained, kept: Trained): void {
  assert.equal([...recomputed.values.keys()], [...kept.values.keys()]);
  const unlike = [...kept.values].filter(([name, value]) => !equalValues(value, recomputed.values.get(name)));
  assert.equal(unlike.map(([name]) => name), []);
  assert.is(recomputed.masksDrawn, kept.masksDrawn);
}

function equalValues(a: unknown, b: unknown): boolean {
  return String(a) === String(b) && Object.getPrototypeOf(a) === Object.getPrototypeOf(b);
}

test.run();
