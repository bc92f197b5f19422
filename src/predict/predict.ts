/** Predicting images that have no labels, of any size, some of which may turn out not to be images. */
import type { Config } from "../config/config.ts";
import type { DatasetItem, DatasetSpec } from "../data/dataset.ts";
import { evaluationResults } from "../data/evaluation.ts";
import type { EvaluationResult } from "../data/jobs.ts";
import { UserError } from "../errors.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { argmax } from "../ops/argmax.ts";
import type { Gpu, Readback } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { inputOptions } from "../train/evaluate.ts";
import { predictStrips, probabilities } from "../train/inference.ts";
import type { InferenceOptions, Strip } from "../train/inference.ts";
import { Pacer } from "../train/pacing.ts";
import type { Image } from "./inputs.ts";
import type { ClassMap } from "./pictures.ts";

/** Probabilities to keep besides the classes: none, those of the predicted class, or all of them. */
export type Wanted = "classes" | "confidence" | "probabilities";

export interface PredictedImage extends ClassMap {
  readonly image: Image;
  /** RGB, `[height, width, 3]`, turned as the file's orientation tag says. */
  readonly rgb: Uint8Array;
  /** Of the predicted class, `[height, width]`, in 255ths; null where it was not asked for. */
  readonly confidence: Uint8Array | null;
  /** Of every class, `[K, height, width]`, in 255ths; null where they were not asked for. */
  readonly probabilities: Uint8Array | null;
  /** Of the device, from the network's input to the prediction. */
  readonly seconds: number;
}

export interface PredictionOptions {
  readonly model: Segmentor;
  readonly spec: DatasetSpec;
  readonly config: Pick<Config, "data" | "eval">;
  readonly images: readonly Image[];
  readonly wanted: Wanted;
  /** Takes every prediction, in the images' order, while the next one is made. Its errors end everything. */
  readonly onImage: (prediction: PredictedImage) => Promise<void>;
  /** Takes the reason why an image is left out. */
  readonly onRefusal: (image: Image, reason: string) => void;
  /** Throws what the device has reported. */
  readonly check: () => void;
  /** Ends it after the images under way. */
  readonly signal: AbortSignal;
}

/**
 * Predicts the images as evaluation does, in whose mode the model has to be.
 *
 * @throws UserError of `onImage`; what is wrong with an image goes to `onRefusal` instead
 */
export async function predictImages(gpu: Gpu, options: PredictionOptions): Promise<void> {
  const { config, spec, images, onImage, onRefusal, signal } = options;
  const pacer = new Pacer(gpu);
  const finished: PredictedImage[] = [];
  let last = 0;
  const onDone = (done: Omit<PredictedImage, "seconds">, begun: number): void => {
    const now = performance.now();
    finished.push({ ...done, seconds: (now - Math.max(begun, last)) / 1000 });
    last = now;
  };
  let writing: Promise<void> = Promise.resolve();
  const handOut = async (): Promise<void> => {
    for (const prediction of finished.splice(0)) {
      await writing;
      writing = onImage(prediction);
      writing.catch(() => {}); // it is thrown where this is awaited
    }
  };

  const items = images.map(({ path }, i): DatasetItem => ({ id: String(i), imagePath: path, labelPath: null }));
  const input = { ...inputOptions(config), oriented: true };
  for await (const { item, prepare } of evaluationResults({ items, spec }, input)) {
    if (signal.aborted) break;
    const image = images[Number(item.id)];
    try {
      const prepared = await prepare();
      await predictOne(gpu, { image, prepared, pacer, onDone }, options);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      onRefusal(image, error.message);
    }
    await handOut();
  }
  await pacer.drain();
  await handOut();
  await writing;
}

interface Work {
  readonly image: Image;
  readonly prepared: EvaluationResult;
  readonly pacer: Pacer;
  readonly onDone: (prediction: Omit<PredictedImage, "seconds">, begun: number) => void;
}

/** Submits one image; `onDone` is told later, when all of it has been computed. */
async function predictOne(gpu: Gpu, work: Work, options: PredictionOptions): Promise<void> {
  const { image, prepared, pacer, onDone } = work;
  const { model, spec, config, wanted, check } = options;
  const { height, width } = prepared.original;
  const inference: InferenceOptions = { ...config.eval, flipPairs: spec.flipPairs };
  const collected = new Collected(height * width, spec.numClasses, wanted);
  const begun = performance.now();
  using _ = gpu.arena();
  const input = Tensor.from(gpu, prepared.image, [1, prepared.height, prepared.width, 3]);
  for (const strip of strips(predictStrips(model, input, [height, width], inference), work)) {
    const [start, end] = strip.rows;
    const classes = argmax(strip.scores);
    const kept = wanted === "classes" ? null : probabilities(strip.scores, inference);
    const readback = both(
      gpu.snapshot(classes, classes.size * 4),
      kept && gpu.snapshot(kept, kept.size * 4),
      (ids, values) => collected.put(start * width, ids, values),
    );
    await gpu.submit();
    await pacer.add(readback, () => {
      check();
      if (end < height) return;
      onDone({ image, rgb: prepared.original.image, width, height, ...collected.result }, begun);
    });
  }
}

/** The strips; what a network does not take is the image's fault, not the program's. */
function* strips(all: Generator<Strip>, { prepared, image }: Work): Generator<Strip> {
  try {
    yield* all;
  } catch (cause) {
    const { height, width, original } = prepared;
    const size = `${original.height}x${original.width}, seen at ${height}x${width}`;
    throw new UserError(`cannot predict ${image.path} of ${size}: ${(cause as Error).message}`, { cause });
  }
}

/** One readback of two that belong together. */
function both(a: Readback, b: Readback | null, use: (a: ArrayBuffer, b: ArrayBuffer | null) => void): Readback {
  return {
    fetch: async () => {
      const data = await a.fetch();
      use(data, b && (await b.fetch()));
      return data;
    },
  };
}

/** The strips of one image, put together. */
class Collected {
  readonly #pixels: number;
  readonly #classes: number;
  readonly result: Pick<PredictedImage, "classes" | "confidence" | "probabilities">;

  constructor(pixels: number, classes: number, wanted: Wanted) {
    this.#pixels = pixels;
    this.#classes = classes;
    this.result = {
      classes: new Uint8Array(pixels),
      confidence: wanted === "classes" ? null : new Uint8Array(pixels),
      probabilities: wanted === "probabilities" ? new Uint8Array(pixels * classes) : null,
    };
  }

  /** @param values f32 [n, K] for the n pixels from `first` on */
  put(first: number, ids: ArrayBuffer, values: ArrayBuffer | null): void {
    const { classes, confidence, probabilities: all } = this.result;
    const found = new Int32Array(ids);
    classes.set(found, first);
    if (!values || !confidence) return;
    const shares = new Float32Array(values);
    const count = this.#classes;
    const inBytes = (share: number): number => Math.round(255 * share);
    found.forEach((id, i) => (confidence[first + i] = inBytes(shares[i * count + id])));
    if (!all) return;
    for (let k = 0; k < count; k++) {
      const plane = k * this.#pixels + first;
      for (let i = 0; i < found.length; i++) all[plane + i] = inBytes(shares[i * count + k]);
    }
  }
}
