/** What a network says about an image besides its classes, and what its memory holds. */
import type { EvaluationItem } from "../data/evaluation.ts";
import { Mcibi } from "../models/mcibi.ts";
import type { Segmentor } from "../models/segmentor.ts";
import type { Gpu, Readback } from "../runtime/gpu.ts";
import type { Pair } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { predict } from "./inference.ts";
import type { InferenceOptions } from "./inference.ts";

/** Probabilities of the predicted classes, [height, width], at most as many as the image has pixels. */
export interface ConfidenceMap {
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

export interface Inspection {
  readonly confidence: ConfidenceMap;
  /** Mean entropy, in nats, of W: the distribution over classes by which pixels draw from M. Null without memory. */
  readonly weightEntropy: number | null;
}

/** Scores that are read back at most; of larger images the map is smaller. */
const MOST_BYTES = 16 * 2 ** 20;

/** Runs the network once more on an image as `evaluate` prepares it. It has to be in eval mode, and keeps its state. */
export async function inspect(
  gpu: Gpu,
  model: Segmentor,
  { image, height, width, original }: EvaluationItem,
  options: InferenceOptions & { readonly numClasses: number },
): Promise<Inspection> {
  const { numClasses } = options;
  const pixels = MOST_BYTES / (4 * numClasses);
  const factor = Math.min(1, Math.sqrt(pixels / (original.height * original.width)));
  const reduced = (side: number): number => Math.max(1, Math.floor(factor * side));
  const size: Pair = [reduced(original.height), reduced(original.width)];
  let weights: Readback | null = null;
  const record = (): Readback => {
    using _ = gpu.arena();
    const input = Tensor.from(gpu, image, [1, height, width, 3]);
    const observed = {
      alignCorners: model.alignCorners,
      /** Of several views and windows, the first one is observed. */
      forward(view: Tensor) {
        const prediction = model.forward(view);
        const { stage1 = null } = prediction as { stage1?: Tensor | null };
        if (stage1) weights ??= gpu.snapshot(stage1, stage1.size * 4);
        return prediction;
      },
    };
    const scores = predict(observed, input, size, options);
    return gpu.snapshot(scores, scores.size * 4);
  };
  const scores = record();
  await gpu.submit();
  const read = async (readback: Readback): Promise<Float32Array> => new Float32Array(await readback.fetch());
  const isProbability = options.average === "probs";
  const values = largest(await read(scores), numClasses, isProbability);
  const stage1 = weights as Readback | null; // assigned while the views were computed
  return {
    confidence: { height: size[0], width: size[1], values },
    weightEntropy: stage1 && meanEntropy(await read(stage1), numClasses),
  };
}

function largest(scores: Float32Array, classes: number, isProbability: boolean): Float32Array {
  return Float32Array.from({ length: scores.length / classes }, (_, pixel) => {
    const own = scores.subarray(pixel * classes, (pixel + 1) * classes);
    const most = own.reduce((a, b) => Math.max(a, b));
    return isProbability ? most : 1 / own.reduce((sum, score) => sum + Math.exp(score - most), 0);
  });
}

/** Of softmax(logits), over rows of so many classes: log(sum exp) less the expected logit. */
export function meanEntropy(logits: Float32Array, classes: number): number {
  let total = 0;
  for (let start = 0; start < logits.length; start += classes) {
    const own = logits.subarray(start, start + classes);
    const most = own.reduce((a, b) => Math.max(a, b));
    let [sum, expected] = [0, 0];
    for (const logit of own) {
      const weight = Math.exp(logit - most);
      sum += weight;
      expected += weight * (logit - most);
    }
    total += Math.log(sum) - expected / sum;
  }
  return (total * classes) / logits.length;
}

/**
 * Cosines between the classes of M, of several slots between their means: the pairs (0, 1), (0, 2), ..., (1, 2), ...
 * rounded to three digits; null where a class has no features yet. Null for a network without memory.
 */
export async function memoryCosines(model: Segmentor): Promise<(number | null)[] | null> {
  if (!(model instanceof Mcibi) || !model.memory) return null;
  const { memory } = model.memory;
  const [classes, slots, channels] = memory.shape;
  const data = (await memory.data()) as Float32Array;
  const rows = Array.from({ length: classes }, (_, k) => {
    const row = new Float64Array(channels);
    for (let i = 0; i < slots * channels; i++) row[i % channels] += data[k * slots * channels + i];
    const norm = Math.hypot(...row);
    return norm > 0 ? row.map((value) => value / norm) : null;
  });
  return rows.flatMap((a, i) => {
    return rows.slice(i + 1).map((b) => {
      if (!a || !b) return null;
      return Math.round(1000 * a.reduce((sum, value, c) => sum + value * b[c], 0)) / 1000;
    });
  });
}
