/** The `backbone` of official configuration files. What they leave out has the default of the official code. */
import type { BackboneOptions } from "../models/backbone.ts";
import { HRNET_LAYOUTS } from "../models/hrnet.ts";
import type { HRNetOptions } from "../models/hrnet.ts";
import { RESNEST_LAYOUTS } from "../models/resnest.ts";
import type { ResNeStOptions } from "../models/resnest.ts";
import { RESNET_LAYOUTS } from "../models/resnet.ts";
import type { ResNetOptions } from "../models/resnet.ts";
import { VIT_LARGE } from "../models/vit.ts";
import type { VitOptions } from "../models/vit.ts";
import type { Pair } from "../tensor/shape.ts";
import { need } from "./official_need.ts";

export interface OfficialResNet {
  readonly type: "ResNet" | "ResNeSt";
  readonly depth?: number;
  readonly outstride?: number;
  readonly use_conv3x3_stem?: boolean;
  readonly selected_indices?: readonly number[];
  readonly base_channels?: number;
  readonly stem_channels?: number;
  readonly contract_dilation?: boolean;
  readonly use_avg_for_downsample?: boolean;
  /** Spelled out where the layout is not that of the depth. */
  readonly block?: string;
  readonly blocks_per_stage?: readonly number[];
  readonly groups?: number;
  readonly radix?: number;
  readonly reduction_factor?: number;
  readonly use_avg_after_block_conv2?: boolean;
}

interface OfficialStage {
  readonly num_modules: number;
  readonly block: string;
  /** Of every branch. */
  readonly num_blocks: readonly number[];
  readonly num_channels: readonly number[];
}

export interface OfficialHRNet {
  readonly type: "HRNet";
  readonly arch?: string;
  readonly structure_type?: string;
  readonly selected_indices?: readonly number[];
  readonly mcibi_version?: boolean;
  /** Spelled out where the layout is not that of `arch`. */
  readonly stages_cfg?: Readonly<Record<"stage1" | "stage2" | "stage3" | "stage4", OfficialStage>>;
}

export interface OfficialVit {
  readonly type: "VisionTransformer";
  readonly img_size?: number | Pair;
  readonly patch_size?: number;
  readonly embed_dims?: number;
  readonly num_layers?: number;
  readonly num_heads?: number;
  readonly mlp_ratio?: number;
  readonly out_indices?: readonly number[];
  readonly selected_indices?: readonly number[];
  readonly norm_cfg?: { readonly type: string; readonly eps?: number };
  readonly act_cfg?: { readonly type: string };
  readonly qkv_bias?: boolean;
  readonly drop_rate?: number;
  readonly attn_drop_rate?: number;
  readonly drop_path_rate?: number;
  readonly with_cls_token?: boolean;
  readonly output_cls_token?: boolean;
  readonly patch_norm?: boolean;
  readonly final_norm?: boolean;
  readonly num_fcs?: number;
  readonly interpolate_mode?: string;
}

export type OfficialBackbone = OfficialResNet | OfficialHRNet | OfficialVit;

/** @throws UserError naming the option that is not supported */
export function officialBackbone(backbone: OfficialBackbone): BackboneOptions {
  need<string>("backbone.type", backbone.type, ["ResNet", "ResNeSt", "HRNet", "VisionTransformer"]);
  switch (backbone.type) {
    case "ResNet":
      return { type: "resnet", ...resnetOptions(backbone) };
    case "ResNeSt":
      return { type: "resnest", ...resnestOptions(backbone) };
    case "HRNet":
      return { type: "hrnet", ...hrnetOptions(backbone) };
    case "VisionTransformer":
      return { type: "vit", ...vitOptions(backbone) };
  }
}

const BLOCKS = { BasicBlock: "basic", Bottleneck: "bottleneck" } as const;

function resnetOptions({ depth = 101, ...backbone }: OfficialResNet): ResNetOptions {
  const layout = layoutOf(RESNET_LAYOUTS, "backbone.depth", depth, backbone.block && backbone.blocks_per_stage);
  const block = backbone.block ?? (layout?.block === "basic" ? "BasicBlock" : "Bottleneck");
  need("backbone.block", block, Object.keys(BLOCKS));
  return {
    ...residualOptions(backbone, layout?.blocks),
    block: BLOCKS[block as keyof typeof BLOCKS],
    stemChannels: backbone.stem_channels ?? 64,
    deepStem: backbone.use_conv3x3_stem ?? true,
    avgDownsample: backbone.use_avg_for_downsample ?? false,
  };
}

function resnestOptions({ depth = 101, ...backbone }: OfficialResNet): ResNeStOptions {
  need("backbone.groups", backbone.groups ?? 1, [1]);
  need("backbone.radix", backbone.radix ?? 2, [2]);
  need("backbone.reduction_factor", backbone.reduction_factor ?? 4, [4]);
  need("backbone.use_avg_after_block_conv2", backbone.use_avg_after_block_conv2 ?? true, [true]);
  need("backbone.block", backbone.block ?? "Bottleneck", ["Bottleneck"]);
  return {
    ...residualOptions(backbone, layoutOf(RESNEST_LAYOUTS, "backbone.depth", depth, backbone.blocks_per_stage)?.blocks),
    stemChannels: backbone.stem_channels ?? 128,
    deepStem: backbone.use_conv3x3_stem ?? true,
    avgDownsample: backbone.use_avg_for_downsample ?? true,
  };
}

/** The standard layout of that key, or undefined where the configuration spells its own out. */
function layoutOf<L extends object>(layouts: L, path: string, key: number | string, spelled: unknown) {
  if (spelled) return undefined;
  need(path, String(key), Object.keys(layouts));
  return layouts[key as keyof L];
}

function residualOptions(backbone: Omit<OfficialResNet, "type">, standard?: readonly number[]) {
  const blocks = backbone.blocks_per_stage ?? standard!;
  const outputStride = backbone.outstride ?? 8;
  need("backbone.outstride", outputStride, [8, 16, 32]);
  need("backbone.blocks_per_stage (stages)", blocks.length, [4]);
  needIndices(backbone.selected_indices, "0,1,2,3");
  return {
    blocks: blocks as unknown as ResNetOptions["blocks"],
    baseChannels: backbone.base_channels ?? 64,
    outputStride: outputStride as ResNetOptions["outputStride"],
    contractedDilation: backbone.contract_dilation ?? true,
  };
}

/** Which outputs the head gets; each backbone has one choice that makes sense. */
function needIndices(found: readonly number[] | undefined, supported: string): void {
  need("backbone.selected_indices", found?.join() ?? supported, [supported]);
}

function hrnetOptions({ stages_cfg: stages, ...backbone }: OfficialHRNet): HRNetOptions {
  needIndices(backbone.selected_indices, "0,0,0,0");
  const arch = backbone.arch ?? backbone.structure_type ?? "hrnetv2_w18_small";
  const layout: HRNetOptions = layoutOf(HRNET_LAYOUTS, "backbone.arch", arch, stages) ?? {
    ...HRNET_LAYOUTS.hrnetv2_w48,
    ...stageOptions(stages!),
  };
  return { ...layout, skipStemActivation: backbone.mcibi_version ?? false };
}

function stageOptions({ stage1, ...others }: Required<OfficialHRNet>["stages_cfg"]): Partial<HRNetOptions> {
  const stages = [others.stage2, others.stage3, others.stage4];
  const [width] = stages[0].num_channels;
  const [blocks] = stages[0].num_blocks;
  need("backbone.stages_cfg.stage1.block", stage1.block, ["BOTTLENECK"]);
  stages.forEach(({ block, num_channels: channels, num_blocks: counts }, i) => {
    const path = `backbone.stages_cfg.stage${i + 2}`;
    const branches = Array.from({ length: i + 2 }, (_, branch) => branch);
    need(`${path}.block`, block, ["BASIC"]);
    need(`${path}.num_channels`, channels.join(), [branches.map((branch) => width * 2 ** branch).join()]);
    need(`${path}.num_blocks`, counts.join(), [branches.map(() => blocks).join()]);
  });
  return {
    planes: stage1.num_channels[0],
    bottlenecks: stage1.num_blocks[0],
    modules: stages.map((stage) => stage.num_modules) as unknown as HRNetOptions["modules"],
    width,
    blocks,
  };
}

function vitOptions(backbone: OfficialVit): VitOptions {
  const { img_size: size = VIT_LARGE.imageSize, out_indices: outputs = VIT_LARGE.outputs } = backbone;
  needIndices(backbone.selected_indices, "0,1,2,3");
  need("backbone.out_indices (outputs)", outputs.length, [4]);
  need("backbone.norm_cfg.type", backbone.norm_cfg?.type ?? "LayerNorm", ["LayerNorm"]);
  need("backbone.act_cfg.type", backbone.act_cfg?.type ?? "GELU", ["GELU"]);
  need("backbone.qkv_bias", backbone.qkv_bias ?? true, [true]);
  need("backbone.attn_drop_rate", backbone.attn_drop_rate ?? 0, [0]);
  need("backbone.drop_path_rate", backbone.drop_path_rate ?? 0, [0]);
  need("backbone.with_cls_token", backbone.with_cls_token ?? true, [true]);
  need("backbone.output_cls_token", backbone.output_cls_token ?? false, [false]);
  need("backbone.patch_norm", backbone.patch_norm ?? false, [false]);
  need("backbone.final_norm", backbone.final_norm ?? false, [false]);
  need("backbone.num_fcs", backbone.num_fcs ?? 2, [2]);
  need("backbone.interpolate_mode", backbone.interpolate_mode ?? "bilinear", ["bilinear"]);
  return {
    imageSize: typeof size === "number" ? [size, size] : size,
    patchSize: backbone.patch_size ?? VIT_LARGE.patchSize,
    channels: backbone.embed_dims ?? VIT_LARGE.channels,
    layers: backbone.num_layers ?? VIT_LARGE.layers,
    heads: backbone.num_heads ?? VIT_LARGE.heads,
    mlpRatio: backbone.mlp_ratio ?? VIT_LARGE.mlpRatio,
    outputs,
    dropout: backbone.drop_rate ?? VIT_LARGE.dropout,
    eps: backbone.norm_cfg?.eps ?? VIT_LARGE.eps,
  };
}
