/** ResNeSt (Zhang et al., "ResNeSt: Split-Attention Networks") with radix 2 and cardinality 1 (METHOD.md 3.2). */
import { BatchNorm2d, Conv2d } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import { Layer } from "../nn/module.ts";
import { mul } from "../ops/elementwise.ts";
import { avgPool2d } from "../ops/pool.ts";
import { mean, sum } from "../ops/reduce.ts";
import { reshape } from "../ops/shape_ops.ts";
import { softmax } from "../ops/softmax.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Bottleneck } from "./residual.ts";
import type { BlockOptions } from "./residual.ts";
import { ResNet } from "./resnet.ts";
import type { ResNetOptions } from "./resnet.ts";

/** Of `ResNeSt`. */
export type ResNeStOptions = Pick<
  ResNetOptions,
  "blocks" | "baseChannels" | "stemChannels" | "deepStem" | "outputStride" | "contractedDilation" | "avgDownsample"
>;

/** The standard networks by depth. */
export const RESNEST_LAYOUTS = {
  50: { blocks: [3, 4, 6, 3] },
  101: { blocks: [3, 4, 23, 3] },
  200: { blocks: [3, 24, 36, 3] },
} as const satisfies Record<number, Pick<ResNeStOptions, "blocks">>;

/** Maps that a split-attention convolution computes side by side. */
const RADIX = 2;
/** Its hidden width: channels times radix, divided by this, and at least the other. */
const REDUCTION = 4;
const LEAST_HIDDEN = 32;

/**
 * A 3x3 convolution to two maps of the same width, of which every channel is a mixture that the image as a whole
 * decides: [n, h, w, channels] -> the same. Training needs a batch of at least 2, since what decides has one value per
 * image and channel.
 */
export class SplitAttention extends Layer {
  readonly #conv: Conv2d;
  readonly #bn0: BatchNorm2d;
  readonly #fc1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #fc2: Conv2d;

  constructor(channels: number, dilation = 1) {
    super();
    const options = { padding: dilation, dilation, groups: RADIX, bias: false };
    const hidden = Math.max((channels * RADIX) / REDUCTION, LEAST_HIDDEN);
    this.#conv = this.child("conv", new Conv2d(channels, channels * RADIX, 3, options));
    this.#bn0 = this.child("bn0", new BatchNorm2d(channels * RADIX));
    this.#fc1 = this.child("fc1", new Conv2d(channels, hidden, 1));
    this.#bn1 = this.child("bn1", new BatchNorm2d(hidden));
    this.#fc2 = this.child("fc2", new Conv2d(hidden, channels * RADIX, 1));
  }

  forward(x: Tensor): Tensor {
    const [n, h, w, c] = x.shape;
    const splits = this.#bn0.forward(this.#conv.forward(x), { slope: 0 });
    // The mean of the summed maps, taken where it is cheaper: the sum of their means.
    const pooled = sum(reshape(mean(splits, [1, 2]), [n, 1, 1, RADIX, c]), [3]);
    const hidden = this.#bn1.forward(this.#fc1.forward(pooled), { slope: 0 });
    const shares = softmax(reshape(this.#fc2.forward(hidden), [n, RADIX, c]), 1);
    const weighted = mul(splits, reshape(shares, [n, 1, 1, RADIX * c]));
    return sum(reshape(weighted, [n, h, w, RADIX, c]), [3]);
  }
}

/** As Bottleneck, around a split-attention convolution; where it is to stride, an average pooling does. */
class SplitBottleneck extends Layer {
  static readonly expansion = Bottleneck.expansion;
  readonly #conv1: Conv2d;
  readonly #bn1: BatchNorm2d;
  readonly #conv2: SplitAttention;
  readonly #stride: number;
  readonly #conv3: Conv2d;
  readonly #bn3: BatchNorm2d;
  readonly #downsample: Sequential | null;

  constructor({ inChannels, planes, stride, dilation, downsample }: BlockOptions) {
    super();
    const outChannels = planes * SplitBottleneck.expansion;
    this.#conv1 = this.child("conv1", new Conv2d(inChannels, planes, 1, { bias: false }));
    this.#bn1 = this.child("bn1", new BatchNorm2d(planes));
    this.#conv2 = this.child("conv2", new SplitAttention(planes, dilation));
    this.#stride = stride;
    this.#conv3 = this.child("conv3", new Conv2d(planes, outChannels, 1, { bias: false }));
    this.#bn3 = this.child("bn3", new BatchNorm2d(outChannels));
    this.#downsample = downsample && this.child("downsample", downsample);
  }

  forward(x: Tensor): Tensor {
    const mixed = this.#conv2.forward(this.#bn1.forward(this.#conv1.forward(x), { slope: 0 }));
    const stride = this.#stride;
    const spatial =
      stride > 1 ? avgPool2d(mixed, { kernel: [3, 3], stride: [stride, stride], padding: [1, 1] }) : mixed;
    const residual = this.#downsample?.forward(x) ?? x;
    return this.#bn3.forward(this.#conv3.forward(spatial), { residual, slope: 0 });
  }
}

/** A ResNet of these blocks: same stages, strides and dilations, same names but for those inside `conv2`. */
export class ResNeSt extends ResNet {
  constructor(options: ResNeStOptions) {
    super({ ...options, block: "bottleneck" }, SplitBottleneck);
  }
}
