/** The presets against METHOD.md 5, 6 and 7, restated here by hand. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Config } from "../../src/config/config.ts";
import { scheduleAt } from "../../src/config/model.ts";
import { PRESET_NAMES, preset } from "../../src/config/presets.ts";
import { datasetLayout } from "../../src/data/open.ts";

/** Training images. */
const IMAGES: Readonly<Record<string, number>> = {
  "ade20k train": 20210,
  "cityscapes trainval": 2975 + 500,
  "cityscapes train": 2975,
  "cocostuff10k train": 9000,
  "lip train": 30462,
  "voc trainaug": 10582,
};

interface Row {
  readonly K: number;
  readonly crop: readonly [number, number];
  readonly lr: number;
  readonly wd: number;
  readonly batch: number;
  readonly epochs: number;
  /** On 8 ranks. */
  readonly T: number;
  readonly useLoss: boolean;
  readonly m0: number;
  readonly rho: number;
  /** What else a row notes; the defaults are those of a ResNet. */
  readonly backbone: string;
  readonly dilations?: readonly number[];
  readonly aux?: number;
  readonly slope?: number;
  readonly backboneLr?: number;
  readonly slide?: boolean;
}

const R50 = "resnet 50 stride 8";
const R101 = "resnet 101 stride 8";
const S101 = "resnest 101 stride 8";
const HRNET = { backbone: "hrnet 48", aux: 0 };
const DOWNSAMPLED = { backbone: "hrnet 48 downsampled", aux: 0 };
const VIT = { backbone: "vit", wd: 0, backboneLr: 0.1, slide: true };

const ADE = { K: 150, crop: [512, 512], wd: 5e-4, batch: 16, useLoss: true, m0: 0.9, rho: 0.01 } as const;
const ADE_FAST = { ...ADE, lr: 0.01, epochs: 130, T: 164_190 } as const;
const ADE_SLOW = { ...ADE, lr: 0.004, epochs: 180, T: 227_340 } as const;
const CITY = { K: 19, crop: [512, 1024], lr: 0.01, wd: 5e-4, batch: 16, useLoss: false, m0: 1, rho: 0.01 } as const;
const CITY_440 = { ...CITY, epochs: 440, T: 95_480, slide: true } as const;
const CITY_500 = { ...CITY, epochs: 500, T: 108_500, slide: true } as const;
const STUFF = { K: 182, crop: [512, 512], lr: 0.001, useLoss: false, m0: 1 } as const;
const STUFF_110 = { ...STUFF, wd: 1e-4, batch: 16, epochs: 110, T: 61_820, rho: 0.01 } as const;
const STUFF_150 = { ...STUFF, wd: 5e-4, batch: 32, epochs: 150, T: 42_150, rho: 0.1 } as const;
const LIP = { K: 20, crop: [473, 473], wd: 5e-4, epochs: 150, useLoss: false, m0: 0.9, rho: 0.01 } as const;
const LIP_32 = { ...LIP, lr: 0.01, batch: 32, T: 142_800, slope: 0.01 } as const;
const LIP_40 = { ...LIP, lr: 0.007, batch: 40, T: 114_150 } as const;

/** METHOD.md 5. */
const MCIBI: Readonly<Record<string, Row>> = {
  resnet50os8_ade20k: { ...ADE_FAST, backbone: R50 },
  resnet101os8_ade20k: { ...ADE_FAST, backbone: R101 },
  resnest101os8_ade20k: { ...ADE_SLOW, backbone: S101 },
  hrnetv2w48_ade20k: { ...ADE_SLOW, ...HRNET },
  vitlarge_ade20k: { ...ADE_FAST, ...VIT, dilations: [1, 6, 12, 18] },
  resnet50os8_cityscapes: { ...CITY_440, backbone: R50 },
  resnet101os8_cityscapes: { ...CITY_440, backbone: R101 },
  resnest101os8_cityscapes: { ...CITY_500, backbone: S101 },
  hrnetv2w48_cityscapes: { ...CITY_500, ...DOWNSAMPLED, backbone: "hrnet 48 downsampled, MCIBI stem" },
  resnet50os8_cocostuff10k: { ...STUFF_110, backbone: R50 },
  resnet101os8_cocostuff10k: { ...STUFF_110, backbone: R101 },
  hrnetv2w48_cocostuff10k: { ...STUFF_110, ...HRNET },
  resnest101os8_cocostuff10k: { ...STUFF_150, backbone: S101 },
  vitlarge_cocostuff10k: { ...STUFF_110, ...VIT },
  resnet50os8_lip: { ...LIP_32, backbone: R50 },
  resnet101os8_lip: { ...LIP_32, backbone: R101 },
  resnest101os8_lip: { ...LIP_40, backbone: S101 },
  hrnetv2w48_lip: { ...LIP_40, ...DOWNSAMPLED },
};

function backboneOf({ model: { backbone } }: Config): string {
  if (backbone.type === "vit") return "vit";
  if (backbone.type !== "hrnet") return `${backbone.type} ${backbone.depth} stride ${backbone.outputStride}`;
  const { width, downsample, skipStemActivation } = backbone;
  return `hrnet ${width}${downsample ? " downsampled" : ""}${skipStemActivation ? ", MCIBI stem" : ""}`;
}

/** The step in which the run ends, when 8 ranks share a batch and drop what is left. */
function iterations({ data, train }: Config): number {
  const perRank = Math.ceil(IMAGES[`${data.dataset} ${data.trainSplit}`] / 8);
  return train.epochs * Math.floor(perRank / (train.batchSize / 8));
}

function near(found: number, expected: number, what: string): void {
  assert.ok(Math.abs(found - expected) <= 1e-12, `${what} is ${found}, expected ${expected}`);
}

for (const [pair, row] of Object.entries(MCIBI)) {
  test(`mcibi_deeplabv3_${pair} is the row of METHOD.md 5`, () => {
    const config = preset(`mcibi_deeplabv3_${pair}`);
    const { model, memory, losses, optim, data, train, eval: evaluation } = config;
    const { dilations = [1, 12, 24, 36], aux = 0.4, slope = 0, backboneLr = 1, slide = false } = row;
    const found = {
      K: datasetLayout(data.dataset).spec.numClasses,
      crop: data.crop,
      lr: optim.lr,
      wd: optim.weightDecay,
      batch: train.batchSize,
      epochs: train.epochs,
      T: iterations(config),
      useLoss: losses.memory.weight === 1,
      m0: memory.momentum,
      rho: memory.momentumFloor,
      backbone: backboneOf(config),
      dilations: model.dilations,
      aux: losses.aux,
      slope: model.headSlope,
      backboneLr: optim.backbone.lr,
      slide: evaluation.mode === "slide",
    };
    assert.equal(found, { ...row, dilations, aux, slope, backboneLr, slide });
    const common = { momentum: 0.9, nesterov: false, power: 0.9, clipGradNorm: 0, weightDecayFactor: 1, warmup: 0 };
    const { momentum, nesterov, power, clipGradNorm, warmup, backbone } = optim;
    const others = { momentum, nesterov, power, clipGradNorm, weightDecayFactor: backbone.weightDecay };
    assert.equal({ ...others, warmup: warmup.iters }, common);
    // The learning rate ends where rho says, and so does the memory's momentum (METHOD.md 2.4).
    const end = scheduleAt(config, row.T, row.T);
    near(end.lr, row.rho * row.lr, "learning rate at the end");
    near(end.memoryMomentum, row.rho * row.m0, "momentum at the end");
    assert.equal([losses.stage1, losses.stage2, losses.memory.startEpoch], [0.4, 1, 2]);
    assert.equal([memory.enabled, memory.featsPerClass, memory.strategy], [true, 1, "cosine_similarity"]);
    assert.equal([memory.init, memory.officialAliasing, memory.skipZeroFeatures], ["first-batch-mean", false, false]);
    assert.is(losses.memory.beforeUpdate, false);
    const { segmentor, host, fusion, contextAttention, keyQueryConvs } = model;
    assert.equal([segmentor, host, fusion, contextAttention, keyQueryConvs], ["mcibi", "aspp", "official", true, 2]);
    const { featsChannels, transformChannels, auxChannels, dropout } = model;
    assert.equal([featsChannels, transformChannels, auxChannels, dropout], [512, 256, 512, 0.1]);
    assert.is(evaluation.average, slide ? "probs" : "logits");
  });
}

test("there is no other preset of that kind", () => {
  const names = PRESET_NAMES.filter((name) => name.startsWith("mcibi_deeplabv3_"));
  assert.equal(names.toSorted(), Object.keys(MCIBI).map((pair) => `mcibi_deeplabv3_${pair}`).toSorted());
});

test("data and windows by dataset (METHOD.md 6 and 7)", () => {
  const of = (dataset: string) => {
    const { data, eval: evaluation } = preset(`mcibi_deeplabv3_resnet50os8_${dataset}`);
    const { size, keepRatio, scaleRange, flip, rotate, photometric, evalSplit } = data;
    const base = scaleRange.map((scale) => Math.round(scale * size[0] * 1e6) / 1e6);
    const { crop, stride } = evaluation;
    return { size, keepRatio, base, flip, rotate: rotate.probability, photometric, evalSplit, crop, stride };
  };
  const common = { keepRatio: true, flip: 0.5, rotate: 0, photometric: true, evalSplit: "val", stride: [341, 341] };
  const wide = { ...common, size: [512, 2048], base: [256, 1024], crop: [512, 512] };
  assert.equal(of("ade20k"), wide);
  assert.equal(of("cocostuff10k"), { ...wide, evalSplit: "test" });
  assert.equal(of("cityscapes"), { ...common, size: [1024, 2048], base: [512, 2048], crop: [1024, 512] });
  const lip = { size: [473, 473], base: [0.75 * 520, 1.25 * 520], crop: [473, 473] };
  assert.equal(of("lip"), { ...common, ...lip, keepRatio: false, rotate: 0.6 });
  assert.is(preset("mcibi_deeplabv3_resnet50os8_lip").data.rotate.degrees, 30);
});

test("the toolbox's networks have the budgets of METHOD.md 5", () => {
  type Budget = readonly [lr: number, wd: number, batch: number, epochs: number, T: number];
  const budgets: Readonly<Record<string, Budget>> = {
    ade20k: [0.01, 5e-4, 16, 130, 164_190],
    cityscapes: [0.01, 5e-4, 8, 220, 81_840],
    voc: [0.01, 5e-4, 16, 60, 39_660],
  };
  const methods = ["fcn", "pspnet", "deeplabv3", "upernet", "ocrnet"];
  const names = PRESET_NAMES.filter((name) => methods.includes(name.split("_")[0]));
  assert.is(names.length, 3 * (3 * 5 + 4 + 3));
  for (const name of names) {
    const [method, network, dataset] = name.split("_");
    const config = preset(name);
    const { model, memory, losses, optim, data, train, eval: evaluation } = config;
    const [lr, wd, batch, epochs, T] = budgets[dataset];
    const longer = name.startsWith("ocrnet") && dataset === "cityscapes" ? 2 : 1;
    assert.equal(
      [optim.lr, optim.weightDecay, train.batchSize, train.epochs, iterations(config)],
      [lr, wd, batch, longer * epochs, longer * T],
      name,
    );
    assert.equal([model.segmentor, memory.enabled, losses.stage2, losses.aux], [method, false, 1, 0.4], name);
    assert.is(model.dropout, method === "ocrnet" ? 0 : 0.1, name);
    const stride16 = network.endsWith("os16");
    const isHrnet = network === "hrnetv2w48";
    assert.equal(model.dilations, stride16 ? [1, 6, 12, 18] : [1, 12, 24, 36], name);
    const type = network.startsWith("resnest") ? "resnest" : "resnet";
    const depth = /\d+/.exec(network)![0];
    assert.is(backboneOf(config), isHrnet ? "hrnet 48" : `${type} ${depth} stride ${stride16 ? 16 : 8}`, name);
    assert.equal([data.dataset, data.evalSplit, evaluation.mode], [dataset, "val", "whole"], name);
  }
});

test("cityscapes-val has the toolbox's budget and evaluation; paper and improved change what they say", () => {
  const val = preset("cityscapes-val");
  const baseline = preset("deeplabv3_resnet50os8_cityscapes");
  assert.equal([val.train, val.data, val.eval], [baseline.train, baseline.data, baseline.eval]);
  assert.equal([val.data.trainSplit, val.data.evalSplit], ["train", "val"]);
  const { model, memory, losses } = val;
  const paper = preset("paper");
  const worded = { keyQueryConvs: 1, contextAttention: false, fusion: "concat3" };
  assert.equal(paper.model, { ...model, ...worded });
  assert.equal(paper.memory, { ...memory, momentum: 0.9, init: "random-pixel" });
  assert.equal(paper.losses, { ...losses, memory: { ...losses.memory, weight: 1, startEpoch: 1 } });
  const improved = preset("improved");
  assert.equal([improved.model, improved.memory], [model, memory]);
  const prudent = { ...losses.memory, weight: 1, startEpoch: 2, maskEmptySlots: true, updateRunningStats: false };
  assert.equal(improved.losses, { ...losses, memory: prudent });
});

test.run();
