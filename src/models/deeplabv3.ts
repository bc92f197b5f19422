import type { Sequential } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Aspp } from "./aspp.ts";
import { Baseline } from "./baseline.ts";
import type { BaselineOptions } from "./baseline.ts";

/** Of `DeepLabV3`. */
export interface DeepLabV3Options extends BaselineOptions {
  readonly dilations: readonly number[];
}

/** The atrous pyramid on the last map, then the classifier. */
export class DeepLabV3 extends Baseline {
  protected readonly decoder: Sequential;
  readonly #aspp: Aspp;

  constructor(options: DeepLabV3Options, random: RandomState) {
    super(options, random);
    const { channels, dilations, headSlope: slope, alignCorners } = options;
    const widths = { inChannels: this.lastChannels, outChannels: channels };
    this.#aspp = this.child("aspp_net", new Aspp({ ...widths, dilations, slope, alignCorners }));
    this.decoder = this.decode(options, { inChannels: channels, kernel: 1, convs: 0 }, random);
  }

  protected neck(maps: readonly Tensor[]): Tensor {
    return this.#aspp.forward(maps[maps.length - 1]);
  }
}
