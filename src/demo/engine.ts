/** Everything of the page that computes: it lives in a worker and is called through rpc.ts. */
import type { Config } from "../config/config.ts";
import { buildModel } from "../config/model.ts";
import type { Sample } from "../data/sample.ts";
import { UserError } from "../errors.ts";
import { RandomState } from "../nn/random_state.ts";
import type { KernelSource } from "../runtime/kernels.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { loadWeights, parseCheckpoint } from "../train/checkpoint.ts";
import type { Subject } from "../train/checkpoint.ts";
import { benchKernels } from "./kernel_bench.ts";
import type { BenchResult } from "./kernel_bench.ts";
import { Network } from "./network.ts";
import type { Look, MemoryView, Picture, Segmentation } from "./network.ts";
import { LiveTraining } from "./training.ts";
import type { BatchSource, Preview, TrainingStep } from "./training.ts";

/** What the engine says without being asked. */
export type EngineEvent =
  | { readonly kind: "compiling"; readonly done: number; readonly total: number }
  | { readonly kind: "step"; readonly step: TrainingStep }
  | { readonly kind: "preview"; readonly preview: Preview }
  | { readonly kind: "bench"; readonly result: BenchResult };

export interface EngineOptions {
  readonly gpu: Gpu;
  readonly kernels: KernelSource;
  /** Throws what the device has reported since the last call. */
  readonly check: () => void;
  /** Where the batches of a training come from. */
  readonly batchesOf: (config: Config) => BatchSource | Promise<BatchSource>;
  readonly emit: (event: EngineEvent) => void;
}

/** What the page says of a network. */
export interface NetworkInfo {
  readonly subject: Subject;
  readonly hasMemory: boolean;
  readonly parameters: number;
  /** Height and width that pictures are scaled to. */
  readonly size: Config["data"]["size"];
}

export interface TrainingRequest {
  readonly epochs: number;
  readonly seed: number;
  readonly preview: Sample;
  readonly previewEvery: number;
}

const BUSY = {
  training: "A network is in training, which would spoil the measurement: pause it first.",
  measuring: "Kernels are being measured, which a training would spoil: wait for the last row.",
} as const;
type Occupation = keyof typeof BUSY;

export class Engine {
  readonly #options: EngineOptions;
  #loaded: Network | null = null;
  #training: LiveTraining | null = null;
  /** Which network is asked. */
  #which: "loaded" | "trained" = "loaded";
  #occupation: Occupation | null = null;

  constructor(options: EngineOptions) {
    const { gpu, emit } = options;
    this.#options = options;
    gpu.onCompile = (done, total) => emit({ kind: "compiling", done, total });
  }

  /**
   * Loads the bytes of a checkpoint and asks that network from now on.
   *
   * @throws UserError where they are no checkpoint
   */
  load(bytes: Uint8Array, name: string): NetworkInfo {
    const { gpu } = this.#options;
    const checkpoint = parseCheckpoint(bytes, name);
    const { config, subject } = checkpoint;
    const model = buildModel(config, subject.classNames.length, new RandomState(0)).initialize(gpu, null).eval();
    try {
      loadWeights(model, checkpoint);
    } catch (cause) {
      model.dispose();
      throw cause;
    }
    this.#loaded?.model.dispose();
    this.#loaded = new Network(gpu, model, { config, subject });
    this.#which = "loaded";
    return describe(this.#loaded);
  }

  /** Asks the network in training from now on, and after another `begin` the new one. */
  useTrained(): NetworkInfo {
    if (!this.#training) throw new UserError("no network is in training yet");
    this.#which = "trained";
    return describe(this.#training.network);
  }

  segment(picture: Picture): Promise<Segmentation> {
    return this.#checked(this.#asked.segment(picture));
  }

  look(picture: Picture, x: number, y: number): Promise<Look> {
    return this.#checked(this.#asked.look(picture, x, y));
  }

  memoryView(): Promise<MemoryView> {
    return this.#checked(this.#asked.memoryView());
  }

  /**
   * Prepares the training of a new network with the configuration of the loaded one, from random numbers. It takes the
   * place of the training before, once it exists.
   *
   * @throws UserError for a configuration that does not fit the scenes; the training before stays then
   */
  async begin({ epochs, seed, ...preview }: TrainingRequest): Promise<void> {
    const { gpu, check, emit, batchesOf } = this.#options;
    this.#refuseWhileBusy();
    if (!this.#loaded) throw new UserError("no network is loaded yet whose configuration could be trained");
    const loaded = this.#loaded.config;
    const config = { ...loaded, train: { ...loaded.train, epochs, seed } };
    const training = new LiveTraining(gpu, {
      ...{ config, check, ...preview, batches: await batchesOf(config) },
      onStep: (step) => emit({ kind: "step", step }),
      onPreview: (shown) => emit({ kind: "preview", preview: shown }),
    });
    await this.#training?.dispose();
    this.#training = training;
  }

  /** Trains until paused or finished. Returns whether it is finished. */
  run(): Promise<boolean> {
    const training = this.#training!;
    return this.#occupied("training", async () => {
      await training.run();
      return training.isFinished;
    });
  }

  pause(): void {
    this.#training!.pause();
  }

  /** The training's checkpoint as it is. */
  checkpoint(): Promise<Uint8Array> {
    return this.#checked(this.#training!.checkpoint());
  }

  /** Checks and times kernels. */
  bench(): Promise<void> {
    const { gpu, emit } = this.#options;
    return this.#occupied("measuring", async () => {
      for await (const result of benchKernels(gpu.device, this.#options)) emit({ kind: "bench", result });
    });
  }

  get #asked(): Network {
    const network = this.#which === "trained" ? this.#training!.network : this.#loaded;
    if (!network) throw new UserError("no network is loaded yet");
    return network;
  }

  /** Does what takes the device for long: it would spoil the times of a measurement, so there is one at a time. */
  async #occupied<T>(by: Occupation, work: () => Promise<T>): Promise<T> {
    this.#refuseWhileBusy();
    this.#occupation = by;
    try {
      return await work();
    } finally {
      this.#occupation = null;
    }
  }

  #refuseWhileBusy(): void {
    if (this.#occupation) throw new UserError(BUSY[this.#occupation]);
  }

  async #checked<T>(work: Promise<T>): Promise<T> {
    const result = await work;
    this.#options.check();
    return result;
  }
}

function describe({ model, config, subject, hasMemory }: Network): NetworkInfo {
  return { subject, hasMemory, parameters: model.parameterCount(), size: config.data.size };
}
