/** A training run from its first iteration, or the one it was stopped at, to its final scores. */
import type { Config } from "../config/config.ts";
import type { Dataset } from "../data/dataset.ts";
import { createLoader } from "../data/loader.ts";
import type { Loader } from "../data/loader.ts";
import { UserError } from "../errors.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { loadBackbone, loadWeights, requireClasses, restoreTrainer } from "./checkpoint.ts";
import { serializeCheckpoint, subjectOf } from "./checkpoint.ts";
import { writeCheckpoint } from "./checkpoint.node.ts";
import type { Checkpoint, Progress, Weights } from "./checkpoint.ts";
import { evaluate } from "./evaluate.ts";
import { loaderOptions } from "./loader_options.ts";
import { initializeMemory } from "./memory_init.ts";
import { Meter } from "./meter.ts";
import { scores } from "./metrics.ts";
import type { Confusion } from "./metrics.ts";
import { duration, showCompilation } from "./progress.ts";
import type { ProgressLine } from "./progress.ts";
import { iterationLine, iterationState, scoreJson, scoreLine } from "./report.ts";
import type { RunStatus } from "./report.ts";
import type { RunDescription, RunFolder } from "./run_folder.ts";
import { RunRecords } from "./run_records.ts";
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
  /** Told after each iteration how long the rest of the run will take; NaN as long as nothing is known. */
  readonly onSecondsLeft?: (seconds: number) => void;
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
      await run.abandon();
      throw error;
    } finally {
      run.dispose();
    }
  } finally {
    await options.folder.release();
    await loader.close();
  }
}

class Run {
  readonly #options: RunOptions;
  readonly #config: Config;
  readonly #loader: Loader;
  readonly #trainer: Trainer;
  readonly #meter: Meter;
  readonly #records: RunRecords;
  readonly #started = performance.now();
  #evaluatedEpoch = 0;
  #best: Progress["best"] = null;
  #evaluationSeconds = 0;
  /** The last iteration that was reported; it may lie behind the trainer's. */
  #latest: Iteration | null = null;
  /** The iteration of the last checkpoint. */
  #saved = 0;
  #secondsLeft = NaN;

  constructor(options: RunOptions, loader: Loader) {
    const { gpu, description, trainSet, resume, start } = options;
    const { config } = description;
    const { numClasses, ignoreIndex } = trainSet.spec;
    this.#options = options;
    this.#config = config;
    this.#loader = loader;
    showCompilation(gpu, options.output);
    this.#meter = new Meter(config.train.batchSize);
    this.#records = new RunRecords(options);
    this.#trainer = new Trainer(gpu, { config, numClasses, ignoreIndex, maxIters: this.#maxIters });
    if (start) this.#begin(start);
    if (resume) this.#restore(resume);
  }

  async run(): Promise<Confusion | null> {
    const { epochs } = this.#config.train;
    if (!this.#options.resume && !(await this.#initializeMemory())) return null;
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
    await this.#records.writeReport(null);
    return confusion;
  }

  /** False when stopped, before there is anything to save. */
  async #initializeMemory(): Promise<boolean> {
    const { gpu, trainSet, output, signal, check } = this.#options;
    const done = await initializeMemory(gpu, {
      ...{ model: this.#trainer.model, config: this.#config, loader: this.#loader, spec: trainSet.spec, signal },
      onProgress: output.task("initialising the memory", "batches"),
    });
    check();
    if (done === null) output.log("stopped before the first iteration; there is nothing to save");
    else if (done !== "") output.log(`${done} (${duration(this.#seconds)})`);
    return done !== null;
  }

  /** Ends after an error. */
  abandon(): Promise<void> {
    return this.#records.abandon(this.#saved > 0);
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
      await this.#records.write();
      if (this.#records.isReportDue) await this.#writeReport();
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
    const { output, gpu, folder, onSecondsLeft } = this.#options;
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
    const status: RunStatus = {
      ...{ epoch, epochs, iterations: this.#maxIters, bytes: gpu.memory.reserved },
      imagesPerSecond: batchSize / (secondsPerIteration ?? NaN),
      secondsLeft: left + this.#evaluationsAfter(epoch) * this.#evaluationSeconds,
    };
    this.#secondsLeft = status.secondsLeft;
    onSecondsLeft?.(status.secondsLeft);
    output.show(iterationLine(iteration, status), iterationState(iteration, status));
    if (iteration.iteration % logEvery === 0) this.#logAverages(iteration);
    this.#latest = iteration;
  }

  /** Prepares a line of the averages since the last one. */
  #logAverages({ iteration, lr, memoryMomentum }: Iteration): void {
    const averages = this.#meter.take();
    if (!averages) return;
    const epoch = Math.ceil(iteration / this.#loader.stepsPerEpoch);
    const measured = { ...averages, bytes: this.#options.gpu.memory.reserved, seconds: this.#seconds };
    this.#records.add({ kind: "train", iteration, epoch, lr, memoryMomentum, ...measured });
  }

  async #evaluate(epoch: number): Promise<Confusion | null> {
    const { gpu, evalSet: dataset, output, signal, check } = this.#options;
    const begun = performance.now();
    this.#records.beginEvaluation();
    const confusion = await evaluate(gpu, {
      ...{ model: this.#trainer.model, dataset, config: this.#config, signal, panels: this.#config.train.panels },
      onPanel: (panel) => this.#records.addPanel(this.#trainer.iteration, panel),
      onProgress: output.task(`epoch ${epoch} | evaluating ${dataset.split}`, "images"),
    });
    check();
    this.#evaluationSeconds = (performance.now() - begun) / 1000;
    return confusion;
  }

  /** Records an evaluation: in metrics.jsonl, in the checkpoint and, where it is the best so far, in a copy of that. */
  async #keepScores(epoch: number, confusion: Confusion): Promise<void> {
    const { evalSet, output, folder } = this.#options;
    const result = scores(confusion);
    const { meanIou } = result;
    output.log(`epoch ${epoch} | ${evalSet.split}: ${scoreLine(result)} (${duration(this.#evaluationSeconds)})`);
    const { iteration, model } = this.#trainer;
    await this.#records.addEvaluation(model, confusion, { iteration, epoch, seconds: this.#seconds });
    const isBest = this.#best === null || meanIou > this.#best.meanIou;
    if (isBest) this.#best = { epoch, meanIou };
    this.#evaluatedEpoch = epoch;
    await this.#save(isBest ? [folder.best] : []);
    await this.#writeReport();
  }

  #writeReport(): Promise<void> {
    const { iteration: done } = this.#trainer;
    return this.#records.writeReport({ done, total: this.#maxIters, secondsLeft: this.#secondsLeft });
  }

  /** Writes the checkpoint, and everything in the run folder that goes with it. */
  async #save(copies: readonly string[] = []): Promise<void> {
    const { folder, trainSet, check } = this.#options;
    await this.#trainer.drain();
    if (this.#latest) this.#logAverages(this.#latest);
    await this.#records.write();
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
    await this.#records.writeReport(null);
    const { folder, output } = this.#options;
    output.log(`stopped after iteration ${this.#saved} of ${this.#maxIters}; saved ${folder.last}`);
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
