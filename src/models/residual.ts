/** The blocks that residual networks are made of, and stages of them (METHOD.md 3.1). */
import { AvgPool2d, BatchNorm2d, Conv2d, Sequential } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** A kind of block. */
export interface BlockType {
  new (options: BlockOptions): Layer;
  /** Channels that come out, relative to its planes. */
  readonly expansion: number;
}

export interface BlockOptions {
  readonly inChannels: number;
  readonly planes: number;
  readonly stride: number;
  readonly dilation: number;
  readonly downsample: Sequential | null;
}

export class BasicBlock extends Layer {
  static readonly expansion = 1;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: Conv2d;
  readonly #bn2: BatchNorm2d;
  readonly #downsample: Sequential | null;

  /** Only the first convolution is dilated: that is how the official code has it. */
  constructor({ inChannels, planes, stride, dilation, downsample }: BlockOptions) {
    super();
    const first = { stride, padding: dilation, dilation, bias: false };
    this.#conv1 = this.child("conv1", new Conv2d(inChannels, planes, 3, first));
    this.#bn1 = this.child("bn1", new BatchNorm2d(planes));
    this.#conv2 = this.child("conv2", new Conv2d(planes, planes, 3, { padding: 1, bias: false }));
    this.#bn2 = this.child("bn2", new BatchNorm2d(planes));
    this.#downsample = downsample && this.child("downsample", downsample);
  }

  forward(x: Tensor): Tensor {
    const inner = this.#bn1.forward(this.#conv1.forward(x), { slope: 0 });
    const residual = this.#downsample?.forward(x) ?? x;
    return this.#bn2.forward(this.#conv2.forward(inner), { residual, slope: 0 });
  }
}

export class Bottleneck extends Layer {
  static readonly expansion = 4;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: Conv2d;
  readonly #bn2: BatchNorm2d;
  readonly #conv3: Conv2d;
  readonly #bn3: BatchNorm2d;
  readonly #downsample: Sequential | null;

  /** The 3x3 convolution carries stride and dilation ("pytorch style"). */
  constructor({ inChannels, planes, stride, dilation, downsample }: BlockOptions) {
    super();
    const middle = { stride, padding: dilation, dilation, bias: false };
    const outChannels = planes * Bottleneck.expansion;
    this.#conv1 = this.child("conv1", new Conv2d(inChannels, planes, 1, { bias: false }));
    this.#bn1 = this.child("bn1", new BatchNorm2d(planes));
    this.#conv2 = this.child("conv2", new Conv2d(planes, planes, 3, middle));
    this.#bn2 = this.child("bn2", new BatchNorm2d(planes));
    this.#conv3 = this.child("conv3", new Conv2d(planes, outChannels, 1, { bias: false }));
    this.#bn3 = this.child("bn3", new BatchNorm2d(outChannels));
    this.#downsample = downsample && this.child("downsample", downsample);
  }

  forward(x: Tensor): Tensor {
    const reduced = this.#bn1.forward(this.#conv1.forward(x), { slope: 0 });
    const spatial = this.#bn2.forward(this.#conv2.forward(reduced), { slope: 0 });
    const residual = this.#downsample?.forward(x) ?? x;
    return this.#bn3.forward(this.#conv3.forward(spatial), { residual, slope: 0 });
  }
}

export interface StageOptions extends Omit<BlockOptions, "downsample"> {
  readonly count: number;
  /** The first block uses half of a dilation above 1. Default false. */
  readonly contractedDilation?: boolean;
  /** The shortcut averages before a 1x1 convolution of stride 1, instead of a strided one. Default false. */
  readonly avgDownsample?: boolean;
}

/** `count` blocks, of which the first carries the stride and changes the channels to planes times expansion. */
export function residualStage(Block: BlockType, options: StageOptions): Sequential {
  const { count, inChannels, planes, stride, dilation, contractedDilation = false, avgDownsample = false } = options;
  const channels = planes * Block.expansion;
  const isContracted = contractedDilation && dilation > 1;
  const needsProjection = stride !== 1 || inChannels !== channels;
  const downsample = needsProjection ? projection(inChannels, channels, stride, avgDownsample) : null;
  const first = { inChannels, planes, stride, dilation: isContracted ? dilation / 2 : dilation, downsample };
  const others = { inChannels: channels, planes, stride: 1, dilation, downsample: null };
  return new Sequential(...Array.from({ length: count }, (_, i) => new Block(i === 0 ? first : others)));
}

/** The shortcut where shapes differ. */
function projection(inChannels: number, outChannels: number, stride: number, averages: boolean): Sequential {
  const convolution = new Conv2d(inChannels, outChannels, 1, { stride: averages ? 1 : stride, bias: false });
  const norm = new BatchNorm2d(outChannels);
  return averages ? new Sequential(new AvgPool2d(stride), convolution, norm) : new Sequential(convolution, norm);
}
