/** The row of the comparison that is a whole training step: the same network, initial values and batch for both. */
import type { Gpu } from "../../src/runtime/gpu.ts";
import { operands } from "../workload.ts";
import type { PeerResult } from "./peer.ts";
import type { TensorFlowPeer } from "./tfjs.ts";
import { trainWithTensorFlow } from "./tfjs_step.ts";
import { OurTraining, STEP } from "./training_step.ts";
import type { Batch, Training } from "./training_step.ts";

export interface ComparedStep {
  readonly ms: number;
  readonly losses: readonly number[];
  readonly peers: { readonly tfjs: PeerResult };
}

/** First steps whose losses are compared: the second and third see the first update and the momentum. */
const COMPARED = 3;
/** Of a loss; in f32, by two orders of summation. */
const TOLERANCE = 1e-4;

/** Steps per sample, submitted one after the other as in training, and samples. */
const STEPS = 3;
const SAMPLES = 5;
/** As for single passes: a pending promise would take a core from an adapter that runs on the CPU. */
const SLEEP_SHARE = 0.7;

export async function compareSteps(gpu: Gpu, tfjs: TensorFlowPeer): Promise<ComparedStep> {
  using _arena = gpu.arena();
  const [image, label] = operands({
    inputs: [
      { shape: STEP.images },
      { shape: STEP.images.slice(0, 3), dtype: "i32", values: (_, random) => Math.floor(random() * STEP.numClasses) },
    ],
    options: null,
  });
  const batch = { image, label } as Batch;
  using ours = new OurTraining(gpu, batch);
  const theirs = await trainWithTensorFlow(tfjs, await ours.parameters(), batch);
  const losses = await firstLosses(ours);
  const problem = difference(await firstLosses(theirs), losses);
  tfjs.check();
  const sleeps = gpu.capabilities.isSoftware;
  if (problem !== null) {
    const [ms] = await timeInTurn([ours], sleeps);
    return { ms, losses, peers: { tfjs: { cannot: problem } } };
  }
  const [ms, tfjsMs] = await timeInTurn([ours, theirs], sleeps);
  return { ms, losses, peers: { tfjs: { ms: tfjsMs } } };
}

async function firstLosses(training: Training): Promise<number[]> {
  const losses: number[] = [];
  while (losses.length < COMPARED) {
    await training.step();
    losses.push(await training.loss());
  }
  return losses;
}

function difference(got: readonly number[], want: readonly number[]): string | null {
  const step = want.findIndex((loss, i) => !(Math.abs(got[i] - loss) <= TOLERANCE * Math.abs(loss)));
  return step < 0 ? null : `the loss of step ${step + 1} is ${got[step]}, ours ${want[step]}`;
}

/** Milliseconds per step, from the first call to completion, of everyone's fastest sample. */
async function timeInTurn(trainings: readonly Training[], sleeps: boolean): Promise<number[]> {
  const best = trainings.map(() => Infinity);
  for (let i = 0; i < SAMPLES; i++) {
    for (const [j, training] of trainings.entries()) {
      const patience = sleeps && best[j] < Infinity ? SLEEP_SHARE * best[j] : 0;
      best[j] = Math.min(best[j], await timeSample(training, patience));
    }
  }
  return best.map((ms) => ms / STEPS);
}

async function timeSample(training: Training, patience: number): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < STEPS; i++) await training.step();
  const sleep = began + patience - performance.now();
  if (sleep > 0) await new Promise((resolve) => setTimeout(resolve, sleep));
  await training.queue.onSubmittedWorkDone();
  return performance.now() - began;
}
