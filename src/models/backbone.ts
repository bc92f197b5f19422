/** The networks that MCIBI can stand on. */
import type { Module } from "../nn/module.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { Watch } from "../nn/watch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { HRNet } from "./hrnet.ts";
import type { HRNetOptions } from "./hrnet.ts";
import { ResNeSt } from "./resnest.ts";
import type { ResNeStOptions } from "./resnest.ts";
import { ResNet } from "./resnet.ts";
import type { ResNetOptions } from "./resnet.ts";
import { VisionTransformer } from "./vit.ts";
import type { VitOptions } from "./vit.ts";

/** A backbone by its type, with the options of that. */
export type BackboneOptions =
  | ({ readonly type: "resnet" } & ResNetOptions)
  | ({ readonly type: "resnest" } & ResNeStOptions)
  | ({ readonly type: "hrnet" } & HRNetOptions)
  | ({ readonly type: "vit" } & VitOptions);

/** What a network asks of its backbone. */
export interface Backbone extends Module {
  /** Of the outputs. */
  readonly channels: readonly number[];
  /** image [n, h, w, 3] -> maps [n, h', w', channels], the last of which the head works on; watched by number. */
  forward(image: Tensor, watch?: Watch): Tensor[];
}

/** @param random where dropout masks come from, for those that have dropout */
export function buildBackbone(options: BackboneOptions, random: RandomState): Backbone {
  switch (options.type) {
    case "resnet":
      return new ResNet(options);
    case "resnest":
      return new ResNeSt(options);
    case "hrnet":
      return new HRNet(options);
    case "vit":
      return new VisionTransformer(options, random);
  }
}
