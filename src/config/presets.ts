import { UserError } from "../errors.ts";
import { BASELINE_PRESETS, CITYSCAPES_BUDGET } from "./baseline_presets.ts";
import { changed } from "./changes.ts";
import type { Config } from "./config.ts";
import { OFFICIAL, OFFICIAL_PRESETS } from "./official_presets.ts";

/**
 * For two CPU cores: a slim ResNet-18 with a narrow head, trained within minutes. So short a training lives by the number
 * of its steps: batches of two, whole images, and no regularisation beyond flips and weight decay.
 */
const tiny: Config = {
  name: "tiny",
  model: {
    segmentor: "mcibi",
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
    keyQueryConvs: 2,
    contextAttention: true,
    fusion: "official",
    auxChannels: 32,
    dropout: 0,
    headSlope: 0,
    alignCorners: false,
  },
  memory: OFFICIAL.memory,
  losses: {
    stage1: 0.4,
    stage2: 1,
    aux: 0.4,
    classWeights: [],
    normByClassWeights: true,
    labelSmoothing: 0,
    lowest: 0,
    ohem: { minKept: 0, threshold: 0.7 },
    memory: { weight: 1, startEpoch: 2, maskEmptySlots: true, updateRunningStats: false, beforeUpdate: false },
  },
  optim: {
    type: "sgd",
    lr: 0.05,
    momentum: 0.9,
    weightDecay: 5e-4,
    nesterov: false,
    betas: [0.9, 0.999],
    eps: 1e-8,
    power: 0.9,
    minLrRatio: 0.01,
    minLr: 0,
    backbone: { lr: 1, weightDecay: 1 },
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
  train: {
    ...{ epochs: 8, batchSize: 2, accumulate: 1, recompute: false, seed: 0 },
    ...{ evalEvery: 2, logEvery: 10, saveEvery: 200, panels: 4 },
  },
  eval: { mode: "whole", crop: [128, 128], stride: [85, 85], scales: [1], flip: false, average: "logits" },
};

/**
 * MCIBI with batch, epochs and evaluation of the toolbox's networks on Cityscapes, from `train` to `val`, so that
 * numbers compare: with those, with another `model.host`, and with the same network under `memory.enabled=false`.
 */
const cityscapesVal = changed(
  OFFICIAL_PRESETS.find(({ name }) => name === "mcibi_deeplabv3_resnet50os8_cityscapes")!,
  CITYSCAPES_BUDGET,
  { name: "cityscapes-val", data: { trainSplit: "train" }, eval: { mode: "whole", average: "logits" } },
);

/** As the paper words it, where the official code does otherwise (METHOD.md 1.4, D4 to D7, D9, D10). */
const paper = changed(cityscapesVal, {
  name: "paper",
  model: { keyQueryConvs: 1, contextAttention: false, fusion: "concat3" },
  memory: { momentum: 0.9, init: "random-pixel" },
  losses: { memory: { weight: 1, startEpoch: 1 } },
});

/** The memory loss on, without what makes it harm the official run: statistics of pixels only, no empty slots. */
const improved = changed(cityscapesVal, {
  name: "improved",
  losses: { memory: { weight: 1, maskEmptySlots: true, updateRunningStats: false } },
});

const OWN = [tiny, cityscapesVal, paper, improved];
const TOOLBOX = [...OFFICIAL_PRESETS, ...BASELINE_PRESETS];
const PRESETS: ReadonlyMap<string, Config> = new Map([...OWN, ...TOOLBOX].map((preset) => [preset.name, preset]));

export const DEFAULT_PRESET = tiny.name;
export const PRESET_NAMES: readonly string[] = [...PRESETS.keys()];

const methodOf = (name: string): string => `${name.split("_", 1)[0]}_`;

/** The names in a line: those of the toolbox by how they begin. */
export const PRESET_SUMMARY =
  `${OWN.map(({ name }) => name).join(", ")} or, by its official name, ` +
  [...new Set(TOOLBOX.map(({ name }) => `${methodOf(name)}...`))].join(", ");

/** A copy of a preset, to be changed at will; UserError when there is none of that name. */
export function preset(name: string = DEFAULT_PRESET): Config {
  const found = PRESETS.get(name);
  if (found) return structuredClone(found);
  const near = PRESET_NAMES.filter((known) => known.startsWith(methodOf(name)));
  throw new UserError(`unknown preset "${name}"; choose one of ${near.length > 0 ? near.join(", ") : PRESET_SUMMARY}`);
}
