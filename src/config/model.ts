/** From a configuration to the options of what it describes. */
import type { BaselineOptions } from "../models/baseline.ts";
import { DeepLabV3 } from "../models/deeplabv3.ts";
import { Fcn } from "../models/fcn.ts";
import { Mcibi } from "../models/mcibi.ts";
import type { HostOptions, McibiOptions } from "../models/mcibi.ts";
import { OcrNet } from "../models/ocrnet.ts";
import { PspNet } from "../models/pspnet.ts";
import type { LossOptions, Segmentor, SegmentorOptions } from "../models/segmentor.ts";
import { UperNet } from "../models/upernet.ts";
import type { RandomState } from "../nn/random_state.ts";
import { coupledMomentum, memoryMomentum, polyLearningRate } from "../optim/schedule.ts";
import type { SgdOptions } from "../optim/sgd.ts";
import { backboneParts } from "./backbone.ts";
import type { Config, ModelConfig } from "./config.ts";

/** The network of a configuration that `validateConfig` accepts; `initialize` it, then load or train it. */
export function buildModel(config: Config, numClasses: number, random: RandomState): Segmentor {
  const { segmentor, dilations, poolScales, transformChannels } = config.model;
  if (segmentor === "mcibi") return new Mcibi(modelOptions(config, numClasses), random);
  const options = baselineOptions(config, numClasses);
  switch (segmentor) {
    case "fcn":
      return new Fcn(options, random);
    case "pspnet":
      return new PspNet({ ...options, poolScales }, random);
    case "deeplabv3":
      return new DeepLabV3({ ...options, dilations }, random);
    case "ocrnet":
      return new OcrNet({ ...options, transformChannels }, random);
    case "upernet":
      return new UperNet({ ...options, poolScales }, random);
  }
}

/** Of a configuration whose segmentor is `mcibi`. */
export function modelOptions(config: Config, numClasses: number): McibiOptions {
  const { model, memory } = config;
  return {
    ...commonOptions(config, numClasses),
    host: hostOptions(model),
    featsChannels: model.featsChannels,
    transformChannels: model.transformChannels,
    keyQueryConvs: model.keyQueryConvs,
    contextAttention: model.contextAttention,
    fusion: model.fusion,
    memory: memory.enabled ? memory : null,
    dropout: model.dropout,
  };
}

function baselineOptions(config: Config, numClasses: number): BaselineOptions {
  const { featsChannels: channels, dropout } = config.model;
  return { ...commonOptions(config, numClasses), channels, dropout };
}

function commonOptions({ model, losses }: Config, numClasses: number): SegmentorOptions {
  const { auxiliary, ...parts } = backboneParts(model.backbone);
  return {
    numClasses,
    ...parts,
    auxiliary: losses.aux > 0 ? { ...auxiliary, channels: model.auxChannels, dropout: model.dropout } : null,
    headSlope: model.headSlope,
    alignCorners: model.alignCorners,
  };
}

function hostOptions({ host, dilations, poolScales }: ModelConfig): HostOptions {
  if (host === "aspp") return { type: host, dilations };
  return host === "ppm" || host === "upernet" ? { type: host, poolScales } : { type: host };
}

export function lossOptions({ losses }: Config, ignoreIndex: number): LossOptions {
  return { ...losses, ignoreIndex };
}

export function sgdOptions({ optim }: Config): SgdOptions {
  const { momentum, weightDecay, nesterov, backbone } = optim;
  return { momentum, weightDecay, nesterov, rules: { backbone_net: backbone } };
}

/** Learning rate and memory momentum of iteration t of maxIters. */
export function scheduleAt(
  { optim, memory }: Config,
  t: number,
  maxIters: number,
): { lr: number; memoryMomentum: number } {
  const { lr: baseLr, power, minLrRatio, warmup } = optim;
  const minLr = optim.minLr || minLrRatio * baseLr;
  const lr = polyLearningRate(t, { baseLr, power, maxIters, minLr, warmup });
  const { momentum, momentumPower, momentumFloor } = memory;
  const own = memoryMomentum(t, { momentum, power: momentumPower, floor: momentumFloor, maxIters });
  return { lr, memoryMomentum: memory.coupleToLr ? coupledMomentum(lr, { momentum, baseLr }) : own };
}
