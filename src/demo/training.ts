/** Training that can be watched, paused and gone on with, on the generated street scenes. */
import type { Config } from "../config/config.ts";
import { STREETS_SPEC } from "../data/cityscapes_spec.ts";
import type { Batch } from "../data/loader.ts";
import type { Sample } from "../data/sample.ts";
import { UserError } from "../errors.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { serializeCheckpoint, subjectOf } from "../train/checkpoint.ts";
import { Meter } from "../train/meter.ts";
import { Trainer } from "../train/trainer.ts";
import type { Iteration } from "../train/trainer.ts";
import { Network } from "./network.ts";
import type { Segmentation } from "./network.ts";
import { stepsPerEpoch } from "./scenes.ts";

/** Where the batches come from: see SceneBatches. */
export interface BatchSource {
  batch(epoch: number, step: number): Batch | Promise<Batch>;
}

export interface TrainingStep {
  readonly iteration: number;
  readonly iterations: number;
  readonly lr: number;
  /** Weighted terms by name, `total` being their sum. */
  readonly losses: Readonly<Record<string, number>>;
  /** Null as long as nothing is known. */
  readonly secondsPerIteration: number | null;
}

/** What the network makes, after so many iterations, of a scene that it is not trained on. */
export interface Preview {
  readonly iteration: number;
  readonly segmentation: Segmentation;
  /** Share of the labelled pixels that are right. */
  readonly accuracy: number;
}

export interface TrainingOptions {
  readonly config: Config;
  readonly batches: BatchSource;
  /** The scene to show predictions of, and after how many iterations each. */
  readonly preview: Sample;
  readonly previewEvery: number;
  /** Throws what the device has reported since the last call. */
  readonly check: () => void;
  readonly onStep: (step: TrainingStep) => void;
  readonly onPreview: (preview: Preview) => void;
}

export class LiveTraining {
  readonly #options: TrainingOptions;
  readonly #trainer: Trainer;
  readonly #meter: Meter;
  /** What may not happen at once: an iteration, and reading the state of the network between two of them. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The last call of `run`. */
  #running: Promise<void> = Promise.resolve();
  #isWanted = false;

  constructor(gpu: Gpu, options: TrainingOptions) {
    const { config } = options;
    this.#options = options;
    this.#meter = new Meter(config.train.batchSize);
    const { numClasses, ignoreIndex } = STREETS_SPEC;
    this.#trainer = new Trainer(gpu, { config, numClasses, ignoreIndex, maxIters: this.iterations });
  }

  /** Of the whole training. */
  get iterations(): number {
    const { config } = this.#options;
    return config.train.epochs * stepsPerEpoch(config);
  }

  get isFinished(): boolean {
    return this.#trainer.iteration >= this.iterations;
  }

  /** The network as it is; it changes while training goes on, and belongs to this object. */
  get network(): Network {
    const { model, gpu } = this.#trainer;
    return new Network(gpu, model, { config: this.#options.config, subject: subjectOf(STREETS_SPEC) });
  }

  /**
   * Trains until paused or finished.
   *
   * @throws UserError when the loss is no longer finite; what the device reports
   */
  run(): Promise<void> {
    this.#isWanted = true;
    const run = this.#running.then(() => this.#train());
    this.#running = run.catch(() => {}); // reported to those who wait for it
    return run;
  }

  async #train(): Promise<void> {
    this.#meter.pause();
    if (this.#trainer.iteration === 0) await this.#showPreview();
    let next = this.#nextBatch();
    while (this.#isWanted && !this.isFinished) {
      const batch = await next;
      const epoch = this.#epoch;
      await this.#inTurn(() => this.#trainer.step(batch, epoch, (iteration) => this.#report(iteration)));
      this.#options.check();
      if (!this.isFinished) next = this.#nextBatch();
      if (this.#trainer.iteration % this.#options.previewEvery === 0) await this.#showPreview();
    }
    await this.#inTurn(() => this.#trainer.drain());
    if (this.#trainer.iteration % this.#options.previewEvery !== 0) await this.#showPreview();
  }

  /** Lets `run` return after the present iteration; it can be called again. */
  pause(): void {
    this.#isWanted = false;
  }

  /** The bytes of a checkpoint as `npm run train` writes them, between two iterations. */
  checkpoint(): Promise<Uint8Array> {
    const { config } = this.#options;
    return this.#inTurn(() => {
      const { iteration } = this.#trainer;
      const progress = { iteration, stepsPerEpoch: stepsPerEpoch(config), evaluatedEpoch: 0, best: null };
      return serializeCheckpoint(this.#trainer, { config, subject: subjectOf(STREETS_SPEC), progress });
    });
  }

  /** Ends what is under way, and releases the network. */
  async dispose(): Promise<void> {
    this.pause();
    await this.#running;
    this.#trainer.dispose();
  }

  get #epoch(): number {
    return Math.floor(this.#trainer.iteration / stepsPerEpoch(this.#options.config)) + 1;
  }

  /** Asked for ahead of its use, so that it is made while the device works. */
  async #nextBatch(): Promise<Batch> {
    return this.#options.batches.batch(this.#epoch, this.#trainer.iteration % stepsPerEpoch(this.#options.config));
  }

  #report(iteration: Iteration): void {
    const total = iteration.losses.get("total")!;
    if (!Number.isFinite(total)) {
      throw new UserError(`the loss is ${total} at iteration ${iteration.iteration}: training diverged`);
    }
    this.#meter.add(iteration);
    this.#options.onStep({
      iteration: iteration.iteration,
      iterations: this.iterations,
      lr: iteration.lr,
      losses: Object.fromEntries(iteration.losses),
      secondsPerIteration: this.#meter.secondsPerIteration,
    });
  }

  async #showPreview(): Promise<void> {
    const { preview, onPreview } = this.#options;
    const { iteration } = this.#trainer;
    const segmentation = await this.network.segment(preview);
    onPreview({ iteration, segmentation, accuracy: accuracyOf(segmentation.classes, preview.label) });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => {}); // reported to those who wait for it
    return mine;
  }
}

/** Share of the labelled pixels whose class is right; 0 where nothing is labelled. */
export function accuracyOf(classes: Uint8Array, label: Uint8Array): number {
  let labelled = 0;
  let right = 0;
  for (let i = 0; i < label.length; i++) {
    if (label[i] === STREETS_SPEC.ignoreIndex) continue;
    labelled++;
    if (classes[i] === label[i]) right++;
  }
  return labelled === 0 ? 0 : right / labelled;
}
