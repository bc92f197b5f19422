/** Cases of hosts and of small whole networks. */
import { FeaturePyramid } from "../models/fpn.ts";
import { buildNetwork } from "../models/network.ts";
import type { NetworkOptions } from "../models/network.ts";
import { ObjectContext } from "../models/object_context.ts";
import { Module } from "../nn/module.ts";
import { RandomState } from "../nn/random_state.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { blockRunner } from "./mcibi.ts";
import { paramsOf } from "./params.ts";

export const objectContext = blockRunner((item) => {
  const known = ["channels", "transform_channels", "mode"];
  const p = paramsOf<{ channels: number; transform_channels: number }>(item, known);
  const module = new ObjectContext({ channels: p.channels, transformChannels: p.transform_channels });
  return { module, inputs: ["input_0", "input_1"], forward: ([feats, logits]) => module.augment(feats, logits) };
});

interface PyramidParams {
  readonly in_channels: readonly number[];
  readonly top_channels: number;
  readonly out_channels: number;
}

/** A pyramid as the only thing of its owner. */
class PyramidOwner extends Module {
  constructor({ laterals, smoothing }: FeaturePyramid) {
    super();
    this.child("lateral_convs", laterals);
    this.child("fpn_convs", smoothing);
  }
}

export const featurePyramid = blockRunner((item) => {
  const known = ["in_channels", "top_channels", "out_channels", "mode"];
  const p = paramsOf<PyramidParams>(item, known);
  const widths = { inChannels: p.in_channels, topChannels: p.top_channels, outChannels: p.out_channels };
  const pyramid = new FeaturePyramid(widths);
  const inputs = [...p.in_channels, p.top_channels].map((_, i) => `input_${i}`);
  const forward = (maps: readonly Tensor[]) => pyramid.forward(maps.slice(0, -1), maps[maps.length - 1]);
  return { module: new PyramidOwner(pyramid), inputs, forward };
});

/** The params hold our own options. */
export const segmentor = blockRunner((item) => {
  const { options } = paramsOf<{ options: NetworkOptions }>(item, ["options", "mode"]);
  const module = buildNetwork(options, new RandomState(0));
  const logits = ([image]: readonly Tensor[]): Tensor[] => {
    const output = module.forward(image);
    return [output.logits, ...output.auxiliary];
  };
  return { module, inputs: ["input"], forward: logits };
});
