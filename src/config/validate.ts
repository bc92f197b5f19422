import { UserError } from "../errors.ts";
import { BACKBONE_TYPES, isBackboneType } from "./backbone.ts";
import type { BackboneType } from "./backbone.ts";
import type { Config, VitConfig } from "./config.ts";
import { MEMORY_INITS, isMemoryInit } from "./memory_init.ts";

/** A field's path, what it may hold, and the test; values come with the type of the preset's value (see `setField`). */
type Rule = readonly [path: string, expected: string, holds: (value: never) => boolean];

const whole = (least: number) => (value: number) => Number.isInteger(value) && value >= least;
const between = (low: number, high: number) => (value: number) => value >= low && value <= high;
const oneOf = <T>(...choices: T[]) => [choices.join(", "), (value: T) => choices.includes(value)] as const;
const list = (holds: (value: number) => boolean) => (value: number[]) => value.length > 0 && value.every(holds);
const pair = (value: number[]) => value.length === 2 && value.every(whole(1));

const COUNT = ["a whole number of at least 1", whole(1)] as const;
const COUNT_OR_ZERO = ["a whole number of at least 0", whole(0)] as const;
const NOT_NEGATIVE = ["a number of at least 0", between(0, Infinity)] as const;
const FRACTION = ["a number from 0 to 1", between(0, 1)] as const;
const PROBABILITY_BELOW_1 = ["a number from 0 to below 1", (value: number) => value >= 0 && value < 1] as const;
/** As large as the images that are read. */
const SIZE = [
  "two whole numbers height,width, of at most 2^28 pixels",
  (value: number[]) => pair(value) && value[0] * value[1] <= 2 ** 28,
] as const;

const RESIDUAL: readonly Rule[] = [
  ["model.backbone.baseChannels", ...COUNT],
  ["model.backbone.stemChannels", "an even number of at least 2", (value: number) => value >= 2 && value % 2 === 0],
  ["model.backbone.outputStride", ...oneOf(8, 16, 32)],
];

const BACKBONE_RULES: Readonly<Record<BackboneType, readonly Rule[]>> = {
  resnet: [["model.backbone.depth", ...oneOf(18, 34, 50, 101)], ...RESIDUAL],
  resnest: [["model.backbone.depth", ...oneOf(50, 101, 200)], ...RESIDUAL],
  hrnet: [
    ["model.backbone.width", ...COUNT],
    ["model.backbone.stemChannels", ...COUNT],
    ["model.backbone.planes", ...COUNT],
    ["model.backbone.bottlenecks", ...COUNT],
    [
      "model.backbone.modules",
      "three whole numbers of at least 1",
      (value: number[]) => value.length === 3 && value.every(whole(1)),
    ],
    ["model.backbone.blocks", ...COUNT],
  ],
  vit: [
    ["model.backbone.imageSize", ...SIZE],
    ["model.backbone.patchSize", ...COUNT],
    ["model.backbone.channels", ...COUNT],
    ["model.backbone.layers", ...COUNT],
    ["model.backbone.heads", ...COUNT],
    ["model.backbone.mlpRatio", ...COUNT],
    [
      "model.backbone.outputs",
      "four layers, counting from 0, in ascending order",
      (value: number[]) =>
        value.length === 4 && value.every((layer, i) => whole(0)(layer) && !(layer <= value[i - 1])),
    ],
    ["model.backbone.dropout", ...PROBABILITY_BELOW_1],
  ],
};

const RULES: readonly Rule[] = [
  ["model.backbone.type", ...oneOf(...BACKBONE_TYPES)],
  ["model.segmentor", ...oneOf("mcibi", "fcn", "pspnet", "deeplabv3", "ocrnet", "upernet")],
  ["model.host", ...oneOf("fcn", "ppm", "aspp", "ocr", "upernet")],
  ["model.dilations", "a list of whole numbers of at least 1", list(whole(1))],
  ["model.poolScales", "a list of whole numbers of at least 1", list(whole(1))],
  ["model.featsChannels", ...COUNT],
  ["model.transformChannels", ...COUNT],
  ["model.keyQueryConvs", ...COUNT],
  ["model.fusion", ...oneOf("official", "concat3")],
  ["model.auxChannels", ...COUNT],
  ["model.dropout", ...PROBABILITY_BELOW_1],
  ["model.headSlope", ...PROBABILITY_BELOW_1],
  ["memory.featsPerClass", ...COUNT],
  ["memory.strategy", ...oneOf("cosine_similarity", "mean")],
  ["memory.unassigned", ...oneOf("keep", "decay")],
  [
    "memory.init",
    `${MEMORY_INITS.join(", ")}, or a file that has a memory (.safetensors, .pth)`,
    (value: string) => isMemoryInit(value) || /\.(safetensors|pth)$/.test(value),
  ],
  ["memory.momentum", ...FRACTION],
  ["memory.momentumPower", ...NOT_NEGATIVE],
  ["memory.momentumFloor", ...FRACTION],
  ["losses.stage1", ...NOT_NEGATIVE],
  ["losses.stage2", ...NOT_NEGATIVE],
  ["losses.aux", ...NOT_NEGATIVE],
  [
    "losses.classWeights",
    "numbers of at least 0, not all of them 0, or none at all",
    (value: number[]) => value.every(between(0, Infinity)) && (value.length === 0 || Math.max(...value) > 0),
  ],
  ["losses.labelSmoothing", ...FRACTION],
  ["losses.lowest", ...NOT_NEGATIVE],
  ["losses.ohem.minKept", ...COUNT_OR_ZERO],
  ["losses.ohem.threshold", ...FRACTION],
  ["losses.memory.weight", ...NOT_NEGATIVE],
  ["losses.memory.startEpoch", ...COUNT],
  ["optim.type", ...oneOf("sgd", "adam", "adamw")],
  ["optim.lr", "a number above 0", (value: number) => value > 0],
  ["optim.momentum", ...PROBABILITY_BELOW_1],
  ["optim.weightDecay", ...NOT_NEGATIVE],
  [
    "optim.betas",
    "two numbers from 0 to below 1",
    (value: number[]) => value.length === 2 && value.every((beta) => beta >= 0 && beta < 1),
  ],
  ["optim.eps", "a number above 0", (value: number) => value > 0],
  ["optim.power", ...NOT_NEGATIVE],
  ["optim.minLrRatio", ...FRACTION],
  ["optim.minLr", ...NOT_NEGATIVE],
  ["optim.backbone.lr", ...NOT_NEGATIVE],
  ["optim.backbone.weightDecay", ...NOT_NEGATIVE],
  ["optim.warmup.type", ...oneOf("constant", "linear", "exp")],
  ["optim.warmup.ratio", "a number above 0, at most 1", (value: number) => value > 0 && value <= 1],
  ["optim.warmup.iters", ...COUNT_OR_ZERO],
  ["optim.clipGradNorm", ...NOT_NEGATIVE],
  ["data.size", ...SIZE],
  [
    "data.scaleRange",
    "two numbers low,high above 0",
    ([low, high, ...more]: number[]) => low > 0 && high >= low && more.length === 0,
  ],
  ["data.crop", ...SIZE],
  ["data.oneCategoryMaxRatio", ...FRACTION],
  ["data.flip", ...FRACTION],
  ["data.rotate.probability", ...FRACTION],
  ["data.rotate.degrees", "a whole number from 1 to 180", (value: number) => whole(1)(value) && value <= 180],
  ["data.workers", "a whole number from 1 to 256", (value: number) => whole(1)(value) && value <= 256],
  ["data.cacheMiB", ...NOT_NEGATIVE],
  ["train.epochs", ...COUNT],
  ["train.batchSize", ...COUNT],
  ["train.accumulate", ...COUNT],
  ["train.seed", "a whole number from 0 to 2^32 - 1", (value: number) => whole(0)(value) && value < 2 ** 32],
  ["train.evalEvery", ...COUNT],
  ["train.logEvery", ...COUNT],
  ["train.saveEvery", ...COUNT_OR_ZERO],
  ["train.panels", ...COUNT_OR_ZERO],
  ["eval.mode", ...oneOf("whole", "slide")],
  ["eval.crop", ...SIZE],
  ["eval.stride", ...SIZE],
  ["eval.scales", "a list of numbers above 0", list((value) => value > 0)],
  ["eval.average", ...oneOf("logits", "probs")],
];

/**
 * Checks every field's range, and what has to hold between fields.
 *
 * @throws UserError naming the first field that is wrong, what was found and what is expected
 */
export function validateConfig(config: Config): void {
  const { backbone } = config.model;
  const own = isBackboneType(backbone.type) ? BACKBONE_RULES[backbone.type] : [];
  for (const [path, expected, holds] of [...RULES, ...own]) {
    const value = path.split(".").reduce((group, name) => (group as Record<string, unknown>)[name], config as unknown);
    if (!holds(value as never)) throw new UserError(`${path} is ${String(value)}, expected ${expected}`);
  }
  if (backbone.type === "vit") validateVit(backbone);
  validateAccumulation(config);
  if (imagesAtOnce(config) === 1 && backbone.type === "resnest") {
    throw new UserError(
      `${oneImage(config)}, but the backbone resnest normalises globally pooled features over the batch: ` +
        "it needs at least 2, or another model.backbone.type",
    );
  }
  validateNetwork(config);
  if (config.optim.minLr > config.optim.lr) {
    throw new UserError(`optim.minLr is ${config.optim.minLr}, which is more than optim.lr, ${config.optim.lr}`);
  }
  if (config.eval.mode === "slide" && config.eval.stride.some((step, axis) => step > config.eval.crop[axis])) {
    throw new UserError(
      `eval.stride ${config.eval.stride} exceeds eval.crop ${config.eval.crop}: pixels would be left out`,
    );
  }
}

const imagesAtOnce = ({ train }: Config): number => train.batchSize / train.accumulate;

const oneImage = ({ train }: Config): string =>
  train.accumulate === 1 ? "train.batchSize is 1" : `train.accumulate ${train.accumulate} leaves one image at a time`;

/** Parts of a batch that know nothing of each other have to add up to what the whole would give. */
function validateAccumulation({ train, losses, memory }: Config): void {
  const { batchSize, accumulate } = train;
  if (batchSize % accumulate !== 0) {
    throw new UserError(`train.accumulate is ${accumulate}, which does not divide train.batchSize, ${batchSize}`);
  }
  if (accumulate === 1) return;
  if (memory.enabled && memory.officialAliasing) {
    throw new UserError(
      `train.accumulate is ${accumulate}, but memory.officialAliasing lets backward read the updated memory, which is ` +
        "there for a batch's last part only: it goes with train.accumulate=1",
    );
  }
  const needsAll = losses.ohem.minKept > 0 ? "losses.ohem.minKept" : losses.lowest > 0 ? "losses.lowest" : null;
  if (!needsAll) return;
  throw new UserError(
    `train.accumulate is ${accumulate}, but ${needsAll} depends on the losses of all of a batch's pixels before any ` +
      "gradient is known: it goes with train.accumulate=1",
  );
}

function validateNetwork(config: Config): void {
  const { model, memory, losses } = config;
  const { segmentor, host } = model;
  const isMcibi = segmentor === "mcibi";
  if (!isMcibi && memory.enabled) {
    throw new UserError(`model.segmentor is ${segmentor}, which has no memory: it goes with memory.enabled=false`);
  }
  if (memory.enabled && memory.strategy === "mean" && memory.featsPerClass > 1) {
    throw new UserError(
      `memory.strategy is mean, which cannot tell the ${memory.featsPerClass} slots of memory.featsPerClass apart: ` +
        "it goes with one, several with cosine_similarity",
    );
  }
  const [name, field] = isMcibi ? [host, "host"] : [segmentor, "segmentor"];
  if (["ocr", "ocrnet"].includes(name) && losses.aux === 0) {
    throw new UserError(
      `losses.aux is 0, but model.${field}=${name} finds objects by what the auxiliary head says: it needs a weight`,
    );
  }
  if (imagesAtOnce(config) === 1 && !["fcn", "ocr", "ocrnet"].includes(name)) {
    throw new UserError(
      `${oneImage(config)}, but the ${field} ${name} normalises globally pooled features over the batch: ` +
        `it needs at least 2, or model.${field}=fcn`,
    );
  }
}

function validateVit({ channels, heads, imageSize, patchSize, layers, outputs }: VitConfig): void {
  if (channels % heads !== 0) {
    throw new UserError(`model.backbone.channels is ${channels}, expected a multiple of the ${heads} heads`);
  }
  if (Math.min(...imageSize) < patchSize) {
    throw new UserError(`model.backbone.imageSize is ${imageSize}, smaller than a patch of ${patchSize}`);
  }
  if (outputs[3] >= layers) {
    throw new UserError(`model.backbone.outputs is ${outputs}, but the last of ${layers} layers is ${layers - 1}`);
  }
}
