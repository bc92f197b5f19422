import type { Sequential } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Baseline } from "./baseline.ts";
import type { BaselineOptions } from "./baseline.ts";

/** Two 3x3 convolutions and the classifier on the last map. */
export class Fcn extends Baseline {
  protected readonly decoder: Sequential;

  constructor(options: BaselineOptions, random: RandomState) {
    super(options, random);
    this.decoder = this.decode(options, { inChannels: this.lastChannels, kernel: 3, convs: 2 }, random);
  }

  protected neck(maps: readonly Tensor[]): Tensor {
    return maps[maps.length - 1];
  }
}
