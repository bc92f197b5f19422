/** Whether images are decoded, augmented and batched faster than the device trains on them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { preset } from "../src/config/presets.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { createLoader } from "../src/data/loader.ts";
import type { LoaderOptions } from "../src/data/loader.ts";
import { openDataset } from "../src/data/open.ts";
import { ensureStreets } from "../src/data/streets/index.ts";
import type { Pair } from "../src/tensor/shape.ts";
import { loaderOptions } from "../src/train/loader_options.ts";
import { summarize } from "./clock.ts";
import type { Timing } from "./clock.ts";
import { short } from "./report.ts";
import type { Measured } from "./measured.ts";
import type { SetName } from "./sets.ts";
import type { StepRow } from "./step.ts";

export const LOADER = "loader";

export interface LoaderTask {
  /** That of the training step to compare with. */
  readonly name: string;
  readonly preset: string;
  /** Images per batch, the step's number. */
  readonly n: number;
  /** Of the street scenes, PNG files, and how many there are. */
  readonly image: Pair;
  readonly images: number;
}

/** `decode`: every image from its file, each time. `cached`: from memory, as in the later epochs of the preset. */
export const LOADER_PASSES = ["decode", "cached"] as const;
type LoaderPass = (typeof LOADER_PASSES)[number];

/** One row of `loader` in the JSON. Times are per image. */
export interface LoaderRow extends Measured {
  readonly op: typeof LOADER;
  readonly pass: LoaderPass;
  readonly medianMs: number;
  readonly imagesPerSecond: number;
  /** Of the training step of that name; null where this run has not measured it. */
  readonly stepImagesPerSecond: number | null;
}

const TASKS: Readonly<Record<SetName, readonly LoaderTask[]>> = {
  small: [{ name: "tiny", preset: "tiny", n: 2, image: [128, 256], images: 16 }],
  full: [{ name: "r50", preset: "mcibi_deeplabv3_resnet50os8_cityscapes", n: 2, image: [1024, 2048], images: 4 }],
};

export function loaderTasks(set: SetName): readonly LoaderTask[] {
  return TASKS[set];
}

/** Epochs before the first one that counts: threads start, code is compiled, the cache is filled. */
const WARM_UP = 2;
const LEAST_EPOCHS = 5;
const LEAST_MS = 500;

/** Measures the loader of a preset on generated street scenes, in a temporary folder. */
export async function measureLoader(task: LoaderTask, steps: readonly StepRow[]): Promise<LoaderRow[]> {
  const root = await mkdtemp(join(tmpdir(), "mcibi-bench-"));
  try {
    await ensureStreets({ root, size: task.image, train: task.images, val: 1 });
    const dataset = await openDataset("streets", { root, split: "train" });
    const own = { ...loaderOptions(preset(task.preset)), batchSize: task.n };
    const passes = LOADER_PASSES.filter((pass) => pass === "decode" || own.cacheMiB > 0);
    const rows: LoaderRow[] = [];
    for (const pass of passes) {
      const timing = await timeEpochs(dataset, pass === "cached" ? own : { ...own, cacheMiB: 0 });
      rows.push(toLoaderRow(task, pass, own, timing, steps));
    }
    return rows;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

function toLoaderRow(
  { name, n, image }: LoaderTask,
  pass: LoaderPass,
  { crop: [h, w], workers, photometric }: LoaderOptions,
  timing: Timing,
  steps: readonly StepRow[],
): LoaderRow {
  const step = steps.find(({ name: other, shape }) => other === name && shape.h === h && shape.w === w);
  return {
    ...{ name, op: LOADER, pass, shape: { n, h, w, image, workers, photometric }, ...timing },
    imagesPerSecond: 1000 / timing.medianMs,
    stepImagesPerSecond: step?.imagesPerSecond ?? null,
  };
}

/** Milliseconds per image, one sample per epoch; nothing else is done meanwhile. */
async function timeEpochs(dataset: Dataset, options: LoaderOptions): Promise<Timing> {
  const loader = createLoader(dataset, options);
  const samples: number[] = [];
  let total = 0;
  try {
    for (let epoch = 1; samples.length < LEAST_EPOCHS || total < LEAST_MS; epoch++) {
      const begun = performance.now();
      for await (const _batch of loader.batches(epoch));
      const ms = performance.now() - begun;
      if (epoch <= WARM_UP) continue;
      samples.push(ms / (loader.stepsPerEpoch * options.batchSize));
      total += ms;
    }
  } finally {
    await loader.close();
  }
  return summarize(samples);
}

export function describeLoader({ name, pass, shape, imagesPerSecond, stepImagesPerSecond }: LoaderRow): string {
  const { image, workers } = shape as { image: Pair; workers: number };
  const threads = `${workers} ${workers === 1 ? "thread" : "threads"}`;
  const from = pass === "decode" ? `from ${image.join("x")} PNG files` : "from the cache of decoded images";
  const rate = `${short(imagesPerSecond)} images/s with ${threads} and nothing else to do`;
  if (stepImagesPerSecond === null) return `loader of ${name}, ${from}: ${rate}`;
  const times = imagesPerSecond / stepImagesPerSecond;
  const verdict = times < 1 ? ": the device waits for it" : "";
  const step = `the training step takes ${short(stepImagesPerSecond)}, a factor of ${short(times)}${verdict}`;
  return `loader of ${name}, ${from}: ${rate}; ${step}`;
}
