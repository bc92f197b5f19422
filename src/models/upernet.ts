import type { Sequential } from "../nn/layers.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Baseline } from "./baseline.ts";
import type { BaselineOptions } from "./baseline.ts";
import { FeaturePyramid } from "./fpn.ts";
import { PyramidPooling } from "./ppm.ts";

/** Of `UperNet`. */
export interface UperNetOptions extends BaselineOptions {
  readonly poolScales: readonly number[];
}

/** Pyramid pooling of the last map as the top of a feature pyramid, then a 3x3 convolution and the classifier. */
export class UperNet extends Baseline {
  protected readonly decoder: Sequential;
  readonly #ppm: PyramidPooling;
  readonly #pyramid: FeaturePyramid;

  constructor(options: UperNetOptions, random: RandomState) {
    super(options, random);
    const { channels, poolScales, headSlope: slope, alignCorners } = options;
    const widths = { inChannels: this.lastChannels, outChannels: channels };
    this.#ppm = this.child("ppm_net", new PyramidPooling({ ...widths, poolScales, slope, alignCorners }));
    const levels = { inChannels: this.channels.slice(0, -1), topChannels: channels, outChannels: channels };
    this.#pyramid = new FeaturePyramid({ ...levels, slope, alignCorners });
    this.child("lateral_convs", this.#pyramid.laterals);
    this.child("fpn_convs", this.#pyramid.smoothing);
    this.decoder = this.decode(options, { inChannels: this.#pyramid.channels, kernel: 3 }, random);
  }

  protected neck(maps: readonly Tensor[]): Tensor {
    return this.#pyramid.forward(maps.slice(0, -1), this.#ppm.forward(maps[maps.length - 1]));
  }
}
