/** From a configuration to the options of what it describes. */
import type { HostOptions, McibiOptions } from "../models/mcibi.ts";
import { buildNetwork } from "../models/network.ts";
import type { NetworkOptions } from "../models/network.ts";
import type { LossOptions, Segmentor, SegmentorOptions } from "../models/segmentor.ts";
import type { RandomState } from "../nn/random_state.ts";
import type { OptimizerChoice } from "../optim/build.ts";
import { coupledMomentum, memoryMomentum, polyLearningRate } from "../optim/schedule.ts";
import { backboneParts } from "./backbone.ts";
import type { Config, ModelConfig } from "./config.ts";

/** The network of a configuration that `validateConfig` accepts; `initialize` it, then load or train it. */
export function buildModel(config: Config, numClasses: number, random: RandomState): Segmentor {
  return buildNetwork(networkOptions(config, numClasses), random);
}

export function networkOptions(config: Config, numClasses: number): NetworkOptions {
  const { segmentor: type, featsChannels: channels, dropout, ...model } = config.model;
  if (type === "mcibi") return { type, ...mcibiOptions(config, numClasses) };
  const { dilations, poolScales, transformChannels } = model; // each head takes what it has
  return { type, ...commonOptions(config, numClasses), channels, dropout, dilations, poolScales, transformChannels };
}

/** Of a configuration whose segmentor is `mcibi`. */
export function mcibiOptions(config: Config, numClasses: number): McibiOptions {
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

export function optimizerChoice({ optim }: Config): OptimizerChoice {
  const { type, momentum, weightDecay, nesterov, betas, eps, backbone } = optim;
  const common = { weightDecay, rules: { backbone_net: backbone } };
  if (type === "sgd") return { type, ...common, momentum, nesterov };
  return { type: "adam", ...common, betas, eps, decoupled: type === "adamw" };
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
