/** Everything of the page that computes: it lives in a worker and is called through rpc.ts. */
import type { Config } from "../config/config.ts";
import { buildModel } from "../config/model.ts";
import type { Sample } from "../data/sample.ts";
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

export class Engine {
  readonly #options: EngineOptions;
  #loaded: Network | null = null;
  /** What is asked: the loaded network, or the one in training. */
  #network: Network | null = null;
  #training: LiveTraining | null = null;

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
    loadWeights(model, checkpoint);
    this.#loaded?.model.dispose();
    this.#network = this.#loaded = new Network(gpu, model, { config, subject });
    return describe(this.#network);
  }

  /** Asks the network in training from now on, or the loaded one again. */
  use(which: "loaded" | "trained"): NetworkInfo {
    const network = which === "loaded" ? this.#loaded : this.#training?.network;
    if (!network) throw new Error(`there is no ${which} network`);
    this.#network = network;
    return describe(network);
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
   * Trains a new network with the configuration of the loaded one, from random numbers, until paused or finished.
   * Returns whether it is finished.
   */
  async train({ epochs, seed, ...preview }: TrainingRequest): Promise<boolean> {
    const { gpu, check, emit, batchesOf } = this.#options;
    const loaded = this.#loaded!.config;
    const config = { ...loaded, train: { ...loaded.train, epochs, seed } };
    this.#network = this.#loaded;
    await this.#training?.dispose();
    this.#training = new LiveTraining(gpu, {
      ...{ config, check, ...preview, batches: await batchesOf(config) },
      onStep: (step) => emit({ kind: "step", step }),
      onPreview: (shown) => emit({ kind: "preview", preview: shown }),
    });
    return this.resume();
  }

  pause(): void {
    this.#training!.pause();
  }

  /** Goes on with a paused training; as `train`. */
  async resume(): Promise<boolean> {
    const training = this.#training!;
    await training.run();
    return training.isFinished;
  }

  /** The training's checkpoint as it is. */
  checkpoint(): Promise<Uint8Array> {
    return this.#checked(this.#training!.checkpoint());
  }

  async bench(): Promise<void> {
    const { gpu, emit } = this.#options;
    for await (const result of benchKernels(gpu, this.#options)) emit({ kind: "bench", result });
  }

  get #asked(): Network {
    if (!this.#network) throw new Error("no network is loaded");
    return this.#network;
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
