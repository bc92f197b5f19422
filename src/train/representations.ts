/** What a network makes of the pixels of a dataset, on its way from the image to the prediction. */
import { RepresentationMeter } from "../analysis/representations.ts";
import type { FeatureMap } from "../analysis/representations.ts";
import { noGrad } from "../autograd/tape.ts";
import type { Config } from "../config/config.ts";
import type { Dataset } from "../data/dataset.ts";
import { evaluationItems } from "../data/evaluation.ts";
import type { EvaluationItem } from "../data/evaluation.ts";
import type { Segmentor } from "../models/segmentor.ts";
import type { Gpu } from "../runtime/gpu.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { inputOptions } from "./evaluate.ts";
import { Pacer } from "./pacing.ts";

/** The name of R, which the memory's rows are comparable with. */
export const REPRESENTATION = "R";

/** What networks of MCIBI call the maps, and what they are called here: R, C_bi and what the decoder sees. */
const MCIBI_MAPS: Readonly<Record<string, string>> = {
  memory_input: REPRESENTATION,
  attended_memory: "C_bi",
  fused_memory: "C_bi",
  memory_output: "R_aug",
};
/** Of the other networks: the deepest map of the backbone. */
const OTHER_MAPS: Readonly<Record<string, string>> = { backbone_outputs_3: "backbone" };
const WEIGHTS = "preds_stage1";

export interface CollectOptions {
  readonly model: Segmentor;
  readonly dataset: Dataset;
  readonly config: Pick<Config, "data" | "model">;
  readonly samplesPerClass: number;
  readonly seed: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Runs every image through the network in eval mode, as `evaluate` does with whole images, and collects its maps.
 *
 * @throws UserError naming a file that cannot be read
 */
export async function collectRepresentations(gpu: Gpu, options: CollectOptions): Promise<RepresentationMeter> {
  const { model, dataset, config, samplesPerClass, seed, onProgress } = options;
  const { numClasses } = dataset.spec;
  const meter = new RepresentationMeter({ numClasses, samplesPerClass, seed });
  const wanted = config.model.segmentor === "mcibi" ? MCIBI_MAPS : OTHER_MAPS;
  const pacer = new Pacer(gpu);
  let done = 0;
  for await (const item of evaluationItems(dataset, inputOptions(config))) {
    const { readback, places } = record(gpu, model, item, wanted);
    await gpu.submit();
    await pacer.add(readback, (bytes) => {
      const maps = new Map(places.map((place) => [place.name, featureMap(place, bytes)]));
      const weights = maps.get(WEIGHTS) ?? null;
      maps.delete(WEIGHTS);
      meter.add(maps, weights, item.original);
      onProgress?.(++done, dataset.items.length);
    });
  }
  await pacer.drain();
  return meter;
}

interface Place {
  readonly name: string;
  readonly shape: Shape;
  readonly offset: number;
}

/** Records one image's forward pass and reads back the wanted maps, one after the other. */
function record(
  gpu: Gpu,
  model: Segmentor,
  { image, height, width }: EvaluationItem,
  wanted: Readonly<Record<string, string>>,
) {
  using _ = gpu.arena();
  const copies = new Map<string, Tensor>();
  const seen = new Set<Tensor>();
  const watch = (name: string, value: Tensor): Tensor => {
    const own = name === WEIGHTS ? name : wanted[name];
    // Without memory and context the decoder sees R itself.
    if (own === undefined || seen.has(value)) return value;
    seen.add(value);
    const copy = Tensor.empty(gpu, value.shape); // the value may be released before the forward pass ends
    gpu.copy(value, copy, value.size * 4);
    copies.set(own, copy);
    return value;
  };
  noGrad(() => model.forward(Tensor.from(gpu, image, [1, height, width, 3]), watch));
  let offset = 0;
  const places: Place[] = [];
  for (const [name, { shape, size }] of copies) {
    places.push({ name, shape, offset });
    offset += size * 4;
  }
  const packed = Tensor.empty(gpu, [offset / 4]);
  places.forEach(({ name, offset: at }) => gpu.copy(copies.get(name)!, packed, copies.get(name)!.size * 4, 0, at));
  return { places, readback: gpu.snapshot(packed, offset) };
}

function featureMap({ shape, offset }: Place, bytes: ArrayBuffer): FeatureMap {
  const [, height, width, channels] = shape;
  return { height, width, channels, data: new Float32Array(bytes, offset, height * width * channels) };
}
