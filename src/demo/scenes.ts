/** The generated street scenes without files: single ones to look at, and the batches that training is made of. */
import type { Config } from "../config/config.ts";
import { assembleBatch } from "../data/assemble.ts";
import { STREETS_SPEC } from "../data/cityscapes_spec.ts";
import type { Batch, LoaderOptions } from "../data/loader.ts";
import { PURPOSE, Random } from "../data/random.ts";
import type { Size } from "../data/raster.ts";
import type { Sample } from "../data/sample.ts";
import { SceneRandom } from "../data/streets/random.ts";
import { renderScene } from "../data/streets/scene.ts";
import { loaderOptions } from "../train/loader_options.ts";

const SPLITS = ["train", "val"] as const;
export type Split = (typeof SPLITS)[number];

/** As many as the generated dataset has to train on. */
const TRAINING_SCENES = 160;
/** Its scenes are dealt out to cities in turn, and listed city by city. */
const CITIES = 4;

/** The scene of the generated dataset with this place in the split, at any size; train ids as label. */
export function streetScene(split: Split, index: number, size: Size): Sample {
  const { height, width, image, labels } = renderScene(new SceneRandom(0, SPLITS.indexOf(split), index), size);
  return { height, width, image, label: labels.map((id) => STREETS_SPEC.labelTable[id]) };
}

/** The batches of `npm run train` on the generated dataset, to the byte. */
export class SceneBatches {
  readonly #options: LoaderOptions;
  readonly #size: Size;
  readonly #scenes = new Map<number, Sample>();

  /** @param size of the scenes; default that of the generated dataset */
  constructor(config: Config, size: Size = [128, 256]) {
    this.#options = loaderOptions(config);
    this.#size = size;
  }

  /** @param epoch counting from 1; @param step from 0, below `stepsPerEpoch` */
  batch(epoch: number, step: number): Batch {
    const { batchSize, seed } = this.#options;
    const position = step * batchSize;
    const order = new Random(seed, epoch, 0, PURPOSE.shuffle).permutation(TRAINING_SCENES);
    const indices = order.slice(position, position + batchSize);
    const samples = indices.map((listed) => this.#scene(sceneListedAt(listed)));
    const plan = { augmentation: this.#options, seed, epoch, position };
    return { ...assembleBatch(samples, plan), ids: indices.map(String), step };
  }

  #scene(index: number): Sample {
    const scene = this.#scenes.get(index) ?? streetScene("train", index, this.#size);
    this.#scenes.set(index, scene);
    return scene;
  }
}

function sceneListedAt(index: number): number {
  const each = TRAINING_SCENES / CITIES;
  return (index % each) * CITIES + Math.floor(index / each);
}

export const stepsPerEpoch = ({ train }: Config): number => Math.floor(TRAINING_SCENES / train.batchSize);
