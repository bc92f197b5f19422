/**
 * From the official configuration files (as JSON) to ours. What a configuration asks for and this project does not have
 * is refused by name, never ignored.
 */
import type { HostOptions, McibiOptions } from "../models/mcibi.ts";
import type { PixelLossOptions } from "../nn/losses.ts";
import type { AuxiliaryOptions, LossOptions } from "../models/segmentor.ts";
import type { OptimizerChoice } from "../optim/build.ts";
import type { OptimizerOptions } from "../optim/optimizer.ts";
import { coupledMomentum } from "../optim/schedule.ts";
import type { PolyOptions, Warmup } from "../optim/schedule.ts";
import { officialBackbone } from "./official_backbone.ts";
import type { OfficialBackbone } from "./official_backbone.ts";
import { need } from "./official_need.ts";

export interface OfficialLoss {
  readonly type: string;
  readonly scale_factor?: number;
  readonly ignore_index?: number;
  readonly reduction?: string;
  readonly class_weight?: readonly number[] | null;
  readonly norm_loss_with_class_weight?: boolean;
  readonly label_smoothing?: number | null;
  readonly lowest_loss_value?: number | null;
}

/** With PyTorch's names and defaults. */
export interface OfficialOptimizer {
  readonly type: string;
  readonly lr: number;
  readonly momentum?: number;
  readonly weight_decay?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  /** By a part of the parameters' names. */
  readonly params_rules?: Readonly<Record<string, OfficialRule>>;
}

interface OfficialRule {
  readonly lr_multiplier?: number;
  readonly wd_multiplier?: number;
}

interface OfficialAuxiliary {
  readonly out_channels: number;
  readonly dropout: number;
  readonly num_convs?: number;
  readonly upsample?: { readonly scale_factor: number; readonly mode?: string };
}

export interface OfficialConfig {
  readonly type: string;
  readonly num_classes: number;
  readonly align_corners: boolean;
  readonly act_cfg: { readonly type: string; readonly negative_slope?: number };
  readonly backbone: OfficialBackbone;
  readonly head: {
    readonly norm_cfg?: { readonly type: string; readonly eps?: number } | null;
    readonly downsample_backbone: { readonly stride: number };
    readonly context_within_image: {
      readonly is_on: boolean;
      readonly type: string;
      readonly cfg: { readonly dilations?: readonly number[]; readonly pool_scales?: readonly number[] };
    };
    readonly use_hard_aggregate: boolean;
    readonly feats_channels: number;
    readonly transform_channels: number;
    readonly out_channels: number;
    readonly num_feats_per_cls: number;
    readonly use_loss: boolean;
    readonly loss_cfg: OfficialLoss;
    readonly update_cfg: {
      readonly strategy: "cosine_similarity" | "mean";
      readonly ignore_index: number;
      readonly momentum_cfg: {
        readonly base_momentum: number;
        readonly base_lr: number;
        readonly adjust_by_learning_rate: boolean;
      };
    };
    readonly dropout: number;
  };
  readonly auxiliary: OfficialAuxiliary | readonly OfficialAuxiliary[] | null;
  readonly losses: Readonly<Record<string, OfficialLoss>>;
  readonly scheduler: {
    readonly type: string;
    readonly max_epochs: number;
    readonly power: number;
    readonly min_lr?: number;
    readonly warmup_cfg?: Warmup | null;
    readonly optimizer: OfficialOptimizer;
  };
}

/** Everything that a training iteration of the official code depends on. */
export interface OfficialModel {
  readonly model: McibiOptions;
  readonly losses: LossOptions;
  readonly optimizer: OptimizerChoice;
  readonly epochs: number;
  schedule(maxIters: number): PolyOptions;
  memoryMomentum(learningRate: number): number;
}

/** @throws UserError naming the option that is not supported */
export function buildFromFixtureConfig(config: OfficialConfig): OfficialModel {
  const { head, scheduler } = config;
  const { optimizer } = scheduler;
  need("type", config.type, ["MCIBI"]);
  need("scheduler.type", scheduler.type, ["PolyScheduler"]);
  need("head.update_cfg.ignore_index", head.update_cfg.ignore_index, [ignoreIndexOf(config)]);
  const { base_momentum: momentum, base_lr: baseLr, adjust_by_learning_rate: follows } = head.update_cfg.momentum_cfg;
  return {
    model: officialModelOptions(config),
    losses: officialLossOptions(config),
    optimizer: officialOptimizer(optimizer),
    epochs: scheduler.max_epochs,
    schedule: (maxIters) => ({
      baseLr: optimizer.lr,
      power: scheduler.power,
      maxIters,
      minLr: scheduler.min_lr,
      warmup: scheduler.warmup_cfg ?? undefined,
    }),
    memoryMomentum: (lr) => (follows ? coupledMomentum(lr, { momentum, baseLr }) : momentum),
  };
}

/** Options that each type has, besides those of all. */
const OPTIMIZER_OPTIONS: Readonly<Record<string, readonly string[]>> = {
  SGD: ["momentum", "dampening", "nesterov"],
  Adam: ["betas", "eps"],
  AdamW: ["betas", "eps"],
};

/** @throws UserError naming the type or the option that is not supported */
export function officialOptimizer(optimizer: OfficialOptimizer): OptimizerChoice {
  const { type, momentum = 0, weight_decay: decay, dampening, nesterov, betas = [0.9, 0.999], eps = 1e-8 } = optimizer;
  const path = "scheduler.optimizer";
  need(`${path}.type`, type, Object.keys(OPTIMIZER_OPTIONS));
  const known = ["type", "lr", "weight_decay", "params_rules", ...OPTIMIZER_OPTIONS[type]];
  for (const option of Object.keys(optimizer)) need(`${path} (options)`, option, known);
  const rules = officialRules(optimizer.params_rules);
  if (type === "SGD") return { type: "sgd", momentum, weightDecay: decay ?? 0, dampening, nesterov, rules };
  const decoupled = type === "AdamW";
  return { type: "adam", betas, eps, weightDecay: decay ?? (decoupled ? 0.01 : 0), decoupled, rules };
}

function officialRules(rules: OfficialOptimizer["params_rules"] = {}): Required<OptimizerOptions>["rules"] {
  const known = ["lr_multiplier", "wd_multiplier"];
  return Object.fromEntries(
    Object.entries(rules).map(([part, rule]) => {
      const path = `scheduler.optimizer.params_rules.${part}`;
      for (const option of Object.keys(rule)) need(`${path} (options)`, option, known);
      return [part, { lr: rule.lr_multiplier ?? 1, weightDecay: rule.wd_multiplier ?? 1 }];
    }),
  );
}

function officialModelOptions({ head, backbone, ...config }: OfficialConfig): McibiOptions {
  need("head.downsample_backbone.stride", head.downsample_backbone.stride, [1, 2]);
  if (head.use_loss) need("head.out_channels", head.out_channels, [head.feats_channels]);
  if (head.norm_cfg) need("head.norm_cfg.type", head.norm_cfg.type, ["LayerNorm"]);
  return {
    numClasses: config.num_classes,
    backbone: officialBackbone(backbone),
    outputNorm: head.norm_cfg ? { eps: head.norm_cfg.eps ?? 1e-5 } : null,
    downsampleStride: head.downsample_backbone.stride as 1 | 2,
    host: hostOptions(head.context_within_image),
    featsChannels: head.feats_channels,
    transformChannels: head.transform_channels,
    outChannels: head.out_channels,
    memory: {
      featsPerClass: head.num_feats_per_cls,
      hardAggregate: head.use_hard_aggregate,
      strategy: head.update_cfg.strategy,
      unassigned: "decay",
    },
    auxiliary: auxiliaryOptions(config.auxiliary),
    dropout: head.dropout,
    headSlope: slopeOf(config.act_cfg),
    alignCorners: config.align_corners,
  };
}

/** Heads of the maps in front of the last. */
function auxiliaryOptions(auxiliary: OfficialConfig["auxiliary"]): AuxiliaryOptions | null {
  const heads = [auxiliary ?? []].flat();
  if (heads.length === 0) return null;
  const [{ out_channels: channels, dropout, num_convs: convs, upsample }] = heads;
  need("auxiliary (heads)", heads.length, [1, 2, 3]);
  need("auxiliary (heads all alike)", new Set(heads.map((head) => JSON.stringify(head))).size, [1]);
  need("auxiliary.num_convs", convs ?? 1, [1, 2, 3]);
  need("auxiliary.upsample.mode", upsample?.mode ?? "nearest", ["nearest"]);
  return { channels, dropout, heads: heads.length, convs, upsample: upsample?.scale_factor };
}

function hostOptions({ is_on: isOn, type, cfg }: OfficialConfig["head"]["context_within_image"]): HostOptions {
  if (!isOn) return { type: "fcn" };
  need("head.context_within_image.type", type, ["aspp", "ppm"]);
  if (type === "aspp") return { type, dilations: cfg.dilations ?? [1, 12, 24, 36] };
  return { type: "ppm", poolScales: cfg.pool_scales ?? [1, 2, 3, 6] };
}

function officialLossOptions(config: OfficialConfig): LossOptions {
  const { losses, head } = config;
  for (const [name, loss] of Object.entries(losses)) checkLoss(name, loss, PIXEL_OPTIONS);
  checkLoss("head.loss_cfg", head.loss_cfg, LOSS_OPTIONS);
  const pixels = Object.values(losses).map(pixelLoss);
  need("losses (all alike but for scale_factor)", new Set(pixels.map((loss) => JSON.stringify(loss))).size, [1]);
  const auxiliary = Object.entries(losses).flatMap(([name, loss]) => (/^loss_aux\d*$/.test(name) ? [loss] : []));
  need("losses (all loss_aux of one weight)", new Set(auxiliary.map((loss) => loss.scale_factor)).size, [0, 1]);
  const weight = (loss: OfficialLoss | undefined): number => (loss ? (loss.scale_factor ?? 1) : 0);
  return {
    stage1: weight(losses.loss_cls_stage1),
    stage2: weight(losses.loss_cls_stage2),
    aux: weight(auxiliary[0]),
    memory: {
      weight: head.use_loss ? weight(head.loss_cfg) : 0,
      startEpoch: 2,
      maskEmptySlots: false,
      updateRunningStats: true,
      beforeUpdate: false,
    },
    ...pixels[0],
  };
}

/** The loss class as it is for every term of pixels. */
function pixelLoss(loss: OfficialLoss): PixelLossOptions {
  return {
    ignoreIndex: loss.ignore_index ?? -100,
    classWeights: loss.class_weight ?? [],
    normByClassWeights: loss.norm_loss_with_class_weight ?? true,
    labelSmoothing: loss.label_smoothing ?? 0,
    lowest: loss.lowest_loss_value ?? 0,
  };
}

const LOSS_OPTIONS = ["type", "scale_factor", "ignore_index", "reduction"];
const PIXEL_OPTIONS = [
  ...LOSS_OPTIONS, "class_weight", "norm_loss_with_class_weight", "label_smoothing", "lowest_loss_value",
];

function checkLoss(name: string, loss: OfficialLoss, supported: readonly string[]): void {
  need(`${name}.type`, loss.type, ["CrossEntropyLoss"]);
  need(`${name}.reduction`, loss.reduction ?? "mean", ["mean"]);
  const others = Object.entries(loss).filter(([option, value]) => value !== null && !supported.includes(option));
  need(`${name} (options besides ${supported.join(", ")})`, others.map(([option]) => option).join(), [""]);
}

function ignoreIndexOf({ losses }: OfficialConfig): number {
  return losses.loss_cls_stage2?.ignore_index ?? -100;
}

function slopeOf({ type, negative_slope: slope = 0.01 }: OfficialConfig["act_cfg"]): number {
  need("act_cfg.type", type, ["ReLU", "LeakyReLU"]);
  return type === "ReLU" ? 0 : slope;
}
