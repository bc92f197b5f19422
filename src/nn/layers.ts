/** Layers over the operations, with PyTorch's parameters and defaults. Activations are [n, h, w, c]. */
import { isRepeated } from "../autograd/checkpoint.ts";
import { isGradEnabled } from "../autograd/tape.ts";
import { leakyRelu, relu } from "../ops/activation.ts";
import { batchNorm } from "../ops/batch_norm.ts";
import { conv2d } from "../ops/conv2d.ts";
import { interpolateNearest } from "../ops/interpolate_nearest.ts";
import { adaptiveAvgPool2d, avgPool2d, maxPool2d } from "../ops/pool.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Dropout } from "./dense.ts";
import { ones, uniformFanIn, zeros } from "./init.ts";
import { Layer, Module } from "./module.ts";
import type { Counter, Variable } from "./variable.ts";

const toPair = (value: number | Pair): Pair => (typeof value === "number" ? [value, value] : value);

/** As in torch.nn.Conv2d; a single number counts for height and width. */
export interface ConvOptions {
  readonly stride?: number | Pair;
  readonly padding?: number | Pair;
  readonly dilation?: number | Pair;
  readonly groups?: number;
  /** Default true. */
  readonly bias?: boolean;
}

/** Convolution with zero padding (torch.nn.Conv2d): [n, h, w, inChannels] -> [n, h', w', outChannels]. */
export class Conv2d extends Layer {
  readonly #weight: Variable;
  readonly #bias: Variable | null;
  readonly #options: { stride: Pair; padding: Pair; dilation: Pair; groups: number };

  constructor(inChannels: number, outChannels: number, kernel: number | Pair, options: ConvOptions = {}) {
    super();
    const { stride = 1, padding = 0, dilation = 1, groups = 1, bias = true } = options;
    const [kh, kw] = toPair(kernel);
    const initializer = uniformFanIn((inChannels / groups) * kh * kw);
    const shape = [kh, kw, inChannels / groups, outChannels];
    this.#weight = this.variable("weight", { shape, layout: "HWIO", initializer });
    this.#bias = bias ? this.variable("bias", { shape: [outChannels], initializer }) : null;
    this.#options = { stride: toPair(stride), padding: toPair(padding), dilation: toPair(dilation), groups };
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.#weight.tensor, this.#bias?.tensor ?? null, this.#options);
  }
}

/** As in torch.nn.BatchNorm2d. */
export interface BatchNormOptions {
  readonly eps?: number;
  /** Weight of the batch in the running statistics. */
  readonly momentum?: number;
}

/** Normalisation of [n, h, w, channels] over n, h and w: by the batch in training, else by the running statistics. */
export class BatchNorm2d extends Layer {
  /** Whether training passes enter the running statistics. */
  updateRunning = true;
  readonly #weight: Variable;
  readonly #bias: Variable;
  readonly #mean: Variable;
  readonly #var: Variable;
  readonly #batches: Counter;
  readonly #options: { eps: number; momentum: number };

  constructor(channels: number, { eps = 1e-5, momentum = 0.1 }: BatchNormOptions = {}) {
    super();
    const shape = [channels];
    this.#weight = this.variable("weight", { shape, initializer: ones });
    this.#bias = this.variable("bias", { shape, initializer: zeros });
    this.#mean = this.variable("running_mean", { shape, initializer: zeros, trainable: false });
    this.#var = this.variable("running_var", { shape, initializer: ones, trainable: false });
    this.#batches = this.counter("num_batches_tracked");
    this.#options = { eps, momentum };
  }

  /** `next`: what comes after the normalisation and is computed with it. */
  forward(x: Tensor, next: { residual?: Tensor; slope?: number } = {}): Tensor {
    const running = { mean: this.#mean.tensor, var: this.#var.tensor };
    const { training } = this;
    const updateRunning = this.updateRunning && !isRepeated();
    const y = batchNorm(x, this.#weight.tensor, this.#bias.tensor, running, {
      ...this.#options,
      ...next,
      training,
      updateRunning,
    });
    if (training && updateRunning) this.#batches.value++;
    return y;
  }
}

/** fn(), without its training passes through `module` entering the running statistics there. */
export function withFrozenStatistics<T>(module: Module, fn: () => T): T {
  const norms = [...module.walk()].filter((inner) => inner instanceof BatchNorm2d);
  for (const norm of norms) norm.updateRunning = false;
  try {
    return fn();
  } finally {
    for (const norm of norms) norm.updateRunning = true;
  }
}

/** max(x, 0); any shape. */
export class ReLU extends Layer {
  readonly slope = 0;

  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** x where positive, slope·x elsewhere; any shape. */
export class LeakyReLU extends Layer {
  readonly slope: number;

  constructor(slope = 0.01) {
    super();
    this.slope = slope;
  }

  forward(x: Tensor): Tensor {
    return leakyRelu(x, this.slope);
  }
}

/** Largest value of every window: [n, h, w, c] -> [n, h', w', c]. */
export class MaxPool2d extends Layer {
  readonly #options: { kernel: Pair; stride: Pair; padding: Pair };

  constructor(
    kernel: number | Pair,
    { stride = kernel, padding = 0 }: { stride?: number | Pair; padding?: number | Pair } = {},
  ) {
    super();
    this.#options = { kernel: toPair(kernel), stride: toPair(stride), padding: toPair(padding) };
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.#options);
  }
}

/** Means of [n, h, w, c] over windows side by side, at the edge over what they have (PyTorch's ceil_mode). */
export class AvgPool2d extends Layer {
  readonly #kernel: Pair;

  constructor(kernel: number | Pair) {
    super();
    this.#kernel = toPair(kernel);
  }

  forward(x: Tensor): Tensor {
    if (this.#kernel.every((n) => n === 1)) return x;
    return avgPool2d(x, { kernel: this.#kernel, stride: this.#kernel, ceilMode: true, countIncludePad: false });
  }
}

/** Means over a grid of `size` bins: [n, h, w, c] -> [n, height, width, c]. */
export class AdaptiveAvgPool2d extends Layer {
  readonly #size: Pair;

  constructor(size: number | Pair) {
    super();
    this.#size = toPair(size);
  }

  forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.#size);
  }
}

/** Repeats every pixel `factor` times along both axes (nn.Upsample with its default mode, nearest). */
export class UpsampleNearest extends Layer {
  readonly #factor: number;

  constructor(factor: number) {
    super();
    this.#factor = factor;
  }

  forward(x: Tensor): Tensor {
    return interpolateNearest(x, { scaleFactor: [this.#factor, this.#factor] });
  }
}

/** Drops whole channels of single images in training, and scales the others by 1 / (1 - p). */
export class Dropout2d extends Dropout {
  protected override readonly perChannel = true;
}

/** Layers one after the other, named 0, 1, 2, ... */
export class Sequential extends Layer {
  readonly layers: readonly Layer[];

  constructor(...layers: Layer[]) {
    super();
    this.layers = layers.map((layer, i) => this.child(String(i), layer));
  }

  forward(x: Tensor): Tensor {
    return inOrder(this.layers, x);
  }
}

/** Layers one after the other; a batch normalisation takes the activation behind it along. */
export function inOrder(layers: readonly Layer[], x: Tensor): Tensor {
  return chain(layers, x, (layer, value, i) => {
    const next = layers[i + 1];
    if (layer instanceof BatchNorm2d && isActivation(next)) return layer.forward(value, { slope: next.slope });
    return isActivation(layer) && layers[i - 1] instanceof BatchNorm2d ? value : layer.forward(value);
  });
}

/** x through one step after the other. Without recording, what lies between is released as soon as it is used. */
export function chain<S>(steps: readonly S[], x: Tensor, apply: (step: S, value: Tensor, i: number) => Tensor): Tensor {
  return steps.reduce((value, step, i) => {
    const next = apply(step, value, i);
    if (!isGradEnabled() && value !== x && value !== next) value.release();
    return next;
  }, x);
}

function isActivation(layer: Layer | undefined): layer is ReLU | LeakyReLU {
  return layer instanceof ReLU || layer instanceof LeakyReLU;
}

/** Modules kept side by side, named 0, 1, 2, ... */
export class ModuleList<M extends Module> extends Module {
  readonly modules: readonly M[];

  constructor(modules: readonly M[]) {
    super();
    this.modules = modules.map((module, i) => this.child(String(i), module));
  }
}

/** A module by itself, under one more level of names. */
export class Nested<M extends Module> extends Module {
  readonly module: M;

  constructor(name: string, module: M) {
    super();
    this.module = this.child(name, module);
  }
}

/** ReLU for slope 0, LeakyReLU above. */
export function activation(slope: number): Layer {
  return slope === 0 ? new ReLU() : new LeakyReLU(slope);
}

/** Convolution without bias, batch normalisation, activation: 0, 1, 2 of a Sequential. Keeps the map's size. */
export function convBnAct(
  inChannels: number,
  outChannels: number,
  kernel: number,
  { slope = 0, dilation = 1 }: { slope?: number; dilation?: number } = {},
): Sequential {
  const padding = (dilation * (kernel - 1)) / 2;
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernel, { padding, dilation, bias: false }),
    new BatchNorm2d(outChannels),
    activation(slope),
  );
}
