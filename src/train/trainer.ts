/** A network in training: one iteration at a time, in the official order, with all that changes between them. */
import type { Config } from "../config/config.ts";
import { buildModel, lossOptions, scheduleAt, sgdOptions } from "../config/model.ts";
import type { Batch } from "../data/loader.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { trainingLoss } from "../models/training_loss.ts";
import type { TrainingLoss } from "../models/training_loss.ts";
import { RandomState } from "../nn/random_state.ts";
import { clipGradNorm } from "../ops/clip.ts";
import { backward } from "../ops/define.ts";
import { Sgd } from "../optim/sgd.ts";
import type { Gpu, Readback } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Pacer } from "./pacing.ts";

export interface TrainerOptions {
  /** One that `validateConfig` accepts. */
  readonly config: Config;
  readonly numClasses: number;
  /** Of the labels. */
  readonly ignoreIndex: number;
  /** T, iterations of the whole run: what the schedules stretch over. */
  readonly maxIters: number;
}

/** What an iteration was like, known a few iterations later. */
export interface Iteration {
  /** Counting from 1, as in "after 3 iterations". */
  readonly iteration: number;
  readonly lr: number;
  readonly memoryMomentum: number;
  /** Weighted loss terms by name, `total` being their sum. */
  readonly losses: ReadonlyMap<string, number>;
}

const TOTAL = "total";

export class Trainer {
  readonly gpu: Gpu;
  readonly model: Segmentor;
  readonly optimizer: Sgd;
  /** Where the dropout masks come from. */
  readonly random: RandomState;
  /** Finished iterations. */
  iteration = 0;
  readonly #options: TrainerOptions;
  readonly #pacer: Pacer;

  /** A new network, with the initial values that belong to the seed. */
  constructor(gpu: Gpu, options: TrainerOptions) {
    const { config, numClasses } = options;
    this.gpu = gpu;
    this.#options = options;
    this.#pacer = new Pacer(gpu);
    this.random = new RandomState(config.train.seed);
    const { seed, recompute } = config.train;
    this.model = buildModel(config, numClasses, this.random).initialize(gpu, seed).train().recompute(recompute);
    this.optimizer = new Sgd(this.model.namedParameters(), sgdOptions(config));
  }

  /**
   * One iteration: learning rate, forward, memory update, losses, backward, optimiser step, in a single submit.
   *
   * @param epoch counting from 1
   * @param report called with the losses once they are there: in order, iterations later, at the latest by `drain`
   */
  async step(batch: Batch, epoch: number, report: (iteration: Iteration) => void): Promise<void> {
    const { config, maxIters } = this.#options;
    const schedule = scheduleAt(config, this.iteration, maxIters);
    const { names, readback } = this.#record(batch, epoch, schedule);
    await this.gpu.submit();
    this.iteration++;
    const { iteration } = this;
    await this.#pacer.add(readback, (data) => {
      const values = new Float32Array(data);
      report({ iteration, ...schedule, losses: new Map(names.map((name, i) => [name, values[i]])) });
    });
  }

  /** Waits until the device has done all iterations and everything is reported. */
  drain(): Promise<void> {
    return this.#pacer.drain();
  }

  dispose(): void {
    this.optimizer.dispose();
    this.model.dispose();
  }

  #record(
    { images, labels, ids }: Batch,
    epoch: number,
    { lr, memoryMomentum }: { lr: number; memoryMomentum: number },
  ): { names: readonly string[]; readback: Readback } {
    using _ = this.gpu.arena();
    const { config, ignoreIndex } = this.#options;
    const shape = [ids.length, ...config.data.crop];
    const image = Tensor.from(this.gpu, images, [...shape, 3]);
    const label = Tensor.from(this.gpu, labels, shape);
    const loss = trainingLoss(this.model, { image, label, epoch, memoryMomentum }, lossOptions(config, ignoreIndex));
    const losses = gatherScalars(loss);
    backward(loss.total);
    this.#clip();
    this.optimizer.step(lr);
    this.optimizer.zeroGrad();
    return { names: [...loss.terms.keys(), TOTAL], readback: this.gpu.snapshot(losses, losses.size * 4) };
  }

  #clip(): void {
    const { clipGradNorm: limit } = this.#options.config.optim;
    if (limit === 0) return;
    const grads = this.model.parameters().flatMap(({ grad }) => (grad ? [grad] : []));
    clipGradNorm(grads, limit);
  }
}

/** The terms and their total in one tensor, copied before backward frees them. */
function gatherScalars({ terms, total }: TrainingLoss): Tensor {
  const scalars = [...terms.values(), total];
  const gathered = Tensor.empty(total.gpu, [scalars.length]);
  scalars.forEach((scalar, i) => total.gpu.copy(scalar, gathered, 4, 0, 4 * i));
  return gathered;
}
