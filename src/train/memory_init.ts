/**
 * What the memory starts with (METHOD.md 2.2): random rows, or representations that the network itself makes of the
 * training images. These pass by once, as a training epoch sees them: augmented, in batches, normalised by the batch.
 * Nothing else about the network changes.
 */
import type { Config } from "../config/config.ts";
import { isMemoryInit } from "../config/memory_init.ts";
import type { DatasetSpec } from "../data/dataset.ts";
import type { Batch, Loader } from "../data/loader.ts";
import { Mcibi } from "../models/mcibi.ts";
import { halfNormal, initialValues } from "../nn/init.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { updateMemory } from "../ops/memory.ts";
import { slice } from "../ops/slice.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { MEMORY_NAME, readMemory, requireFitting } from "./memory_file.ts";
import { MeanSampler, PixelSampler } from "./memory_samplers.ts";
import type { Question, Sampler, SamplerOptions } from "./memory_samplers.ts";
import { Pacer } from "./pacing.ts";

/** How representations of a dataset become a memory. */
export const MEMORY_METHODS = ["kmeans", "random-pixel"] as const;
export type MemoryMethod = (typeof MEMORY_METHODS)[number];

/** Images of a class that k-means looks at: at most 150 MiB for the classes of ADE20K and 512 channels. */
export const MOST_PER_CLASS = 512;

export interface CollectOptions {
  /** In training mode. */
  readonly model: Mcibi;
  readonly loader: Loader;
  /** Height and width of the loader's images. */
  readonly crop: readonly [number, number];
  readonly spec: DatasetSpec;
  readonly method: MemoryMethod;
  /** F of the memory to be. */
  readonly slots: number;
  readonly seed: number;
  readonly mostPerClass?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends it early, without a result. */
  readonly signal?: AbortSignal;
}

/**
 * A memory [K, F, C] of representations of one epoch's images; slots of classes that they do not show are 0. The same
 * seed gives the same numbers.
 *
 * @returns null when `signal` ended it
 * @throws UserError naming a file that cannot be read
 */
export async function collectMemory(gpu: Gpu, options: CollectOptions): Promise<Float32Array | null> {
  const { model, loader, crop, spec, slots, seed, onProgress, signal } = options;
  const { numClasses, ignoreIndex } = spec;
  const channels = model.featsChannels;
  const sampler = samplerOf({ numClasses, slots, channels, ignoreIndex, seed }, options);
  const pacer = new Pacer(gpu);
  const area = crop[0] * crop[1];
  for await (const batch of loader.batches(1)) {
    if (signal?.aborted) return null;
    const questions = batch.ids.flatMap((_, image) => {
      const labels = batch.labels.subarray(image * area, (image + 1) * area);
      return sampler.ask(labels).map((question) => ({ ...question, image }));
    });
    onProgress?.(batch.step + 1, loader.stepsPerEpoch);
    if (questions.length === 0) continue;
    const readback = answer(gpu, { model, batch, crop, numClasses, ignoreIndex, questions });
    await gpu.submit();
    await pacer.add(readback, (bytes) => {
      const size = numClasses * channels;
      const means = new Float32Array(bytes);
      questions.forEach(({ take }, i) => take(means.subarray(i * size, (i + 1) * size)));
    });
  }
  await pacer.drain();
  return sampler.rows();
}

function samplerOf(options: SamplerOptions, { method, mostPerClass = MOST_PER_CLASS }: CollectOptions): Sampler {
  return method === "kmeans" ? new MeanSampler({ ...options, mostPerClass }) : new PixelSampler(options);
}

interface Answering {
  readonly model: Mcibi;
  readonly batch: Batch;
  readonly crop: readonly [number, number];
  readonly numClasses: number;
  readonly ignoreIndex: number;
  readonly questions: readonly (Question & { readonly image: number })[];
}

/** Records the forward pass of a batch and the answers [K, C] to all questions, one after the other. */
function answer(gpu: Gpu, { model, batch, crop, numClasses, ignoreIndex, questions }: Answering) {
  using _ = gpu.arena();
  const feats = model.representations(Tensor.from(gpu, batch.images, [batch.ids.length, ...crop, 3]));
  const channels = feats.shape[3];
  const empty = Tensor.zeros(gpu, [numClasses, 1, channels]);
  const answers = Tensor.empty(gpu, [questions.length, numClasses, channels]);
  questions.forEach(({ labels, image }, i) => {
    const own = slice(feats, 0, image, image + 1);
    // An empty memory takes the mean of every class, from features that are never resized to the label.
    const options = { momentum: 1, strategy: "mean", ignoreIndex } as const;
    const means = updateMemory(empty, own, Tensor.from(gpu, labels, [1, ...crop]), options);
    gpu.copy(means, answers, means.size * 4, 0, i * means.size * 4);
  });
  return gpu.snapshot(answers, answers.size * 4);
}

export interface MemoryInitOptions extends Pick<CollectOptions, "loader" | "spec" | "onProgress" | "signal"> {
  /** In training mode. */
  readonly model: Segmentor;
  readonly config: Config;
}

/**
 * Gives the empty slots of a network's memory what `memory.init` says. Those that weights from elsewhere have filled
 * stay as they are.
 *
 * @returns what was done, in words; "" where nothing was; null when `signal` ended it, with nothing changed
 * @throws UserError naming a file that cannot be read or does not fit
 */
export async function initializeMemory(gpu: Gpu, options: MemoryInitOptions): Promise<string | null> {
  const { model, config, spec } = options;
  const { init } = config.memory;
  if (!(model instanceof Mcibi) || !model.memory || init === "first-batch-mean") return "";
  const { memory } = model;
  const rows = await initialRows(gpu, model, memory.memory.shape, options);
  if (!rows) return null;
  const values = (await memory.memory.data()) as Float32Array;
  const { shape } = memory.memory;
  const taken = emptyRows(values, shape[2]);
  for (const row of taken) values.set(rows.subarray(row * shape[2], (row + 1) * shape[2]), row * shape[2]);
  memory.assign(values);
  const kept = sizeOf(shape) / shape[2] - taken.length;
  const others = kept > 0 ? `${kept} from the weights, ` : "";
  return `memory from ${init}: ${others}${describeRows(values, shape, spec)}`;
}

/** How many slots of a memory [K, F, C] are filled, and the classes of those that are not. */
export function describeRows(
  values: Float32Array,
  [classes, slots, channels]: readonly number[],
  { classNames }: DatasetSpec,
): string {
  const empty = emptyRows(values, channels);
  const names = new Set(empty.map((row) => classNames[Math.floor(row / slots)]));
  const rest = names.size > 0 ? `; empty until seen: ${[...names].join(", ")}` : "";
  return `${classes * slots - empty.length} of ${classes * slots} slots filled${rest}`;
}

function emptyRows(values: Float32Array, channels: number): number[] {
  const rows = Array.from({ length: values.length / channels }, (_, row) => row);
  return rows.filter((row) => values.subarray(row * channels, (row + 1) * channels).every((value) => value === 0));
}

async function initialRows(
  gpu: Gpu,
  model: Mcibi,
  shape: readonly number[],
  { config, spec, ...rest }: MemoryInitOptions,
): Promise<Float32Array | null> {
  const { init } = config.memory;
  const { seed } = config.train;
  if (!isMemoryInit(init)) {
    const file = await readMemory(init);
    requireFitting(file, shape, spec);
    return file.values;
  }
  if (init === "random") return initialValues(sizeOf(shape), halfNormal, seed, MEMORY_NAME);
  if (init === "first-batch-mean") return new Float32Array(sizeOf(shape));
  return collectMemory(gpu, { ...rest, model, spec, crop: config.data.crop, method: init, slots: shape[1], seed });
}
