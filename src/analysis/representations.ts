/** Collects what a network makes of labelled pixels, image by image, without keeping more than a sample of it. */
import { EntropyMeter, normalizedEntropy } from "./entropy.ts";
import { ClassSampler } from "./sampler.ts";
import { ScatterMeter } from "./scatter.ts";

/** Values [height, width, channels] of one image. */
export interface FeatureMap {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** Train ids of an image at its own resolution. */
export interface LabelMap {
  readonly height: number;
  readonly width: number;
  readonly label: ArrayLike<number>;
}

export interface RepresentationOptions {
  readonly numClasses: number;
  /** Most vectors of a class that are kept. */
  readonly samplesPerClass: number;
  readonly seed: number;
}

interface Level {
  readonly scatter: ScatterMeter;
  readonly sampler: ClassSampler;
  readonly channels: number;
}

export class RepresentationMeter {
  readonly #options: RepresentationOptions;
  readonly #levels = new Map<string, Level>();
  #entropy: EntropyMeter | null = null;
  #images = 0;

  constructor(options: RepresentationOptions) {
    this.#options = options;
  }

  /**
   * Adds an image. A cell of a map has the class that the label has at the cell's centre; cells whose class is none of
   * the K, such as ignored ones, are left out.
   *
   * @param maps by name; every image has to have the same names and channels
   * @param weights logits [h, w, K] of the class weights W, where the network has them
   */
  add(maps: ReadonlyMap<string, FeatureMap>, weights: FeatureMap | null, label: LabelMap): void {
    const image = this.#images++;
    for (const [name, map] of maps) {
      const { scatter, sampler, channels } = this.#level(name, map);
      this.#forEachCell(map, label, (cell, k) => {
        scatter.add(k, map.data, cell * channels);
        sampler.add(k, [image, cell], map.data, cell * channels);
      });
    }
    if (!weights) return;
    const entropy = (this.#entropy ??= new EntropyMeter(this.#options.numClasses));
    this.#forEachCell(weights, label, (cell, k) => {
      entropy.add(k, normalizedEntropy(weights.data, weights.channels, cell * weights.channels));
    });
  }

  /** By name, in the order of the first image. */
  get levels(): ReadonlyMap<string, Level> {
    return this.#levels;
  }

  get entropy(): EntropyMeter | null {
    return this.#entropy;
  }

  #level(name: string, { channels }: FeatureMap): Level {
    const { numClasses, samplesPerClass: capacity, seed } = this.#options;
    const level = this.#levels.get(name) ?? {
      ...{ channels, scatter: new ScatterMeter(numClasses, channels) },
      sampler: new ClassSampler({ numClasses, channels, capacity, seed }),
    };
    this.#levels.set(name, level);
    return level;
  }

  #forEachCell({ height, width }: FeatureMap, label: LabelMap, visit: (cell: number, label: number) => void): void {
    for (let y = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * label.height) / height) * label.width;
      for (let x = 0; x < width; x++) {
        const k = label.label[row + Math.floor(((x + 0.5) * label.width) / width)];
        if (k < this.#options.numClasses) visit(y * width + x, k);
      }
    }
  }
}
