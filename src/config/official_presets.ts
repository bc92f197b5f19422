/**
 * The official configurations by name, as what each dataset, network and pair of both changes (METHOD.md 5, data and
 * evaluation: 6 and 7). Initial weights are random here and pretrained there.
 */
import { standardBackbone } from "./backbone.ts";
import { changed } from "./changes.ts";
import type { Changes } from "./changes.ts";
import type { Config, HRNetConfig } from "./config.ts";

/** What most of them share. */
export const OFFICIAL: Config = {
  name: "",
  model: {
    segmentor: "mcibi",
    backbone: standardBackbone("resnet"),
    host: "aspp",
    dilations: [1, 12, 24, 36],
    poolScales: [1, 2, 3, 6],
    featsChannels: 512,
    transformChannels: 256,
    keyQueryConvs: 2,
    contextAttention: true,
    fusion: "official",
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
    skipZeroFeatures: false,
    init: "first-batch-mean",
    momentum: 0.9,
    momentumPower: 0.9,
    momentumFloor: 0.01,
    coupleToLr: false,
    officialAliasing: false,
  },
  losses: {
    stage1: 0.4,
    stage2: 1,
    aux: 0.4,
    classWeights: [],
    normByClassWeights: true,
    labelSmoothing: 0,
    lowest: 0,
    ohem: { minKept: 0, threshold: 0.7 },
    memory: { weight: 0, startEpoch: 2, maskEmptySlots: true, updateRunningStats: true, beforeUpdate: false },
  },
  optim: {
    type: "sgd",
    lr: 0.01,
    momentum: 0.9,
    weightDecay: 5e-4,
    nesterov: false,
    betas: [0.9, 0.999],
    eps: 1e-8,
    power: 0.9,
    minLrRatio: 0.01,
    minLr: 0,
    backbone: { lr: 1, weightDecay: 1 },
    warmup: { type: "linear", ratio: 1e-6, iters: 0 },
    clipGradNorm: 0,
  },
  data: {
    dataset: "ade20k",
    root: "",
    trainSplit: "train",
    evalSplit: "val",
    size: [512, 2048],
    keepRatio: true,
    scaleRange: [0.5, 2],
    crop: [512, 512],
    oneCategoryMaxRatio: 0.75,
    flip: 0.5,
    rotate: { probability: 0, degrees: 30 },
    photometric: true,
    workers: 4,
    cacheMiB: 0,
  },
  train: {
    ...{ epochs: 130, batchSize: 16, accumulate: 1, recompute: false, seed: 0 },
    ...{ evalEvery: 10, logEvery: 10, saveEvery: 50, panels: 4 },
  },
  eval: { mode: "whole", crop: [512, 512], stride: [341, 341], scales: [1], flip: false, average: "logits" },
};

/** Cityscapes for any network. */
export const CITYSCAPES: Changes = {
  data: { dataset: "cityscapes", size: [1024, 2048], crop: [512, 1024] },
  eval: { crop: [1024, 512] },
};

/** LIP's training images have a base size of 520, evaluated ones have 473: scales are relative to the latter. */
const LIP_SCALE = 520 / 473;

const DATASETS: Readonly<Record<string, readonly Changes[]>> = {
  ade20k: [{ losses: { memory: { weight: 1 } } }],
  // What is trained on is all that has labels, `val` among it: for numbers that compare there is `cityscapes-val`.
  cityscapes: [
    CITYSCAPES,
    { memory: { momentum: 1 }, data: { trainSplit: "trainval" }, train: { epochs: 440 } },
    { eval: { mode: "slide", average: "probs" } },
  ],
  cocostuff10k: [
    { memory: { momentum: 1 }, optim: { lr: 0.001, weightDecay: 1e-4 }, train: { epochs: 110 } },
    { data: { dataset: "cocostuff10k", evalSplit: "test" } },
  ],
  lip: [
    { data: { dataset: "lip", size: [473, 473], keepRatio: false, crop: [473, 473], rotate: { probability: 0.6 } } },
    { data: { scaleRange: [0.75 * LIP_SCALE, 1.25 * LIP_SCALE] }, train: { epochs: 150, batchSize: 32 } },
    { eval: { crop: [473, 473] } },
  ],
};

const hrnet = (own: Partial<HRNetConfig> = {}): Changes => ({
  model: { backbone: { ...standardBackbone("hrnet"), ...own } },
});

export const RESNET101: Changes = { model: { backbone: { ...standardBackbone("resnet"), depth: 101 } } };
export const RESNEST101: Changes = { model: { backbone: standardBackbone("resnest") } };
export const HRNET: Changes = hrnet();

const NETWORKS: Readonly<Record<string, Changes>> = {
  resnet50os8: {},
  resnet101os8: RESNET101,
  resnest101os8: RESNEST101,
  hrnetv2w48: { ...HRNET, losses: { aux: 0 } },
  vitlarge: {
    model: { backbone: standardBackbone("vit") },
    optim: { weightDecay: 0, backbone: { lr: 0.1 } },
    eval: { mode: "slide", average: "probs" },
  },
};

const SLOWER: Changes = { optim: { lr: 0.004 }, train: { epochs: 180 } };
const LONGER: Changes = { train: { epochs: 500 } };
const LARGER_BATCH: Changes = { optim: { lr: 0.007 }, train: { batchSize: 40 } };
const LEAKY: Changes = { model: { headSlope: 0.01 } };

/** What goes for a network on one dataset only. */
const PAIRS: Readonly<Record<string, readonly Changes[]>> = {
  resnest101os8_ade20k: [SLOWER],
  hrnetv2w48_ade20k: [SLOWER],
  vitlarge_ade20k: [{ model: { dilations: [1, 6, 12, 18] } }],
  resnest101os8_cityscapes: [LONGER],
  hrnetv2w48_cityscapes: [LONGER, hrnet({ skipStemActivation: true, downsample: true })],
  resnest101os8_cocostuff10k: [
    { memory: { momentumFloor: 0.1 }, optim: { weightDecay: 5e-4, minLr: 1e-4 } },
    { train: { epochs: 150, batchSize: 32 } },
  ],
  resnet50os8_lip: [LEAKY],
  resnet101os8_lip: [LEAKY],
  resnest101os8_lip: [LARGER_BATCH],
  hrnetv2w48_lip: [LARGER_BATCH, hrnet({ downsample: true })],
};

/** Pairs without an official configuration. */
const MISSING = ["vitlarge_cityscapes", "vitlarge_lip"];

export const OFFICIAL_PRESETS: readonly Config[] = Object.keys(DATASETS).flatMap((dataset) =>
  Object.keys(NETWORKS).flatMap((network) => {
    const pair = `${network}_${dataset}`;
    const changes = [...DATASETS[dataset], NETWORKS[network], ...(PAIRS[pair] ?? [])];
    return MISSING.includes(pair) ? [] : [changed(OFFICIAL, ...changes, { name: `mcibi_deeplabv3_${pair}` })];
  }),
);
