/** What HRNet's stages are made of: branches of different resolution, and the ways between them (METHOD.md 3.3). */
import { relu } from "../ops/activation.ts";
import { add } from "../ops/elementwise.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { BatchNorm2d, Conv2d, ModuleList, ReLU, Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { Layer } from "../nn/module.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BasicBlock, residualStage } from "./residual.ts";

/** 3x3 convolution of the given stride and batch normalisation, with ReLU behind unless told otherwise. */
function step(inChannels: number, outChannels: number, stride: 1 | 2, { activated = true } = {}): Sequential {
  const convolution = new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });
  return new Sequential(convolution, new BatchNorm2d(outChannels), ...(activated ? [new ReLU()] : []));
}

/** From the branches of one stage to those of the next, which are one more and may have other widths. */
export class Transition extends Module {
  /** Null where a branch goes on as it is. */
  readonly #layers: readonly (Layer | null)[];

  constructor(before: readonly number[], after: readonly number[]) {
    super();
    this.#layers = after.map((channels, i) => {
      if (i === before.length) return this.child(String(i), new Sequential(step(before[i - 1], channels, 2)));
      return before[i] === channels ? null : this.child(String(i), step(before[i], channels, 1));
    });
  }

  /** The new branch begins where the lowest resolution so far ends. */
  forward(maps: readonly Tensor[]): Tensor[] {
    return this.#layers.map((layer, i) => {
      const from = maps[Math.min(i, maps.length - 1)];
      return layer ? layer.forward(from) : from;
    });
  }
}

/** Blocks on every branch, then each branch becomes the sum of all, brought to its resolution and width. */
export class ExchangeModule extends Module {
  readonly #branches: ModuleList<Sequential>;
  readonly #fusion: Fusion;

  /** @param widths channels of the branches, the highest resolution first */
  constructor(widths: readonly number[], blocks: number) {
    super();
    const branches = widths.map((planes) =>
      residualStage(BasicBlock, { count: blocks, inChannels: planes, planes, stride: 1, dilation: 1 }),
    );
    this.#branches = this.child("branches", new ModuleList(branches));
    this.#fusion = this.child("fuse_layers", new Fusion(widths));
  }

  /** One map [n, h / 2^i, w / 2^i, widths[i]] per branch -> the same. */
  forward(maps: readonly Tensor[]): Tensor[] {
    const inner = this.#branches.modules.map((branch, i) => branch.forwardBlock(maps[i]));
    return this.#fusion.forward(inner);
  }
}

/** The ways from every branch j to every branch i, named `i.j`. */
class Fusion extends Module {
  readonly #targets: readonly FusionTarget[];

  constructor(widths: readonly number[]) {
    super();
    this.#targets = widths.map((_, i) => this.child(String(i), new FusionTarget(widths, i)));
  }

  forward(maps: readonly Tensor[]): Tensor[] {
    return this.#targets.map((target) => target.forward(maps));
  }
}

class FusionTarget extends Module {
  readonly #index: number;
  /** By source; null for the branch itself. */
  readonly #ways: readonly (Layer | null)[];

  constructor(widths: readonly number[], index: number) {
    super();
    this.#index = index;
    this.#ways = widths.map((_, source) => {
      if (source === index) return null;
      const way = source > index ? upwards : downwards;
      return this.child(String(source), way(widths, source, index));
    });
  }

  forward(maps: readonly Tensor[]): Tensor {
    const [, h, w] = maps[this.#index].shape;
    const terms = this.#ways.map((way, source) => {
      if (!way) return maps[source];
      const arrived = way.forward(maps[source]);
      return source > this.#index ? enlarge(arrived, 2 ** (source - this.#index), [h, w]) : arrived;
    });
    return relu(terms.reduce((total, term) => add(total, term)));
  }
}

/** To a higher resolution: 1x1 convolution, then resampling. */
function upwards(widths: readonly number[], source: number, target: number): Sequential {
  const convolution = new Conv2d(widths[source], widths[target], 1, { bias: false });
  return new Sequential(convolution, new BatchNorm2d(widths[target]));
}

/** To a lower resolution: one strided convolution per halving, of which the last changes the width. */
function downwards(widths: readonly number[], source: number, target: number): Sequential {
  const steps = Array.from({ length: target - source }, (_, k) => {
    const isLast = k === target - source - 1;
    return step(widths[source], widths[isLast ? target : source], 2, { activated: !isLast });
  });
  return new Sequential(...steps);
}

/** By the factor first and then to the size, which differs where halving a branch has rounded up. */
function enlarge(x: Tensor, factor: number, size: Pair): Tensor {
  const larger = interpolateBilinear(x, { scaleFactor: [factor, factor] });
  const fits = larger.shape[1] === size[0] && larger.shape[2] === size[1];
  return fits ? larger : interpolateBilinear(larger, { size });
}
