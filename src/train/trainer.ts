/** A network in training: one iteration at a time, in the official order, with all that changes between them. */
import type { Config } from "../config/config.ts";
import { buildModel, lossOptions, optimizerChoice, scheduleAt } from "../config/model.ts";
import { UserError } from "../errors.ts";
import type { Batch } from "../data/loader.ts";
import type { Segmentor, TrainingStep } from "../models/segmentor.ts";
import { trainingLoss } from "../models/training_loss.ts";
import type { TrainingLoss } from "../models/training_loss.ts";
import { labelDivisor } from "../nn/losses.ts";
import { RandomState } from "../nn/random_state.ts";
import { clipGradNorm } from "../ops/clip.ts";
import { backward } from "../ops/define.ts";
import { buildOptimizer } from "../optim/build.ts";
import type { Optimizer } from "../optim/optimizer.ts";
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

/** A share of a step's images. */
interface Part {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly count: number;
  readonly divisor: number | undefined;
}

interface PartOfStep extends TrainingStep {
  readonly lr: number;
  readonly continues: boolean;
  readonly isLast: boolean;
}

/** What a share's losses are called, and where they will be. */
interface Recorded {
  readonly names: readonly string[];
  readonly readback: Readback;
}

export class Trainer {
  readonly gpu: Gpu;
  readonly model: Segmentor;
  readonly optimizer: Optimizer;
  /** Where the dropout masks come from. */
  readonly random: RandomState;
  /** Finished iterations. */
  iteration = 0;
  readonly #options: TrainerOptions;
  readonly #pacer: Pacer;

  /**
   * A new network, with the initial values that belong to the seed.
   *
   * @throws UserError for class weights of another number of classes
   */
  constructor(gpu: Gpu, options: TrainerOptions) {
    const { config, numClasses } = options;
    checkClassWeights(config, numClasses);
    this.gpu = gpu;
    this.#options = options;
    this.#pacer = new Pacer(gpu);
    this.random = new RandomState(config.train.seed);
    const { seed, recompute } = config.train;
    this.model = buildModel(config, numClasses, this.random).initialize(gpu, seed).train().recompute(recompute);
    this.optimizer = buildOptimizer(optimizerChoice(config), this.model.namedParameters());
  }

  /**
   * One iteration: learning rate, forward, memory update, losses, backward, optimiser step, in a single submit; or one
   * for each of the parts that `train.accumulate` splits the batch into, whose gradients add up. Then the device never
   * holds more than one part, losses are means over all pixels, and the memory moves once, by all of them.
   *
   * @param epoch counting from 1
   * @param report called with the losses once they are there: in order, iterations later, at the latest by `drain`
   * @throws UserError for a label that is neither a class nor ignored; nothing has changed then
   */
  async step(batch: Batch, epoch: number, report: (iteration: Iteration) => void): Promise<void> {
    const { config, maxIters } = this.#options;
    const schedule = scheduleAt(config, this.iteration, maxIters);
    const parts = this.#split(batch);
    const recorded: Recorded[] = [];
    for (const part of parts) {
      const place = { continues: recorded.length > 0, isLast: recorded.length + 1 === parts.length };
      recorded.push(this.#record({ ...part, ...schedule, epoch, ...place }));
      await this.gpu.submit();
    }
    this.iteration++;
    const { iteration } = this;
    await this.#pacer.add(joined(recorded), (data) => {
      report({ iteration, ...schedule, losses: lossesOf(recorded, data) });
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

  /** The batches that a step's images are worked through in, and what the means of all of them divide by. */
  #split({ images, labels, ids }: Batch): Part[] {
    const { config, numClasses, ignoreIndex } = this.#options;
    const { accumulate } = config.train;
    const divisor = labelDivisor(labels, numClasses, lossOptions(config, ignoreIndex));
    const share = <T extends Float32Array | Int32Array>(data: T, part: number): T =>
      data.subarray((part * data.length) / accumulate, ((part + 1) * data.length) / accumulate) as T;
    return Array.from({ length: accumulate }, (_, part) => ({
      images: share(images, part),
      labels: share(labels, part),
      count: ids.length / accumulate,
      divisor: accumulate === 1 ? undefined : divisor,
    }));
  }

  /** One of them: forward and backward, and after the last the optimiser's step. */
  #record({ images, labels, count, lr, isLast, ...part }: Part & PartOfStep): Recorded {
    using _ = this.gpu.arena();
    const { config, ignoreIndex } = this.#options;
    const shape = [count, ...config.data.crop];
    const image = Tensor.from(this.gpu, images, [...shape, 3]);
    const label = Tensor.from(this.gpu, labels, shape);
    const loss = trainingLoss(this.model, { ...part, image, label, isLast }, lossOptions(config, ignoreIndex));
    const losses = gatherScalars(loss);
    backward(loss.total);
    if (isLast) {
      this.#clip();
      this.optimizer.step(lr);
      this.optimizer.zeroGrad();
    }
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

function checkClassWeights({ losses }: Config, numClasses: number): void {
  const { length } = losses.classWeights;
  if (length === 0 || length === numClasses) return;
  throw new UserError(`losses.classWeights has ${length} numbers, expected one for each of the ${numClasses} classes`);
}

/** All readbacks as one, their bytes one after the other. */
function joined(recorded: readonly Recorded[]): Readback {
  return {
    async fetch() {
      const parts: ArrayBuffer[] = [];
      for (const { readback } of recorded) parts.push(await readback.fetch());
      return parts.length === 1 ? parts[0] : new Blob(parts).arrayBuffer();
    },
  };
}

/** The sums of the terms over the batches of a step. */
function lossesOf(recorded: readonly Recorded[], data: ArrayBuffer): Map<string, number> {
  const values = new Float32Array(data);
  const losses = new Map<string, number>();
  recorded.flatMap(({ names }) => names).forEach((name, i) => losses.set(name, (losses.get(name) ?? 0) + values[i]));
  return losses;
}
