/** The vision transformer (Dosovitskiy et al., "An Image is Worth 16x16 Words") as a backbone (METHOD.md 3.4). */
import { concat } from "../ops/concat.ts";
import { add, expand } from "../ops/elementwise.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { pad, reshape } from "../ops/shape_ops.ts";
import { slice } from "../ops/slice.ts";
import { Dropout } from "../nn/dense.ts";
import { zeros } from "../nn/init.ts";
import { Conv2d, ModuleList, Nested } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Variable } from "../nn/variable.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { TransformerLayer } from "./vit_layer.ts";
import type { TransformerLayerOptions } from "./vit_layer.ts";

/** Of `VisionTransformer`. */
export interface VitOptions extends TransformerLayerOptions {
  /** Height and width of the images that the position embedding is stored for. */
  readonly imageSize: Pair;
  /** Pixels of a patch along one axis. */
  readonly patchSize: number;
  readonly layers: number;
  /** The layers, counting from 0, whose results are the outputs. */
  readonly outputs: readonly number[];
}

/** ViT-Large on patches of 16, as the official configurations have it for crops of 512. */
export const VIT_LARGE = {
  imageSize: [512, 512],
  patchSize: 16,
  channels: 1024,
  layers: 24,
  heads: 16,
  mlpRatio: 4,
  outputs: [9, 14, 19, 23],
  dropout: 0.1,
  eps: 1e-6,
} as const satisfies VitOptions;

/**
 * One token per patch and one for the class, which takes part inside and is dropped from the outputs. Images of another
 * size are padded with zeros below and to the right up to whole patches, and get the position embedding resized.
 */
export class VisionTransformer extends Module {
  readonly channels: readonly number[];
  readonly #grid: Pair;
  readonly #patchSize: number;
  readonly #outputs: readonly number[];
  readonly #classToken: Variable;
  readonly #positions: Variable;
  readonly #projection: Conv2d;
  readonly #dropout: Dropout;
  readonly #layers: readonly TransformerLayer[];

  /** @param random where dropout masks come from */
  constructor(options: VitOptions, random: RandomState) {
    super();
    const { imageSize, patchSize, channels, layers, outputs } = options;
    this.channels = outputs.map(() => channels);
    this.#grid = [Math.floor(imageSize[0] / patchSize), Math.floor(imageSize[1] / patchSize)];
    this.#patchSize = patchSize;
    this.#outputs = outputs;
    const parameter = (name: string, tokens: number): Variable =>
      this.variable(name, { shape: [1, tokens, channels], initializer: zeros });
    this.#classToken = parameter("cls_token", 1);
    this.#positions = parameter("pos_embed", 1 + this.#grid[0] * this.#grid[1]);
    const projection = new Conv2d(3, channels, patchSize, { stride: patchSize });
    this.#projection = this.child("patch_embed", new Nested("projection", projection)).module;
    this.#dropout = this.child("drop_after_pos", new Dropout(options.dropout, random));
    const list = Array.from({ length: layers }, () => new TransformerLayer(options, random));
    this.#layers = this.child("layers", new ModuleList(list)).modules;
  }

  /** image [n, h, w, 3] -> maps [n, ceil(h / p), ceil(w / p), channels], one per output, watched as others are. */
  forward(image: Tensor, watch: Watch = unwatched): Tensor[] {
    const patches = this.#projection.forward(this.#padded(image));
    const [n, h, w, channels] = patches.shape;
    const rows = reshape(patches, [n, h * w, channels]);
    const classTokens = expand(this.#classToken.tensor, [n, 1, channels]);
    let tokens = this.#dropout.forward(add(concat([classTokens, rows], 1), this.#positionsFor([h, w])));
    const maps: Tensor[] = [];
    for (const [i, layer] of this.#layers.entries()) {
      tokens = layer.forwardBlock(tokens);
      if (!this.#outputs.includes(i)) continue;
      const map = reshape(slice(tokens, 1, 1, 1 + h * w), [n, h, w, channels]);
      maps.push(watch(`backbone_outputs_${maps.length}`, map));
    }
    return maps;
  }

  #padded(image: Tensor): Tensor {
    const [, h, w] = image.shape;
    const missing = (size: number): Pair => [0, Math.ceil(size / this.#patchSize) * this.#patchSize - size];
    const padding: Pair[] = [[0, 0], missing(h), missing(w), [0, 0]];
    return padding.every(([, after]) => after === 0) ? image : pad(image, padding);
  }

  /**
   * The position embedding for a grid of patches: that of the class token stays, the others are resampled. The official
   * code does so where the number of patches differs, and takes another grid of as many for the stored one.
   */
  #positionsFor(size: Pair): Tensor {
    const stored = this.#positions.tensor;
    const [height, width] = this.#grid;
    if (size[0] === height && size[1] === width) return stored;
    const [, tokens, channels] = stored.shape;
    const map = reshape(slice(stored, 1, 1, tokens), [1, height, width, channels]);
    const resized = reshape(interpolateBilinear(map, { size }), [1, size[0] * size[1], channels]);
    return concat([slice(stored, 1, 0, 1), resized], 1);
  }
}
