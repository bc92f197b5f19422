/** A training run from its first iteration, or the one it was stopped at, to its final scores. */
import type { Config } from "../config/config.ts";
import type { Dataset } from "../data/dataset.ts";
import { createLoader } from "../data/loader.ts";
import type { Loader, LoaderOptions } from "../data/loader.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";
import { UserError } from "../errors.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { loadBackbone, loadWeights, requireClasses, restoreTrainer } from "./checkpoint.ts";
import { serializeCheckpoint, subjectOf } from "./checkpoint.ts";
import { writeCheckpoint } from "./checkpoint.node.ts";
import type { Checkpoint, Progress, Weights } from "./checkpoint.ts";
import { evaluate } from "./evaluate.ts";
import { Meter } from "./meter.ts";
import { scores } from "./metrics.ts";
import type { Confusion } from "./metrics.ts";
import { panelPng } from "./panels.ts";
import { duration, showCompilation } from "./progress.ts";
import type { ProgressLine } from "./progress.ts";
import { iterationLine, scoreJson, scoreLine } from "./report.ts";
import type { MetricsLine, RunDescription, RunFolder } from "./run_folder.ts";
import { Trainer } from "./trainer.ts";
import type { Iteration } from "./trainer.ts";

export interface RunOptions {
  readonly gpu: Gpu;
  readonly description: RunDescription;
  readonly trainSet: Dataset;
  readonly evalSet: Dataset;
  readonly folder: RunFolder;
  /** Continues from here. */
  readonly resume: Checkpoint | null;
  /** Starts with these weights instead of random ones. */
  readonly start: StartingWeights | null;
  readonly output: ProgressLine;
  /** Finishes the present iteration, saves and returns. */
  readonly signal: AbortSignal;
  /** Throws what the device has reported since the last call. */
  readonly check: () => void;
}

export interface StartingWeights {
  readonly weights: Weights;
  /** All of the network, all but what depends on the classes, or the backbone alone. */
  readonly part: "network" | "without classifiers" | "backbone";
  /** As in LoadOptions. */
  readonly mostListed?: number;
}

/** Batches prepared beyond the one in use. */
const AHEAD = 2;

/**
 * Trains, evaluates and fills the run folder, which is created once the first iteration has shown that data and network
 * work.
 *
 * @returns the final evaluation, or null when the signal stopped the run; then `folder.last` is where to go on
 * @throws UserError for files that cannot be read, checkpoints that do not fit, a loss that is not finite
 */
export async function runTraining(options: RunOptions): Promise<Confusion | null> {
  const loader = createLoader(options.trainSet, loaderOptions(options.description.config));
  try {
    const run = new Run(options, loader);
    try {
      return await run.run();
    } catch (error) {
      await run.discardUnlessSaved();
      throw error;
    } finally {
      run.dispose();
    }
  } finally {
    await loader.close();
  }
}

/** How a run of this configuration loads its training images. */
export function loaderOptions({ data, train }: Config): LoaderOptions {
  const { size, keepRatio, crop, scaleRange, oneCategoryMaxRatio, flip, rotate, photometric, workers, cacheMiB } = data;
  const resizing = { baseSize: size, keepRatio, scaleRange };
  const augmentation = { ...resizing, crop, oneCategoryMaxRatio, flip, rotate, photometric };
  const statistics = { mean: IMAGENET_MEAN, std: IMAGENET_STD };
  const order = { batchSize: train.batchSize, seed: train.seed, shuffle: true, dropLast: true };
  return { ...augmentation, ...statistics, ...order, workers, cacheMiB, ahead: AHEAD };
}

class Run {
  readonly #options: RunOptions;
  readonly #config: Config;
  readonly #loader: Loader;
  readonly #trainer: Trainer;
  readonly #meter: Meter;
  readonly #started = performance.now();
  #isFolderOpen = false;
  #evaluatedEpoch = 0;
  #best: Progress["best"] = null;
  #evaluationSeconds = 0;
  /** The last iteration that was reported; it may lie behind the trainer's. */
  #latest: Iteration | null = null;
  /** The iteration of the last checkpoint. */
  #saved = 0;
  /** Lines for metrics.jsonl that are not written yet. */
  #lines: MetricsLine[] = [];

  constructor(options: RunOptions, loader: Loader) {
    const { gpu, description, trainSet, resume, start } = options;
    const { config } = description;
    const { numClasses, ignoreIndex } = trainSet.spec;
    this.#options = options;
    this.#config = config;
    this.#loader = loader;
    showCompilation(gpu, options.output);
    this.#meter = new Meter(config.train.batchSize);
    this.#trainer = new Trainer(gpu, { config, numClasses, ignoreIndex, maxIters: this.#maxIters });
    if (start) this.#begin(start);
    if (resume) this.#restore(resume);
  }

  async run(): Promise<Confusion | null> {
    const { epochs } = this.#config.train;
    const { stepsPerEpoch } = this.#loader;
    let confusion: Confusion | null = null;
    for (let epoch = Math.max(this.#epochAfter(this.#trainer.iteration) - 1, 1); epoch <= epochs; epoch++) {
      if (this.#trainer.iteration < epoch * stepsPerEpoch && !(await this.#trainEpoch(epoch))) return this.#stop();
      if (!this.#isEvaluationDue(epoch)) continue;
      confusion = await this.#evaluate(epoch);
      if (!confusion) return this.#stop();
      await this.#keepScores(epoch, confusion);
    }
    // Without one, the run was stopped between its last evaluation and its result.
    confusion ??= await this.#evaluate(epochs);
    if (!confusion) return this.#stop();
    await this.#options.folder.writeJson("result.json", this.#result(confusion));
    return confusion;
  }

  /** Leaves no folder behind that a run could not be continued from. */
  async discardUnlessSaved(): Promise<void> {
    if (this.#isFolderOpen && this.#saved === 0) await this.#options.folder.discard();
  }

  /** Releases the network and the optimiser's state. */
  dispose(): void {
    this.#options.gpu.onCompile = null;
    this.#trainer.dispose();
  }

  get #maxIters(): number {
    return this.#config.train.epochs * this.#loader.stepsPerEpoch;
  }

  /** The epoch, counting from 1, that the iteration after so many belongs to. */
  #epochAfter(iterations: number): number {
    return Math.floor(iterations / this.#loader.stepsPerEpoch) + 1;
  }

  /** Trains to the end of the epoch and saves; false when stopped before. */
  async #trainEpoch(epoch: number): Promise<boolean> {
    const { signal, check, output } = this.#options;
    const { saveEvery } = this.#config.train;
    const { stepsPerEpoch } = this.#loader;
    if (!this.#latest) output.show("compiling kernels");
    this.#meter.pause();
    const startStep = this.#trainer.iteration - (epoch - 1) * stepsPerEpoch;
    for await (const batch of this.#loader.batches(epoch, startStep)) {
      await this.#trainer.step(batch, epoch, (iteration) => this.#report(epoch, iteration));
      check();
      await this.#writeLines();
      if (signal.aborted) return false;
      const { iteration } = this.#trainer;
      const isLast = iteration % stepsPerEpoch === 0;
      if (saveEvery > 0 && iteration % saveEvery === 0 && !isLast) await this.#save();
    }
    await this.#save();
    return true;
  }

  /** Takes in what an iteration was like, once that is known. */
  #report(epoch: number, iteration: Iteration): void {
    const { output, gpu, folder } = this.#options;
    const total = iteration.losses.get("total")!;
    if (!Number.isFinite(total)) {
      const saved = this.#saved > 0 ? ` ${folder.last} is from iteration ${this.#saved}, before that.` : "";
      throw new UserError(
        `the loss is ${total} at iteration ${iteration.iteration} (epoch ${epoch}): training diverged.${saved} ` +
          "Try a lower optim.lr, or optim.clipGradNorm.",
      );
    }
    if (!this.#latest) output.log(`first iteration done after ${duration(this.#seconds)}`);
    this.#meter.add(iteration);
    const { epochs, batchSize, logEvery } = this.#config.train;
    const { secondsPerIteration } = this.#meter;
    const left = (this.#maxIters - iteration.iteration) * (secondsPerIteration ?? NaN);
    output.show(
      iterationLine(iteration, {
        ...{ epoch, epochs, iterations: this.#maxIters, bytes: gpu.memory.reserved },
        imagesPerSecond: batchSize / (secondsPerIteration ?? NaN),
        secondsLeft: left + this.#evaluationsAfter(epoch) * this.#evaluationSeconds,
      }),
    );
    if (iteration.iteration % logEvery === 0) this.#logAverages(iteration);
    this.#latest = iteration;
  }

  /** Prepares a line of the averages since the last one. */
  #logAverages({ iteration, lr, memoryMomentum }: Iteration): void {
    const averages = this.#meter.take();
    if (!averages) return;
    const epoch = Math.ceil(iteration / this.#loader.stepsPerEpoch);
    this.#lines.push({ kind: "train", iteration, epoch, lr, memoryMomentum, ...averages, seconds: this.#seconds });
  }

  /** Appends the prepared lines to metrics.jsonl. */
  async #writeLines(): Promise<void> {
    const { folder, description, resume } = this.#options;
    if (!this.#isFolderOpen) {
      if (resume) await folder.rewindMetrics((line) => isBefore(line, resume.progress));
      else await folder.create(description);
    }
    this.#isFolderOpen = true;
    for (const line of this.#lines.splice(0)) await folder.appendMetrics(line);
  }

  async #evaluate(epoch: number): Promise<Confusion | null> {
    const { gpu, evalSet: dataset, folder, output, signal, check } = this.#options;
    const begun = performance.now();
    const confusion = await evaluate(gpu, {
      ...{ model: this.#trainer.model, dataset, config: this.#config, signal, panels: this.#config.train.panels },
      onPanel: (prediction) => folder.writePanel(prediction.item.id, panelPng(prediction, dataset.spec)),
      onProgress: (done, total) => output.show(`epoch ${epoch} | evaluating ${dataset.split}: ${done} of ${total}`),
    });
    check();
    this.#evaluationSeconds = (performance.now() - begun) / 1000;
    return confusion;
  }

  /** Records an evaluation: in metrics.jsonl, in the checkpoint and, where it is the best so far, in a copy of that. */
  async #keepScores(epoch: number, confusion: Confusion): Promise<void> {
    const { evalSet, output, folder } = this.#options;
    const result = scores(confusion);
    const { meanIou, pixelAccuracy, meanAccuracy } = result;
    output.log(`epoch ${epoch} | ${evalSet.split}: ${scoreLine(result)} (${duration(this.#evaluationSeconds)})`);
    const line = { kind: "eval", iteration: this.#trainer.iteration, epoch, split: evalSet.split } as const;
    this.#lines.push({ ...line, meanIou, pixelAccuracy, meanAccuracy, seconds: this.#seconds });
    const isBest = this.#best === null || meanIou > this.#best.meanIou;
    if (isBest) this.#best = { epoch, meanIou };
    this.#evaluatedEpoch = epoch;
    await this.#save(isBest ? [folder.best] : []);
  }

  /** Writes the checkpoint, and everything in the run folder that goes with it. */
  async #save(copies: readonly string[] = []): Promise<void> {
    const { folder, trainSet, check } = this.#options;
    await this.#trainer.drain();
    if (this.#latest) this.#logAverages(this.#latest);
    await this.#writeLines();
    const bytes = await serializeCheckpoint(this.#trainer, {
      config: this.#config,
      subject: subjectOf(trainSet.spec),
      progress: {
        iteration: this.#trainer.iteration,
        stepsPerEpoch: this.#loader.stepsPerEpoch,
        evaluatedEpoch: this.#evaluatedEpoch,
        best: this.#best,
      },
    });
    check();
    await writeCheckpoint(bytes, [...copies, folder.last]);
    this.#saved = this.#trainer.iteration;
  }

  async #stop(): Promise<null> {
    await this.#save();
    const { folder, output } = this.#options;
    output.log(
      `stopped after iteration ${this.#saved} of ${this.#maxIters}; saved ${folder.last}\n` +
        `continue with: npm run train -- --resume ${folder.path}`,
    );
    return null;
  }

  #begin({ weights, part, mostListed }: StartingWeights): void {
    const { trainSet, output } = this.#options;
    const { model } = this.#trainer;
    if (part === "backbone") {
      const count = loadBackbone(model, weights, { mostListed });
      output.log(`backbone from ${weights.path}: ${count} tensors`);
      return;
    }
    const isWhole = part === "network";
    if (isWhole) requireClasses(weights, trainSet.spec, "; --reinit-classifiers starts those anew");
    loadWeights(model, weights, { mostListed, reinitialize: isWhole ? [] : model.classifiers });
  }

  #restore(checkpoint: Checkpoint): void {
    const { stepsPerEpoch, evaluatedEpoch, best } = checkpoint.progress;
    if (stepsPerEpoch !== this.#loader.stepsPerEpoch) {
      const { spec, split } = this.#options.trainSet;
      throw new UserError(
        `checkpoint ${checkpoint.path} is from a run with ${stepsPerEpoch} iterations per epoch, ` +
          `but ${spec.name} ${split} now makes ${this.#loader.stepsPerEpoch}: its images have changed`,
      );
    }
    restoreTrainer(this.#trainer, checkpoint);
    this.#evaluatedEpoch = evaluatedEpoch;
    this.#best = best;
    this.#saved = checkpoint.progress.iteration;
  }

  #result(confusion: Confusion): Record<string, unknown> {
    const { evalSet, gpu, description } = this.#options;
    const { spec, split, items } = evalSet;
    return {
      ...{ dataset: spec.name, split, images: items.length, adapter: description.adapter },
      ...{ epochs: this.#config.train.epochs, iterations: this.#maxIters, seed: this.#config.train.seed },
      secondsOfThisSession: this.#seconds,
      peakMemoryBytes: gpu.memory.peak,
      best: this.#best,
      scores: scoreJson(spec.classNames, scores(confusion)),
    };
  }

  #isEvaluationDue(epoch: number): boolean {
    const { epochs, evalEvery } = this.#config.train;
    return epoch > this.#evaluatedEpoch && (epoch === epochs || epoch % evalEvery === 0);
  }

  /** Evaluations that the rest of the run still has. */
  #evaluationsAfter(epoch: number): number {
    const { epochs, evalEvery } = this.#config.train;
    return Math.ceil(epochs / evalEvery) - Math.floor((epoch - 1) / evalEvery);
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }
}

/** Whether a line of metrics.jsonl belongs to the part of the run that led to the checkpoint. */
function isBefore({ kind, iteration, epoch }: MetricsLine, progress: Progress): boolean {
  return iteration <= progress.iteration && (kind === "train" || epoch <= progress.evaluatedEpoch);
}
