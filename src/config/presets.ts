import { UserError } from "../errors.ts";
import { standardBackbone } from "./backbone.ts";
import type { Config } from "./config.ts";

/**
 * For two CPU cores: a slim ResNet-18 with a narrow head, trained within minutes. So short a training lives by the number
 * of its steps: batches of two, whole images, and no regularisation beyond flips and weight decay.
 */
const tiny: Config = {
  name: "tiny",
  model: {
    backbone: {
      type: "resnet",
      depth: 18,
      baseChannels: 16,
      stemChannels: 16,
      deepStem: false,
      outputStride: 8,
      contractedDilation: true,
    },
    host: "aspp",
    dilations: [1, 3, 6],
    poolScales: [1, 2, 3, 6],
    featsChannels: 32,
    transformChannels: 16,
    auxChannels: 32,
    dropout: 0,
    headSlope: 0,
    alignCorners: false,
  },
  memory: {
    enabled: true,
    featsPerClass: 1,
    hardAggregate: false,
    strategy: "cosine_similarity",
    unassigned: "keep",
    momentum: 0.9,
    momentumPower: 0.9,
    momentumFloor: 0.01,
    coupleToLr: false,
  },
  losses: {
    stage1: 0.4,
    stage2: 1,
    aux: 0.4,
    memory: { weight: 1, startEpoch: 2, maskEmptySlots: true, updateRunningStats: false },
  },
  optim: {
    lr: 0.05,
    momentum: 0.9,
    weightDecay: 5e-4,
    nesterov: false,
    power: 0.9,
    minLrRatio: 0.01,
    warmup: { type: "linear", ratio: 0.1, iters: 20 },
    clipGradNorm: 0,
  },
  data: {
    dataset: "streets",
    root: "",
    trainSplit: "train",
    evalSplit: "val",
    size: [128, 256],
    keepRatio: true,
    scaleRange: [1, 1],
    crop: [128, 256],
    oneCategoryMaxRatio: 0.75,
    flip: 0.5,
    rotate: { probability: 0, degrees: 30 },
    photometric: false,
    workers: 1,
    cacheMiB: 256,
  },
  train: { epochs: 8, batchSize: 2, recompute: false, seed: 0, evalEvery: 8, logEvery: 10, saveEvery: 200, panels: 4 },
  eval: { mode: "whole", crop: [128, 128], stride: [85, 85], scales: [1], flip: false, average: "logits" },
};

/**
 * The official configuration of that name. Like the official run it trains on `trainval`, whose only labelled part to
 * evaluate is `val`, already seen: for numbers that compare, set `data.trainSplit=train`.
 */
const mcibiDeeplabv3Resnet50os8Cityscapes: Config = {
  name: "mcibi_deeplabv3_resnet50os8_cityscapes",
  model: {
    backbone: standardBackbone("resnet"),
    host: "aspp",
    dilations: [1, 12, 24, 36],
    poolScales: [1, 2, 3, 6],
    featsChannels: 512,
    transformChannels: 256,
    auxChannels: 512,
    dropout: 0.1,
    headSlope: 0,
    alignCorners: false,
  },
  memory: {
    enabled: true,
    featsPerClass: 1,
    hardAggregate: false,
    strategy: "cosine_similarity",
    unassigned: "keep",
    momentum: 1,
    momentumPower: 0.9,
    momentumFloor: 0.01,
    coupleToLr: false,
  },
  losses: {
    stage1: 0.4,
    stage2: 1,
    aux: 0.4,
    memory: { weight: 0, startEpoch: 2, maskEmptySlots: true, updateRunningStats: true },
  },
  optim: {
    lr: 0.01,
    momentum: 0.9,
    weightDecay: 5e-4,
    nesterov: false,
    power: 0.9,
    minLrRatio: 0.01,
    warmup: { type: "linear", ratio: 1e-6, iters: 0 },
    clipGradNorm: 0,
  },
  data: {
    dataset: "cityscapes",
    root: "",
    trainSplit: "trainval",
    evalSplit: "val",
    size: [1024, 2048],
    keepRatio: true,
    scaleRange: [0.5, 2],
    crop: [512, 1024],
    oneCategoryMaxRatio: 0.75,
    flip: 0.5,
    rotate: { probability: 0, degrees: 30 },
    photometric: true,
    workers: 4,
    cacheMiB: 0,
  },
  train: {
    ...{ epochs: 440, batchSize: 16, recompute: false, seed: 0 },
    ...{ evalEvery: 10, logEvery: 10, saveEvery: 50, panels: 4 },
  },
  eval: { mode: "slide", crop: [1024, 512], stride: [341, 341], scales: [1], flip: false, average: "probs" },
};

const mcibiDeeplabv3Resnet101os8Cityscapes: Config = {
  ...mcibiDeeplabv3Resnet50os8Cityscapes,
  name: "mcibi_deeplabv3_resnet101os8_cityscapes",
  model: {
    ...mcibiDeeplabv3Resnet50os8Cityscapes.model,
    backbone: { ...standardBackbone("resnet"), depth: 101 },
  },
};

const PRESETS: ReadonlyMap<string, Config> = new Map(
  [tiny, mcibiDeeplabv3Resnet50os8Cityscapes, mcibiDeeplabv3Resnet101os8Cityscapes].map((preset) => [
    preset.name,
    preset,
  ]),
);

export const DEFAULT_PRESET = tiny.name;
export const PRESET_NAMES: readonly string[] = [...PRESETS.keys()];

/** A copy of a preset, to be changed at will; UserError when there is none of that name. */
export function preset(name: string = DEFAULT_PRESET): Config {
  const found = PRESETS.get(name);
  if (!found) throw new UserError(`unknown preset "${name}"; choose one of ${PRESET_NAMES.join(", ")}`);
  return structuredClone(found);
}
