/** The backbones of configurations: standard networks, and what a configuration makes of them. */
import type { BackboneOptions } from "../models/backbone.ts";
import { HRNET_LAYOUTS } from "../models/hrnet.ts";
import { RESNEST_LAYOUTS } from "../models/resnest.ts";
import { RESNET_LAYOUTS } from "../models/resnet.ts";
import type { ResNetOptions } from "../models/resnet.ts";
import type { AuxiliaryOptions, SegmentorOptions } from "../models/segmentor.ts";
import { VIT_LARGE } from "../models/vit.ts";
import type { BackboneConfig } from "./config.ts";

export type BackboneType = BackboneConfig["type"];

const dilated = { baseChannels: 64, outputStride: 8, contractedDilation: true };
const { eps: VIT_EPS, ...vitLarge } = VIT_LARGE;

const STANDARD: { readonly [T in BackboneType]: Extract<BackboneConfig, { type: T }> } = {
  resnet: { type: "resnet", depth: 50, ...dilated, stemChannels: 64, deepStem: true },
  resnest: { type: "resnest", depth: 101, ...dilated, stemChannels: 128 },
  hrnet: {
    type: "hrnet",
    ...HRNET_LAYOUTS.hrnetv2_w48,
    modules: [...HRNET_LAYOUTS.hrnetv2_w48.modules],
    skipStemActivation: false,
    downsample: false,
  },
  vit: { type: "vit", ...vitLarge, imageSize: [...vitLarge.imageSize], outputs: [...vitLarge.outputs] },
};

export const BACKBONE_TYPES = Object.keys(STANDARD) as readonly BackboneType[];

export function isBackboneType(value: unknown): value is BackboneType {
  return BACKBONE_TYPES.includes(value as BackboneType);
}

/** A copy of the standard network of a type: ResNet-50, ResNeSt-101, HRNetV2-W48, ViT-Large. */
export function standardBackbone<T extends BackboneType>(type: T): Extract<BackboneConfig, { type: T }> {
  return structuredClone(STANDARD[type]);
}

/** What of a network depends on its backbone. */
export interface BackboneParts extends Pick<SegmentorOptions, "backbone" | "outputNorm" | "downsampleStride"> {
  readonly auxiliary: Omit<AuxiliaryOptions, "channels" | "dropout">;
}

export function backboneParts(config: BackboneConfig): BackboneParts {
  const parts = { backbone: backboneOptions(config), auxiliary: {} };
  if (config.type === "hrnet") return { ...parts, downsampleStride: config.downsample ? 2 : 1 };
  if (config.type !== "vit") return parts;
  return { ...parts, outputNorm: { eps: VIT_EPS }, auxiliary: { heads: 3, convs: 2, upsample: 4 } };
}

function backboneOptions(config: BackboneConfig): BackboneOptions {
  if (config.type === "hrnet") return config;
  if (config.type === "vit") return { ...config, eps: VIT_EPS };
  const outputStride = config.outputStride as ResNetOptions["outputStride"];
  if (config.type === "resnet") {
    return { ...config, ...RESNET_LAYOUTS[config.depth as keyof typeof RESNET_LAYOUTS], outputStride };
  }
  const { blocks } = RESNEST_LAYOUTS[config.depth as keyof typeof RESNEST_LAYOUTS];
  return { ...config, blocks, outputStride, deepStem: true, avgDownsample: true };
}
