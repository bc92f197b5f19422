/** Time and memory against one number at a time: pixels, images, classes, channels, positions. */
import { Gpu } from "../src/runtime/gpu.ts";
import type { GpuOptions } from "../src/runtime/gpu.ts";
import type { Pair } from "../src/tensor/shape.ts";
import { Clock } from "./clock.ts";
import type { Timing } from "./clock.ts";
import { describeGrowth } from "./growth.ts";
import { attentionPasses, lossPasses, memoryUpdatePass } from "./heads.ts";
import type { FeatureMap } from "./network.ts";
import { matmulPasses } from "./products.ts";
import type { Measured } from "./measured.ts";
import type { SetName } from "./sets.ts";
import { timeStep } from "./step.ts";
import type { StepTask } from "./step.ts";
import { streamPasses } from "./streams.ts";
import { prepare } from "./workload.ts";
import type { Workload } from "./workload.ts";

export const SCALING = "scaling";

/** One value of what grows, and what to run there: a training step, or passes one after the other. */
interface Point {
  readonly size: number;
  readonly shape: Readonly<Record<string, number>>;
  readonly subject: StepTask | readonly Workload[];
}

/** One row of `scaling` in the JSON. */
export interface ScalingRow extends Measured {
  readonly pass: typeof SCALING;
  /** What grows from row to row of a series, and how much of it there is here. */
  readonly axis: string;
  readonly size: number;
  readonly medianMs: number;
  /** Of tensors; `fixedBytes` of them are there whatever the size: weights and the optimiser's state. */
  readonly peakBytes: number;
  readonly fixedBytes: number;
}

export interface Series {
  /** What grows. */
  readonly axis: string;
  /** Of what the costs are. */
  readonly op: string;
  readonly about: string;
  readonly points: readonly Point[];
}

/** Large enough that the dispatches are not all there is to time. */
const BASE: Readonly<Record<SetName, Pair>> = { small: [128, 128], full: [512, 512] };
const OUTPUT_STRIDE = 8;
const CLASSES = 19;
const CHANNELS = 64;
const ATTENTION_CHANNELS = 16;

/** The series of a set, each from its smallest point on. */
export function scalingSeries(set: SetName): readonly Series[] {
  const [height, width] = BASE[set];
  const step = (n: number, h: number, w: number, size: number): Point => ({
    size,
    shape: { n, h, w },
    subject: { name: SCALING, preset: "tiny", n, size: [h, w] },
  });
  // Single passes are short: on a larger image their time is more than dispatching.
  const labels = [2 * height, 4 * width] as const;
  const maps = { n: 1, h: labels[0] / OUTPUT_STRIDE, w: labels[1] / OUTPUT_STRIDE };
  return [
    {
      axis: "images",
      op: "step",
      about: "a training step of tiny; linear, but for the weights' own passes and the dispatches",
      points: [2, 4, 8].map((n) => step(n, height, width, n)),
    },
    {
      axis: "pixels",
      op: "step",
      about: "a training step of tiny; linear, but for the attention, whose scores grow with the square",
      points: ([[1, 1], [1, 2], [2, 2]] as const).map(([down, across]) => {
        const [h, w] = [down * height, across * width];
        return step(2, h, w, h * w);
      }),
    },
    {
      axis: "classes",
      op: "scores",
      about: "softmax, mixture of memory rows, loss and memory update; linear, but for what each pixel costs by itself",
      points: [19, 38, 76, 150].map((classes) => ({
        size: classes,
        shape: { ...maps, classes, channels: CHANNELS },
        subject: scorePasses({ ...maps, channels: CHANNELS }, classes, labels),
      })),
    },
    {
      axis: "channels",
      op: "memory",
      about: "mixture of memory rows and memory update; linear, but for what each pixel costs by itself",
      points: [1, 2, 4, 8].map((factor) => {
        const features = { ...maps, channels: factor * CHANNELS };
        return { size: features.channels, shape: features, subject: memoryPasses(features, CLASSES, labels) };
      }),
    },
    {
      axis: "positions",
      op: "attention",
      about: "every position attends to every other one: quadratic",
      points: [0.5, 1, 2].map((factor) => {
        const map = { ...maps, w: factor * maps.w, channels: ATTENTION_CHANNELS };
        return { size: map.h * map.w, shape: map, subject: attentionPasses(SCALING, map) };
      }),
    },
  ];
}

function memoryPasses(features: FeatureMap, classes: number, labels: Pair): Workload[] {
  const { n, h, w, channels } = features;
  const product = { batch: 1, m: n * h * w, n: channels, k: classes, transposeA: false, transposeB: false };
  return [
    ...matmulPasses(SCALING, product, ["forward", "backwardInput"]),
    memoryUpdatePass(SCALING, features, labels, classes),
  ];
}

function scorePasses(features: FeatureMap, classes: number, labels: Pair): Workload[] {
  const scores = { ...features, channels: classes };
  return [
    ...streamPasses(SCALING, "softmax", scores),
    ...lossPasses(SCALING, scores, labels),
    ...memoryPasses(features, classes, labels),
  ];
}

/** What the filter sees, and what names the series. */
export function seriesTitle({ axis, op }: Series): { name: string; op: string; pass: typeof SCALING } {
  return { name: axis, op, pass: SCALING };
}

/** Measures a series on a device. Each point has a runtime of its own, whose memory is that of this point. */
export async function measureSeries(
  options: Pick<GpuOptions, "device" | "kernels" | "variants">,
  { axis, op, points }: Series,
): Promise<ScalingRow[]> {
  const rows: ScalingRow[] = [];
  for (const { size, shape, subject } of points) {
    const gpu = new Gpu(options);
    const { fixedBytes, ...timing } = await ("preset" in subject ? timeStep(gpu, subject) : timePasses(gpu, subject));
    const named = { name: `${size} ${axis}`, op, pass: SCALING, shape } as const;
    rows.push({ ...named, axis, size, ...timing, peakBytes: gpu.memory.peak, fixedBytes });
    await gpu.trim();
  }
  return rows;
}

async function timePasses(gpu: Gpu, workloads: readonly Workload[]): Promise<Timing & { fixedBytes: number }> {
  using _arena = gpu.arena();
  const prepared = workloads.map((workload) => prepare(gpu, workload, workload.problem));
  const timing = await new Clock(gpu).measure(() => prepared.forEach(({ record }) => record()));
  return { ...timing, fixedBytes: 0 };
}

export function describeSeries({ axis, op, about }: Series, rows: readonly ScalingRow[]): string {
  const costs = rows.map(({ size, minMs, peakBytes, fixedBytes }) => {
    return { size, ms: minMs, bytes: peakBytes - fixedBytes };
  });
  return [`${SCALING} of ${op} with ${axis}: ${about}`, ...describeGrowth(axis, costs)].join("\n  ");
}
