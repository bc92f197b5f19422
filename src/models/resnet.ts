/** ResNet with the options of segmentation: deep stem, dilated stages, slim widths (spec section 3.1). */
import { AvgPool2d, BatchNorm2d, Conv2d, MaxPool2d, ReLU, Sequential, inOrder } from "../nn/layers.ts";
import { Layer, Module } from "../nn/module.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface ResNetOptions {
  readonly block: "basic" | "bottleneck";
  /** Residual blocks of the four stages. */
  readonly blocks: readonly [number, number, number, number];
  /** Planes of the first stage; every stage doubles them. */
  readonly baseChannels: number;
  readonly stemChannels: number;
  /** Three 3x3 convolutions (`stem.N`) instead of one 7x7 (`conv1`, `bn1`). */
  readonly deepStem: boolean;
  readonly outputStride: 8 | 16 | 32;
  /** The first block of a stage with dilation d > 1 uses d / 2. */
  readonly contractedDilation: boolean;
  /** Shortcuts average before a 1x1 convolution of stride 1, instead of a strided one. Default false. */
  readonly avgDownsample?: boolean;
}

/** The standard networks by depth. */
export const RESNET_LAYOUTS = {
  18: { block: "basic", blocks: [2, 2, 2, 2] },
  34: { block: "basic", blocks: [3, 4, 6, 3] },
  50: { block: "bottleneck", blocks: [3, 4, 6, 3] },
  101: { block: "bottleneck", blocks: [3, 4, 23, 3] },
} as const satisfies Record<number, Pick<ResNetOptions, "block" | "blocks">>;

/** Stride and dilation of the four stages by output stride. */
const STAGES = {
  8: { strides: [1, 2, 1, 1], dilations: [1, 1, 2, 4] },
  16: { strides: [1, 2, 2, 1], dilations: [1, 1, 1, 2] },
  32: { strides: [1, 2, 2, 2], dilations: [1, 1, 1, 1] },
} as const;

const EXPANSION = { basic: 1, bottleneck: 4 } as const;

interface BlockOptions {
  readonly inChannels: number;
  readonly planes: number;
  readonly stride: number;
  readonly dilation: number;
  readonly downsample: Sequential | null;
}

class BasicBlock extends Layer {
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

class Bottleneck extends Layer {
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
    const outChannels = planes * EXPANSION.bottleneck;
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

export class ResNet extends Module {
  /** Channels of the four outputs. */
  readonly channels: readonly number[];
  readonly #stem: Layer[];
  readonly #stages: Sequential[];

  constructor(options: ResNetOptions) {
    super();
    const { block, blocks, baseChannels, stemChannels, outputStride } = options;
    this.#stem = options.deepStem ? this.#deepStem(stemChannels) : this.#plainStem(stemChannels);
    this.#stem.push(new MaxPool2d(3, { stride: 2, padding: 1 }));
    this.channels = blocks.map((_, i) => baseChannels * 2 ** i * EXPANSION[block]);
    const { strides, dilations } = STAGES[outputStride];
    this.#stages = blocks.map((count, i) => {
      const inChannels = i === 0 ? stemChannels : this.channels[i - 1];
      const place = { inChannels, planes: baseChannels * 2 ** i, stride: strides[i], dilation: dilations[i] };
      return this.child(`layer${i + 1}`, stage(options, count, place));
    });
  }

  /** image [n, h, w, 3] -> the four stage outputs [n, h / s, w / s, channels], watched as `backbone_outputs_0..3`. */
  forward(image: Tensor, watch: Watch = unwatched): Tensor[] {
    let x = this.block((input) => inOrder(this.#stem, input), image);
    return this.#stages.map(({ layers }, i) => {
      for (const block of layers) x = block.forwardBlock(x);
      return (x = watch(`backbone_outputs_${i}`, x));
    });
  }

  #deepStem(channels: number): Layer[] {
    const half = channels / 2;
    const convolution = (inChannels: number, outChannels: number, stride: number): Layer[] => [
      new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false }),
      new BatchNorm2d(outChannels),
      new ReLU(),
    ];
    const layers = [...convolution(3, half, 2), ...convolution(half, half, 1), ...convolution(half, channels, 1)];
    return [this.child("stem", new Sequential(...layers))];
  }

  #plainStem(channels: number): Layer[] {
    const conv1 = this.child("conv1", new Conv2d(3, channels, 7, { stride: 2, padding: 3, bias: false }));
    const bn1 = this.child("bn1", new BatchNorm2d(channels));
    return [conv1, bn1, new ReLU()];
  }
}

function stage(options: ResNetOptions, count: number, first: Omit<BlockOptions, "downsample">): Sequential {
  const Block = options.block === "basic" ? BasicBlock : Bottleneck;
  const { inChannels, planes, stride, dilation } = first;
  const channels = planes * EXPANSION[options.block];
  const isContracted = options.contractedDilation && dilation > 1;
  const needsProjection = stride !== 1 || inChannels !== channels;
  const downsample = needsProjection ? projection(inChannels, channels, stride, options.avgDownsample ?? false) : null;
  const blocks = [new Block({ ...first, dilation: isContracted ? dilation / 2 : dilation, downsample })];
  for (let i = 1; i < count; i++) {
    blocks.push(new Block({ inChannels: channels, planes, stride: 1, dilation, downsample: null }));
  }
  return new Sequential(...blocks);
}

/** The shortcut where shapes differ. */
function projection(inChannels: number, outChannels: number, stride: number, averages: boolean): Sequential {
  const convolution = new Conv2d(inChannels, outChannels, 1, { stride: averages ? 1 : stride, bias: false });
  const norm = new BatchNorm2d(outChannels);
  return averages ? new Sequential(new AvgPool2d(stride), convolution, norm) : new Sequential(convolution, norm);
}
