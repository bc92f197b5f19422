/** Layers that treat every row of features [..., c] alike, with PyTorch's parameters and defaults. */
import { once } from "../autograd/checkpoint.ts";
import { dropout } from "../ops/dropout.ts";
import { add } from "../ops/elementwise.ts";
import { gelu } from "../ops/gelu.ts";
import { layerNorm } from "../ops/layer_norm.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/shape_ops.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ones, uniformFanIn, zeros } from "./init.ts";
import type { Initializer } from "./init.ts";
import { Layer } from "./module.ts";
import type { RandomState } from "./random_state.ts";
import type { Variable } from "./variable.ts";

/** x·weightᵀ + bias: x [..., in], weight [out, in], bias [out] -> [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const outer = x.shape.slice(0, -1);
  const [outFeatures, inFeatures] = weight.shape;
  const product = matmul(reshape(x, [sizeOf(outer), inFeatures]), weight, { transposeB: true });
  return reshape(add(product, bias), [...outer, outFeatures]);
}

/** x·weightᵀ + bias (torch.nn.Linear): [..., inFeatures] -> [..., outFeatures]. */
export class Linear extends Layer {
  readonly #weight: Variable;
  readonly #bias: Variable;

  /** @param options initial values of the bias; default those of the weights */
  constructor(inFeatures: number, outFeatures: number, options: { readonly bias?: Initializer } = {}) {
    super();
    const initializer = uniformFanIn(inFeatures);
    this.#weight = this.variable("weight", { shape: [outFeatures, inFeatures], initializer });
    this.#bias = this.variable("bias", { shape: [outFeatures], initializer: options.bias ?? initializer });
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.#weight.tensor, this.#bias.tensor);
  }
}

/** Normalisation of every row of [..., channels] by its own mean and variance. */
export class LayerNorm extends Layer {
  readonly #weight: Variable;
  readonly #bias: Variable;
  readonly #eps: number;

  constructor(channels: number, { eps = 1e-5 }: { readonly eps?: number } = {}) {
    super();
    this.#weight = this.variable("weight", { shape: [channels], initializer: ones });
    this.#bias = this.variable("bias", { shape: [channels], initializer: zeros });
    this.#eps = eps;
  }

  forward(x: Tensor): Tensor {
    return layerNorm(x, this.#weight.tensor, this.#bias.tensor, { eps: this.#eps });
  }
}

/** Gaussian error linear unit, exactly; any shape. */
export class Gelu extends Layer {
  forward(x: Tensor): Tensor {
    return gelu(x);
  }
}

/** Drops single elements, of any shape, in training, and scales the others by 1 / (1 - p). */
export class Dropout extends Layer {
  /** Whether the channels of an image are dropped whole. */
  protected readonly perChannel: boolean = false;
  readonly #p: number;
  readonly #random: RandomState;

  constructor(p: number, random: RandomState) {
    super();
    this.#p = p;
    this.#random = random;
  }

  forward(x: Tensor): Tensor {
    if (!this.training || this.#p === 0) return x;
    return dropout(x, { p: this.#p, ...once(() => this.#random.draw()), perChannel: this.perChannel });
  }
}
