import type { Sequential } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Baseline } from "./baseline.ts";
import type { BaselineOptions } from "./baseline.ts";
import { PyramidPooling } from "./ppm.ts";

/** Of `PspNet`. */
export interface PspNetOptions extends BaselineOptions {
  readonly poolScales: readonly number[];
}

/** Pyramid pooling of the last map, then the classifier. */
export class PspNet extends Baseline {
  protected readonly decoder: Sequential;
  readonly #ppm: PyramidPooling;

  constructor(options: PspNetOptions, random: RandomState) {
    super(options, random);
    const { channels, poolScales, headSlope: slope, alignCorners } = options;
    const widths = { inChannels: this.lastChannels, outChannels: channels };
    this.#ppm = this.child("ppm_net", new PyramidPooling({ ...widths, poolScales, slope, alignCorners }));
    this.decoder = this.decode(options, { inChannels: channels, kernel: 1, convs: 0 }, random);
  }

  protected neck(maps: readonly Tensor[]): Tensor {
    return this.#ppm.forward(maps[maps.length - 1]);
  }
}
