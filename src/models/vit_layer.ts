/** A transformer encoder layer with normalisation in front, under the names of the official state dicts. */
import { attention } from "../ops/attention.ts";
import { add } from "../ops/elementwise.ts";
import { permute, reshape } from "../ops/shape_ops.ts";
import { slice } from "../ops/slice.ts";
import { Dropout, Gelu, LayerNorm, Linear, linear } from "../nn/dense.ts";
import { xavierUniform, zeros } from "../nn/init.ts";
import { Nested, Sequential } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Variable } from "../nn/variable.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface TransformerLayerOptions {
  /** Width of the tokens; a multiple of the heads. */
  readonly channels: number;
  readonly heads: number;
  /** Width of the hidden layer of the feed-forward part relative to the tokens'. */
  readonly mlpRatio: number;
  /** Probability of dropout behind both parts and inside the feed-forward one. */
  readonly dropout: number;
  /** Of the layer normalisations. */
  readonly eps: number;
}

/** tokens + attention(norm(tokens)), then + feed-forward(norm(...)): [n, s, channels] -> the same. */
export class TransformerLayer extends Layer {
  readonly #norm1: LayerNorm;
  readonly #attention: MultiheadAttention;
  readonly #dropout: Dropout;
  readonly #norm2: LayerNorm;
  readonly #feedForward: Sequential;

  constructor({ channels, heads, mlpRatio, dropout, eps }: TransformerLayerOptions, random: RandomState) {
    super();
    const hidden = channels * mlpRatio;
    this.#norm1 = this.child("ln1", new LayerNorm(channels, { eps }));
    this.#attention = this.child("attn", new Nested("attn", new MultiheadAttention(channels, heads))).module;
    this.#dropout = this.child("dropout", new Dropout(dropout, random));
    this.#norm2 = this.child("ln2", new LayerNorm(channels, { eps }));
    const widen = new Sequential(new Linear(channels, hidden), new Gelu(), new Dropout(dropout, random));
    const layers = new Sequential(widen, new Linear(hidden, channels), new Dropout(dropout, random));
    this.#feedForward = this.child("ffn", new Nested("layers", layers)).module;
  }

  forward(tokens: Tensor): Tensor {
    const attended = this.#attention.forward(this.#norm1.forward(tokens));
    const mixed = add(tokens, this.#dropout.forward(attended));
    return add(mixed, this.#feedForward.forward(this.#norm2.forward(mixed)));
  }
}

/**
 * Self-attention in several heads (torch.nn.MultiheadAttention): every head attends with its own share of the channels.
 * [n, s, channels] -> the same.
 */
export class MultiheadAttention extends Layer {
  readonly #heads: number;
  readonly #weight: Variable;
  readonly #bias: Variable;
  readonly #out: Linear;

  constructor(channels: number, heads: number) {
    super();
    if (channels % heads !== 0) throw new Error(`${channels} channels cannot be shared among ${heads} heads`);
    this.#heads = heads;
    const initializer = xavierUniform(channels, 3 * channels);
    this.#weight = this.variable("in_proj_weight", { shape: [3 * channels, channels], initializer });
    this.#bias = this.variable("in_proj_bias", { shape: [3 * channels], initializer: zeros });
    this.#out = this.child("out_proj", new Linear(channels, channels, { bias: zeros }));
  }

  forward(x: Tensor): Tensor {
    const [n, s, channels] = x.shape;
    const width = channels / this.#heads;
    const projected = reshape(linear(x, this.#weight.tensor, this.#bias.tensor), [n, s, 3, this.#heads, width]);
    const byHead = permute(projected, [2, 0, 3, 1, 4]);
    const [q, k, v] = [0, 1, 2].map((i) => reshape(slice(byHead, 0, i, i + 1), [n * this.#heads, s, width]));
    const mixed = reshape(attention(q, k, v, { scale: width ** -0.5 }), [n, this.#heads, s, width]);
    return this.#out.forward(reshape(permute(mixed, [0, 2, 1, 3]), [n, s, channels]));
  }
}
