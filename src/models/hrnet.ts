/** HRNetV2 (Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition"; METHOD.md 3.3). */
import { concat } from "../ops/concat.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { BatchNorm2d, Conv2d, ModuleList } from "../nn/layers.ts";
import type { Sequential } from "../nn/layers.ts";
import { Module } from "../nn/module.ts";
import { unwatched } from "../nn/watch.ts";
import type { Watch } from "../nn/watch.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { ExchangeModule, Transition } from "./hrnet_exchange.ts";
import { Bottleneck, residualStage } from "./residual.ts";

/** Of `HRNet`. */
export interface HRNetOptions {
  /** Channels of the branch of full resolution; every other branch has twice those of the one before. */
  readonly width: number;
  /** Channels of the two strided convolutions in front; 64 in the standard networks. */
  readonly stemChannels: number;
  /** Planes and number of the bottleneck blocks of the first stage; 64 and, but for the small network, 4. */
  readonly planes: number;
  readonly bottlenecks: number;
  /** Exchange modules of the second, third and fourth stage, which have 2, 3 and 4 branches. */
  readonly modules: readonly [number, number, number];
  /** Basic blocks of every branch of a module. */
  readonly blocks: number;
  /**
   * Leaves out the activation after the first convolution, as the official MCIBI network for Cityscapes was trained
   * (its flag `mcibi_version`). Default false.
   */
  readonly skipStemActivation?: boolean;
}

const STANDARD = { stemChannels: 64, planes: 64, bottlenecks: 4, modules: [1, 4, 3], blocks: 4 } as const;

/** The standard networks by their official names. */
export const HRNET_LAYOUTS = {
  hrnetv2_w18_small: { ...STANDARD, width: 18, bottlenecks: 2, modules: [1, 3, 2], blocks: 2 },
  hrnetv2_w18: { ...STANDARD, width: 18 },
  hrnetv2_w32: { ...STANDARD, width: 32 },
  hrnetv2_w40: { ...STANDARD, width: 40 },
  hrnetv2_w48: { ...STANDARD, width: 48 },
} as const satisfies Record<string, HRNetOptions>;

/**
 * Maps of 1/4, 1/8, 1/16 and 1/32 of the image side by side, exchanging what they hold again and again; the output is
 * all of them at 1/4. It stands for all four outputs of a backbone, as in the official configurations.
 */
export class HRNet extends Module {
  readonly channels: readonly number[];
  readonly #stem: readonly [Conv2d, BatchNorm2d, Conv2d, BatchNorm2d];
  readonly #slope: number | undefined;
  readonly #layer1: Sequential;
  readonly #stages: readonly { transition: Transition; modules: readonly ExchangeModule[] }[];

  constructor(options: HRNetOptions) {
    super();
    const { width, stemChannels, planes, bottlenecks, modules, blocks } = options;
    const strided = { stride: 2, padding: 1, bias: false };
    this.#stem = [
      this.child("conv1", new Conv2d(3, stemChannels, 3, strided)),
      this.child("bn1", new BatchNorm2d(stemChannels)),
      this.child("conv2", new Conv2d(stemChannels, stemChannels, 3, strided)),
      this.child("bn2", new BatchNorm2d(stemChannels)),
    ];
    this.#slope = options.skipStemActivation ? undefined : 0;
    const first = { count: bottlenecks, inChannels: stemChannels, planes, stride: 1, dilation: 1 };
    this.#layer1 = this.child("layer1", residualStage(Bottleneck, first));
    let before: readonly number[] = [planes * Bottleneck.expansion];
    this.#stages = modules.map((count, i) => {
      const widths = Array.from({ length: i + 2 }, (_, branch) => width * 2 ** branch);
      const transition = this.child(`transition${i + 1}`, new Transition(before, widths));
      const exchanges = Array.from({ length: count }, () => new ExchangeModule(widths, blocks));
      this.child(`stage${i + 2}`, new ModuleList(exchanges));
      before = widths;
      return { transition, modules: exchanges };
    });
    this.channels = Array<number>(4).fill(before.reduce((total, n) => total + n));
  }

  /** image [n, h, w, 3] -> four times [n, h / 4, w / 4, 15·width], watched as `backbone_outputs_0..3`. */
  forward(image: Tensor, watch: Watch = unwatched): Tensor[] {
    const [conv1, bn1, conv2, bn2] = this.#stem;
    const half = bn1.forward(conv1.forward(image), { slope: this.#slope });
    let maps = [this.#layer1.forwardBlock(bn2.forward(conv2.forward(half), { slope: 0 }))];
    for (const { transition, modules } of this.#stages) {
      maps = modules.reduce((current, module) => module.forward(current), transition.forward(maps));
    }
    const [, h, w] = maps[0].shape;
    const size: Pair = [h, w];
    const [highest, ...lower] = maps;
    const joined = concat([highest, ...lower.map((map) => interpolateBilinear(map, { size }))], -1);
    const output = [0, 1, 2, 3].reduce((value, i) => watch(`backbone_outputs_${i}`, value), joined);
    return [output, output, output, output];
  }
}
