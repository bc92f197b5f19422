/** A whole training step on synthetic images: what it takes, and what it asks of the device. */
import type { Config } from "../src/config/config.ts";
import { preset } from "../src/config/presets.ts";
import type { Batch } from "../src/data/loader.ts";
import type { Gpu } from "../src/runtime/gpu.ts";
import { Profile } from "../src/runtime/profile.ts";
import type { Pair } from "../src/tensor/shape.ts";
import { Trainer } from "../src/train/trainer.ts";
import { summarize } from "./clock.ts";
import type { Timing } from "./clock.ts";
import { convolutions } from "./network.ts";
import { convolutionPasses } from "./products.ts";
import { Traffic } from "./traffic.ts";

export interface StepTask {
  readonly name: string;
  readonly preset: string;
  readonly n: number;
  readonly size: Pair;
  /** As train.recompute; default false. */
  readonly recompute?: boolean;
}

export const STEP = { op: "train", pass: "step" } as const;

/** One row of `steps` in the JSON. */
export interface StepRow {
  readonly name: string;
  readonly op: typeof STEP.op;
  readonly pass: typeof STEP.pass;
  readonly shape: { readonly n: number; readonly h: number; readonly w: number; readonly numClasses: number };
  /** A step among others, as in a training run: the next one is recorded meanwhile. */
  readonly medianMs: number;
  readonly minMs: number;
  readonly samplesMs: readonly number[];
  /** Of the convolutions, with both gradients of each. */
  readonly gflops: number;
  readonly imagesPerSecond: number;
  /** From the call until the submit: recording, encoding, handing over the images. */
  readonly recordMs: number;
  /** Per step. */
  readonly dispatches: number;
  readonly submits: number;
  readonly readbacks: number;
  readonly bytesUploaded: number;
  readonly bytesAllocated: number;
  readonly peakBytes: number;
  readonly reservedBytes: number;
  readonly pipelines: number;
  /** Compiled after the second step: there should be none. */
  readonly latePipelines: number;
  /** From the start of a process that finds no compiled kernel until its first step was done. */
  readonly coldStartSeconds: number;
  /** Null where the adapter has no timestamps. */
  readonly profile: StepProfile | null;
}

export interface StepProfile {
  readonly wallMs: number;
  /** Sum over the dispatches. */
  readonly gpuMs: number;
  /** Wall time beyond that sum. */
  readonly idleMs: number;
  /** Most expensive first. */
  readonly kernels: readonly KernelShare[];
}

export interface KernelShare {
  readonly kernel: string;
  readonly calls: number;
  readonly ms: number;
  readonly percent: number;
}

const CLASSES = 19;
const IGNORED = 255;
/** From here on every term of the loss is there. */
const EPOCH = 2;
/** The first step compiles, the second one is the first with a momentum; the others teach the trainer how long to sleep. */
const COMPILING = 2;
const WARM_UP = 5;
/** Steps are timed in blocks, at whose ends nothing is under way. */
const BLOCKS = 3;
const BLOCK_MS = 1500;
const SHORT_BLOCK_MS = 700;
const LEAST_IN_BLOCK = 2;
const PROFILED_STEPS = 2;

/** In a process of its own, whose first deed this is. */
export async function measureStep(gpu: Gpu, task: StepTask): Promise<StepRow> {
  const config = stepConfig(task);
  const trainer = newTrainer(gpu, config);
  try {
    return await measure(gpu, trainer, config, task);
  } finally {
    trainer.dispose();
  }
}

/** Only time and memory, and in a process that may have done other things before. */
export async function timeStep(gpu: Gpu, task: StepTask): Promise<Timing & { fixedBytes: number }> {
  const trainer = newTrainer(gpu, stepConfig(task));
  try {
    const batch = syntheticBatch(task.n, task.size);
    const block = (steps: number): Promise<Block> => runBlock(gpu, trainer, batch, steps);
    await block(COMPILING);
    const { msPerStep } = await block(LEAST_IN_BLOCK);
    const steps = Math.max(LEAST_IN_BLOCK, Math.round(SHORT_BLOCK_MS / msPerStep));
    const times: number[] = [];
    while (times.length < BLOCKS) times.push((await block(steps)).msPerStep);
    return { ...summarize(times), fixedBytes: gpu.memory.live };
  } finally {
    trainer.dispose();
  }
}

function newTrainer(gpu: Gpu, config: Config): Trainer {
  return new Trainer(gpu, { config, numClasses: CLASSES, ignoreIndex: IGNORED, maxIters: 1e6 });
}

export function stepConfig({ preset: name, n, size, recompute = false }: StepTask): Config {
  const config = preset(name);
  config.data.crop = [...size];
  config.train.batchSize = n;
  config.train.recompute = recompute;
  return config;
}

async function measure(gpu: Gpu, trainer: Trainer, config: Config, { name, n, size }: StepTask): Promise<StepRow> {
  const batch = syntheticBatch(n, size);
  const block = (steps: number): Promise<Block> => runBlock(gpu, trainer, batch, steps);

  await block(1);
  const coldStartSeconds = performance.now() / 1000;
  await block(COMPILING - 1);
  const { pipelines } = gpu;
  const { msPerStep } = await block(WARM_UP - COMPILING);

  const steps = Math.max(LEAST_IN_BLOCK, Math.round(BLOCK_MS / msPerStep));
  const before = { ...gpu.counters };
  const traffic = new Traffic(gpu.device);
  const blocks: Block[] = [];
  while (blocks.length < BLOCKS) blocks.push(await block(steps));
  traffic.stop();
  const after = { ...gpu.counters };
  const perStep = (count: number): number => count / (BLOCKS * steps);

  const { medianMs, minMs, samplesMs } = summarize(blocks.map((b) => b.msPerStep));
  const { peak: peakBytes, reserved: reservedBytes } = gpu.memory;
  return {
    ...{ name, ...STEP, shape: { n, h: size[0], w: size[1], numClasses: CLASSES } },
    ...{ medianMs, minMs, samplesMs },
    gflops: flops(config, n, size) / minMs / 1e6,
    imagesPerSecond: (1000 * n) / medianMs,
    recordMs: summarize(blocks.flatMap((b) => b.recordMs)).medianMs,
    dispatches: perStep(after.dispatches - before.dispatches),
    submits: perStep(after.submits - before.submits),
    readbacks: perStep(after.readbacks - before.readbacks),
    bytesUploaded: perStep(traffic.uploaded),
    bytesAllocated: perStep(traffic.allocated),
    ...{ peakBytes, reservedBytes, coldStartSeconds, pipelines, latePipelines: gpu.pipelines - pipelines },
    profile: gpu.capabilities.hasTimestamps ? await profileSteps(gpu, block) : null,
  };
}

interface Block {
  readonly msPerStep: number;
  /** From the call of a step until its submit. */
  readonly recordMs: readonly number[];
}

async function runBlock(gpu: Gpu, trainer: Trainer, batch: Batch, steps: number): Promise<Block> {
  const traffic = new Traffic(gpu.device);
  const recordMs: number[] = [];
  const begun = performance.now();
  for (let i = 0; i < steps; i++) {
    const called = performance.now();
    await trainer.step(batch, EPOCH, () => {});
    recordMs.push(traffic.submitted - called);
  }
  await trainer.drain();
  traffic.stop();
  return { msPerStep: (performance.now() - begun) / steps, recordMs };
}

/** Timestamps around every dispatch slow a step down: what it takes with them belongs to their sum. */
async function profileSteps(gpu: Gpu, block: (steps: number) => Promise<Block>): Promise<StepProfile> {
  const profile = new Profile(gpu.device);
  gpu.profile = profile;
  const { msPerStep: wallMs } = await block(PROFILED_STEPS);
  gpu.profile = null;
  const rows = await profile.rows();
  const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const gpuMs = total / PROFILED_STEPS;
  const kernels = rows.map(({ kernel, calls, milliseconds }) => ({
    kernel,
    calls: calls / PROFILED_STEPS,
    ms: milliseconds / PROFILED_STEPS,
    percent: (100 * milliseconds) / total,
  }));
  return { wallMs, gpuMs, idleMs: wallMs - gpuMs, kernels };
}

/** The image has no gradient. */
function flops(config: Config, n: number, size: Pair): number {
  const layers = convolutions(config, { n, size, numClasses: CLASSES });
  const passes = layers.flatMap(({ name, shape }) => convolutionPasses(name, shape));
  const counted = passes.filter(({ pass }, i) => i >= 3 || pass !== "backwardInput");
  return counted.reduce((sum, pass) => sum + pass.flops, 0);
}

/** Side of the squares in which synthetic labels are of one class. */
const CELL = 16;

/** Noise for images; for labels squares of the classes in turn, the one after the last being void. */
export function syntheticBatch(n: number, [height, width]: Pair, classes = CLASSES): Batch {
  const images = Float32Array.from({ length: n * height * width * 3 }, (_, i) => Math.sin(1e4 * Math.sin(i)));
  const labels = Int32Array.from({ length: n * height * width }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const cell = (7 * Math.floor(x / CELL) + 3 * Math.floor(y / CELL)) % (classes + 1);
    return cell === classes ? IGNORED : cell;
  });
  return { images, labels, ids: Array.from({ length: n }, (_, i) => String(i)), step: 0 };
}
