import { attention } from "../ops/attention.ts";
import { scale } from "../ops/elementwise.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/shape_ops.ts";
import { slice } from "../ops/slice.ts";
import { softmax } from "../ops/softmax.ts";
import { Conv2d, Sequential, convBnAct } from "../nn/layers.ts";
import { Layer, Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface SelfAttentionOptions {
  readonly queryInChannels: number;
  readonly keyInChannels: number;
  /** Width of queries and keys. */
  readonly transformChannels: number;
  readonly outChannels: number;
  /** One projection for queries and keys. Default false. */
  readonly shareKeyQuery?: boolean;
  /** 1x1 convolutions per projection. Defaults 2 and 1. */
  readonly keyQueryConvs?: number;
  readonly valueOutConvs?: number;
  /** Batch normalisation and activation after each of them. Default true. */
  readonly keyQueryNorm?: boolean;
  readonly valueOutNorm?: boolean;
  /** Divides the products by sqrt(transformChannels). Default true. */
  readonly scaled?: boolean;
  /** Default true; without it the values have outChannels. */
  readonly outProject?: boolean;
  /** LeakyReLU's slope; 0 for ReLU. Default 0. */
  readonly slope?: number;
}

/**
 * Attention from every position of one map to every position of another, between 1x1 projections (METHOD.md 3.6):
 * out(softmax(q(Q) · k(X)ᵀ / sqrt(transformChannels)) · v(X)). Single head, no residual, no positional encoding.
 */
export class SelfAttentionBlock extends Module {
  readonly #key: Layer;
  readonly #query: Layer;
  readonly #value: Layer;
  readonly #out: Layer | null;
  readonly #scale: number;

  constructor(options: SelfAttentionOptions) {
    super();
    const { queryInChannels, keyInChannels, transformChannels, outChannels, slope = 0 } = options;
    const {
      keyQueryConvs = 2,
      valueOutConvs = 1,
      keyQueryNorm = true,
      valueOutNorm = true,
      outProject = true,
    } = options;
    const keyQuery = { count: keyQueryConvs, norm: keyQueryNorm, slope };
    const valueOut = { count: valueOutConvs, norm: valueOutNorm, slope };
    this.#key = this.child("key_project", projection(keyInChannels, transformChannels, keyQuery));
    const ownQuery = options.shareKeyQuery ? this.#key : projection(queryInChannels, transformChannels, keyQuery);
    this.#query = this.child("query_project", ownQuery);
    const valueChannels = outProject ? transformChannels : outChannels;
    this.#value = this.child("value_project", projection(keyInChannels, valueChannels, valueOut));
    this.#out = outProject ? this.child("out_project", projection(transformChannels, outChannels, valueOut)) : null;
    this.#scale = (options.scaled ?? true) ? transformChannels ** -0.5 : 1;
  }

  /** query [n, h, w, queryInChannels], key [n, h', w', keyInChannels] -> [n, h, w, outChannels]. */
  forward(query: Tensor, key: Tensor): Tensor {
    const [n, h, w] = query.shape;
    // Queries before keys: a shared projection counts batches in this order.
    const q = flatten(this.#query.forwardBlock(query));
    const k = flatten(this.#key.forwardBlock(key));
    const v = flatten(this.#value.forwardBlock(key));
    const context = attention(q, k, v, { scale: this.#scale });
    const map = reshape(context, [n, h, w, context.shape[2]]);
    return this.#out?.forwardBlock(map) ?? map;
  }

  /** What `forward` mixes the values with at one position of the query: [1, h'·w'], of one image. */
  weights(query: Tensor, key: Tensor, position: number): Tensor {
    const [q, k] = [flatten(this.#query.forward(query)), flatten(this.#key.forward(key))];
    const chosen = slice(q, 1, position, position + 1);
    const products = matmul(reshape(chosen, [1, q.shape[2]]), reshape(k, k.shape.slice(1)), { transposeB: true });
    return softmax(scale(products, this.#scale));
  }
}

/** [n, h, w, c] -> [n, h·w, c]. */
function flatten(x: Tensor): Tensor {
  const [n, h, w, c] = x.shape;
  return reshape(x, [n, h * w, c]);
}

/** A single convolution stands for itself, several are numbered: the names of the official state dicts. */
function projection(
  inChannels: number,
  outChannels: number,
  options: { count: number; norm: boolean; slope: number },
): Layer {
  const layers = Array.from({ length: options.count }, (_, i) => {
    const from = i === 0 ? inChannels : outChannels;
    return options.norm
      ? convBnAct(from, outChannels, 1, { slope: options.slope })
      : new Conv2d(from, outChannels, 1, { bias: false });
  });
  return layers.length === 1 ? layers[0] : new Sequential(...layers);
}
