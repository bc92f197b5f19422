/** Scoring a network on a dataset: predictions at each label's own resolution, counted on the GPU (METHOD.md 7). */
import type { Config } from "../config/config.ts";
import type { Dataset } from "../data/dataset.ts";
import { evaluationItems } from "../data/evaluation.ts";
import type { EvaluationItem } from "../data/evaluation.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { addConfusion } from "../ops/confusion.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { predictClasses } from "./inference.ts";
import type { InferenceOptions } from "./inference.ts";
import { inspect } from "./inspect.ts";
import type { Inspection } from "./inspect.ts";
import { addCounts, emptyConfusion } from "./metrics.ts";
import type { Confusion } from "./metrics.ts";
import { Pacer } from "./pacing.ts";

/** A prediction to look at: train ids [height, width] of `item.original`. */
export interface Prediction {
  readonly item: EvaluationItem;
  readonly classes: Int32Array;
}

/** One to look at closely. */
export interface Panel extends Prediction, Inspection {}

export interface EvaluationOptions {
  readonly model: Segmentor;
  readonly dataset: Dataset;
  readonly config: Pick<Config, "data" | "eval">;
  /** Predictions to hand out, evenly spread over the dataset. */
  readonly panels?: number;
  readonly onPanel?: (panel: Panel) => Promise<void>;
  /** Takes every prediction, in the dataset's order. */
  readonly onPrediction?: (prediction: Prediction) => Promise<void>;
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the evaluation early, without a result. */
  readonly signal?: AbortSignal;
}

/** Images prepared beyond the one in use. */
const AHEAD = 2;
/** The GPU counts in 32 bits: before they can overflow, the counts are moved to where there are 53. */
const MOST_PIXELS = 2 ** 32 - 1;

/**
 * Predicts every image of the dataset in eval mode and counts label against prediction; restores the network's mode.
 *
 * @returns null when `signal` ended it
 * @throws UserError naming a file that cannot be read
 */
export async function evaluate(gpu: Gpu, options: EvaluationOptions): Promise<Confusion | null> {
  const { model } = options;
  const wasTraining = model.training;
  model.eval();
  const { numClasses } = options.dataset.spec;
  const counts = Tensor.zeros(gpu, [numClasses, numClasses], "u32").keep();
  try {
    return await countAll(gpu, options, counts);
  } finally {
    counts.dispose();
    model.train(wasTraining);
  }
}

async function countAll(gpu: Gpu, options: EvaluationOptions, counts: Tensor): Promise<Confusion | null> {
  const { model, dataset, config, panels = 0, onPanel, onPrediction, onProgress, signal } = options;
  const { numClasses, ignoreIndex, flipPairs } = dataset.spec;
  const confusion = emptyConfusion(numClasses);
  const total = dataset.items.length;
  const chosen = spread(Math.min(panels, total), total);
  const known: (Prediction & { isPanel: boolean })[] = [];
  const inference = { ...config.eval, flipPairs };
  const pacer = new Pacer(gpu);
  let pixels = 0;
  let done = 0;
  let index = 0;

  const handOut = async (): Promise<void> => {
    for (const { isPanel, ...prediction } of known.splice(0)) {
      await onPrediction?.(prediction);
      if (!isPanel || !onPanel) continue;
      await onPanel({ ...prediction, ...(await inspect(gpu, model, prediction.item, { ...inference, numClasses })) });
    }
  };
  const flush = async (): Promise<void> => {
    await pacer.drain();
    addCounts(confusion, await counts.data());
    gpu.clear(counts);
    pixels = 0;
  };

  for await (const item of evaluationItems(dataset, inputOptions(config))) {
    if (signal?.aborted) return null;
    const { height, width } = item.original;
    if (pixels + height * width > MOST_PIXELS) await flush();
    pixels += height * width;
    const isPanel = chosen.has(index++);
    const isWanted = isPanel || onPrediction !== undefined;
    const readback = count(gpu, model, item, inference, { counts, ignoreIndex, isWanted });
    await gpu.submit();
    await pacer.add(readback, (data) => {
      if (isWanted) known.push({ item, classes: new Int32Array(data), isPanel });
      onProgress?.(++done, total);
    });
    await handOut();
  }
  await flush();
  await handOut();
  return signal?.aborted ? null : confusion;
}

/** Records the prediction of one image and its counting; reads back the prediction, or just that it is done. */
function count(
  gpu: Gpu,
  model: Segmentor,
  { image, height, width, original }: EvaluationItem,
  options: InferenceOptions,
  { counts, ignoreIndex, isWanted }: { counts: Tensor; ignoreIndex: number; isWanted: boolean },
) {
  using _ = gpu.arena();
  const size = [original.height, original.width] as const;
  const input = Tensor.from(gpu, image, [1, height, width, 3]);
  const label = Tensor.from(gpu, Int32Array.from(original.label), [1, ...size]);
  const prediction = predictClasses(model, input, size, options);
  addConfusion(counts, prediction, label, { ignoreIndex });
  return gpu.snapshot(prediction, isWanted ? prediction.size * 4 : 4);
}

/** How images reach the network: the official test pipeline, training's at a scale of 1. */
export function inputOptions({ data }: Pick<Config, "data">) {
  const { size, keepRatio, workers } = data;
  return { size, keepRatio, mean: IMAGENET_MEAN, std: IMAGENET_STD, workers, ahead: AHEAD };
}

/** `count` of the indices below `total`, evenly spread. */
function spread(count: number, total: number): Set<number> {
  return new Set(Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * total) / count)));
}
