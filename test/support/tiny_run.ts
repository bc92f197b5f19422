/** Training on a handful of small images with a very small network, in this process. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { Config } from "../../src/config/config.ts";
import { preset } from "../../src/config/presets.ts";
import { setFieldFromOption } from "../../src/config/set.ts";
import { openDataset } from "../../src/data/open.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import type { StartingWeights } from "../../src/train/run.ts";
import type { Confusion } from "../../src/train/metrics.ts";
import { ProgressLine } from "../../src/train/progress.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runTraining } from "../../src/train/run.ts";
import { saveScene } from "./datasets.ts";

/** Batches of the smallest useful network on 10 images: 5 iterations per epoch. */
export const TINY_SETTINGS = [
  "model.dropout=0.1",
  "model.backbone.baseChannels=4",
  "model.backbone.stemChannels=4",
  "model.dilations=1,2",
  "model.featsChannels=8",
  "model.transformChannels=4",
  "model.auxChannels=4",
  "data.size=32,48",
  "data.crop=32,32",
  "train.batchSize=2",
  "train.epochs=3",
  "train.evalEvery=2",
  "train.logEvery=2",
  "train.saveEvery=4",
  "train.panels=1",
] as const;

export const STEPS_PER_EPOCH = 5;
export const ITERATIONS = 3 * STEPS_PER_EPOCH;

/** A folder that is removed when its block ends. */
export class TemporaryFolder {
  readonly path = mkdtempSync(join(tmpdir(), "mcibi-"));

  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** 10 training and 2 evaluation images in the Cityscapes layout. */
export function saveTinyDataset(root: string): void {
  for (let i = 0; i < 10; i++) saveScene(root, "train", "aa", `aa_00000${i}_000019`, i, 48, 32);
  for (let i = 0; i < 2; i++) saveScene(root, "val", "bb", `bb_00000${i}_000019`, 100 + i, 48, 32);
}

export function tinyConfig(root: string, ...settings: readonly string[]): Config {
  const config = preset("tiny");
  for (const setting of [...TINY_SETTINGS, "data.dataset=cityscapes", `data.root=${root}`, ...settings]) {
    setFieldFromOption(config, setting);
  }
  return config;
}

export interface TinyRun {
  readonly config: Config;
  readonly folder: RunFolder;
  readonly resume?: Checkpoint;
  readonly start?: StartingWeights;
  /** Stops as a signal would, during this iteration: 1, or a later one than the session's first. */
  readonly stopAfter?: number;
  /** Called after each iteration, among others. */
  readonly onCheck?: () => void;
}

/** The final scores, or null when stopped; and what was printed. */
export async function runTiny(gpu: Gpu, run: TinyRun): Promise<{ confusion: Confusion | null; printed: string }> {
  const { config, folder, resume = null, start = null, stopAfter = Infinity, onCheck } = run;
  const { dataset, root, trainSplit, evalSplit } = config.data;
  const open = (split: string) => openDataset(dataset, { root, split });
  const [trainSet, evalSet] = await Promise.all([open(trainSplit), open(evalSplit)]);
  let printed = "";
  const stop = new AbortController();
  if (stopAfter === 1) stop.abort();
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      printed += chunk.toString();
      // An iteration is reported while the next one is under way.
      if (printed.includes(`step ${stopAfter - 1}/`)) stop.abort();
      done();
    },
  });
  const confusion = await runTraining({
    ...{ gpu, trainSet, evalSet, folder, resume, start, signal: stop.signal },
    description: { config, adapter: "test", variants: {} },
    output: new ProgressLine(Object.assign(stream, { isTTY: true, columns: 200 }) as unknown as NodeJS.WriteStream),
    check: () => onCheck?.(),
  });
  return { confusion, printed };
}
