/** The generated street scenes without files: single ones to look at, and the batches that training is made of. */
import type { Config } from "../config/config.ts";
import { assembleBatch } from "../data/assemble.ts";
import { STREETS_SPEC } from "../data/cityscapes_spec.ts";
import type { Batch } from "../data/loader.ts";
import { PURPOSE, Random } from "../data/random.ts";
import type { Sample } from "../data/sample.ts";
import { SceneRandom } from "../data/streets/random.ts";
import { renderScene } from "../data/streets/scene.ts";
import { loaderOptions } from "../train/loader_options.ts";

const SPLITS = ["train", "val"] as const;
export type Split = (typeof SPLITS)[number];

/** As many as the generated dataset has to train on. */
const TRAINING_SCENES = 160;

/** The scene of the generated dataset with this place in the split, at any size; train ids as label. */
export function streetScene(split: Split, index: number, size: readonly [number, number]): Sample {
  const { height, width, image, labels } = renderScene(new SceneRandom(0, SPLITS.indexOf(split), index), size);
  return { height, width, image, label: labels.map((id) => STREETS_SPEC.labelTable[id]) };
}

/** The batches of `npm run train`, to the byte. */
export class SceneBatches {
  readonly #options;
  readonly #scenes = new Map<number, Sample>();

  constructor(config: Config) {
    this.#options = loaderOptions(config);
  }

  /** @param epoch counting from 1; @param step from 0, below `stepsPerEpoch` */
  batch(epoch: number, step: number): Batch {
    const { batchSize, seed } = this.#options;
    const position = step * batchSize;
    const order = new Random(seed, epoch, 0, PURPOSE.shuffle).permutation(TRAINING_SCENES);
    const indices = order.slice(position, position + batchSize);
    const samples = indices.map((index) => this.#scene(index));
    const plan = { augmentation: this.#options, seed, epoch, position };
    return { ...assembleBatch(samples, plan), ids: indices.map(String), step };
  }

  #scene(index: number): Sample {
    const scene = this.#scenes.get(index) ?? streetScene("train", index, STORED_SIZE);
    this.#scenes.set(index, scene);
    return scene;
  }
}

/** Of the scenes on disk. */
const STORED_SIZE = [128, 256] as const;

export const stepsPerEpoch = ({ train }: Config): number => Math.floor(TRAINING_SCENES / train.batchSize);
