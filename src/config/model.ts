/** From a configuration to the options of what it describes. */
import { Mcibi } from "../models/mcibi.ts";
import type { HostOptions, McibiOptions } from "../models/mcibi.ts";
import type { LossOptions } from "../models/training_loss.ts";
import type { RandomState } from "../nn/random_state.ts";
import { coupledMomentum, memoryMomentum, polyLearningRate } from "../optim/schedule.ts";
import { backboneParts } from "./backbone.ts";
import type { Config, ModelConfig } from "./config.ts";

/** The network of a configuration that `validateConfig` accepts; `initialize` it, then load or train it. */
export function buildModel(config: Config, numClasses: number, random: RandomState): Mcibi {
  return new Mcibi(modelOptions(config, numClasses), random);
}

export function modelOptions({ model, memory, losses }: Config, numClasses: number): McibiOptions {
  const { auxiliary, ...parts } = backboneParts(model.backbone);
  return {
    numClasses,
    ...parts,
    host: hostOptions(model),
    featsChannels: model.featsChannels,
    transformChannels: model.transformChannels,
    memory: memory.enabled ? memory : null,
    auxiliary: losses.aux > 0 ? { ...auxiliary, channels: model.auxChannels, dropout: model.dropout } : null,
    dropout: model.dropout,
    headSlope: model.headSlope,
    alignCorners: model.alignCorners,
  };
}

function hostOptions({ host, dilations, poolScales }: ModelConfig): HostOptions {
  if (host === "aspp") return { type: host, dilations };
  return host === "ppm" ? { type: host, poolScales } : { type: host };
}

export function lossOptions({ losses }: Config, ignoreIndex: number): LossOptions {
  return { ...losses, ignoreIndex };
}

/** Learning rate and memory momentum of iteration t of maxIters. */
export function scheduleAt(
  { optim, memory }: Config,
  t: number,
  maxIters: number,
): { lr: number; memoryMomentum: number } {
  const { lr: baseLr, power, minLrRatio, warmup } = optim;
  const lr = polyLearningRate(t, { baseLr, power, maxIters, minLr: minLrRatio * baseLr, warmup });
  const { momentum, momentumPower, momentumFloor } = memory;
  const own = memoryMomentum(t, { momentum, power: momentumPower, floor: momentumFloor, maxIters });
  return { lr, memoryMomentum: memory.coupleToLr ? coupledMomentum(lr, { momentum, baseLr }) : own };
}
