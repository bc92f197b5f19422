/** ResNet with the options of segmentation: deep stem, dilated stages, slim widths (METHOD.md 3.1). */
import { BatchNorm2d, Conv2d, MaxPool2d, ReLU, Sequential, chain, inOrder } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import type { Layer } from "../nn/module.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BasicBlock, Bottleneck, residualStage } from "./residual.ts";
import type { BlockType } from "./residual.ts";

/** Of `ResNet`. */
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

const BLOCKS = { basic: BasicBlock, bottleneck: Bottleneck } as const;

/** Residual network for images [n, h, w, 3] (He et al., CVPR 2016), whose maps are [n, h / s, w / s, channels]. */
export class ResNet extends Module {
  /** Channels of the four outputs. */
  readonly channels: readonly number[];
  readonly #stem: Layer[];
  readonly #stages: Sequential[];

  /** @param Block what the stages are made of, where it is neither of the two that `options.block` names */
  constructor(options: ResNetOptions, Block: BlockType = BLOCKS[options.block]) {
    super();
    const { blocks, baseChannels, stemChannels, outputStride } = options;
    this.#stem = options.deepStem ? this.#deepStem(stemChannels) : this.#plainStem(stemChannels);
    this.#stem.push(new MaxPool2d(3, { stride: 2, padding: 1 }));
    this.channels = blocks.map((_, i) => baseChannels * 2 ** i * Block.expansion);
    const { strides, dilations } = STAGES[outputStride];
    this.#stages = blocks.map((count, i) => {
      const inChannels = i === 0 ? stemChannels : this.channels[i - 1];
      const place = { inChannels, planes: baseChannels * 2 ** i, stride: strides[i], dilation: dilations[i] };
      return this.child(`layer${i + 1}`, residualStage(Block, { ...options, ...place, count }));
    });
  }

  /** image [n, h, w, 3] -> the four stage outputs [n, h / s, w / s, channels], watched as `backbone_outputs_0..3`. */
  forward(image: Tensor, watch: Watch = unwatched): Tensor[] {
    let x = this.block((input) => inOrder(this.#stem, input), image);
    return this.#stages.map(({ layers }, i) => {
      x = chain(layers, x, (block, value) => block.forwardBlock(value));
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

