/** Official configuration files, as far as they differ by backbone. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildFromFixtureConfig } from "../../src/config/official.ts";
import type { OfficialConfig } from "../../src/config/official.ts";
import { UserError } from "../../src/errors.ts";
import { HRNET_LAYOUTS } from "../../src/models/hrnet.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import { VIT_LARGE } from "../../src/models/vit.ts";
import { RandomState } from "../../src/nn/random_state.ts";

const LOSS = { type: "CrossEntropyLoss", scale_factor: 0.4, ignore_index: 255, reduction: "mean" };
const MAIN = { loss_cls_stage1: LOSS, loss_cls_stage2: { ...LOSS, scale_factor: 1 } };
const AUXILIARY = { in_channels: 1024, out_channels: 512, dropout: 0.1 };

/** With the changes that the configurations of the backbones make. */
function official(backbone: object, changes: object = {}, head: object = {}): OfficialConfig {
  return {
    type: "MCIBI",
    num_classes: 150,
    align_corners: false,
    act_cfg: { type: "ReLU", inplace: true },
    backbone,
    head: {
      downsample_backbone: { stride: 1, kernel_size: 3, padding: 1, bias: false },
      context_within_image: { is_on: true, type: "aspp", cfg: { dilations: [1, 12, 24, 36] } },
      use_hard_aggregate: false,
      feats_channels: 512,
      transform_channels: 256,
      out_channels: 512,
      num_feats_per_cls: 1,
      use_loss: true,
      loss_cfg: LOSS,
      update_cfg: {
        strategy: "cosine_similarity",
        ignore_index: 255,
        momentum_cfg: { base_momentum: 0.9, base_lr: 0.01, adjust_by_learning_rate: true },
      },
      dropout: 0.1,
      ...head,
    },
    auxiliary: AUXILIARY,
    losses: { loss_aux: LOSS, ...MAIN },
    scheduler: { type: "PolyScheduler", max_epochs: 130, power: 0.9, optimizer: { type: "SGD", lr: 0.01 } },
    ...changes,
  } as unknown as OfficialConfig;
}

const tensors = (config: OfficialConfig): number =>
  new Mcibi(buildFromFixtureConfig(config).model, new RandomState(0)).stateShapes().size;

const RESNEST = { type: "ResNeSt", depth: 101, structure_type: "resnest101", selected_indices: [0, 1, 2, 3] };
const HRNET = { type: "HRNet", structure_type: "hrnetv2_w48", arch: "hrnetv2_w48", selected_indices: [0, 0, 0, 0] };
const VIT = {
  type: "VisionTransformer",
  structure_type: "jx_vit_large_p16_384",
  img_size: [512, 512],
  out_indices: [9, 14, 19, 23],
  norm_cfg: { type: "LayerNorm", eps: 1e-6 },
  selected_indices: [0, 1, 2, 3],
  patch_size: 16,
  embed_dims: 1024,
  num_layers: 24,
  num_heads: 16,
  mlp_ratio: 4,
  qkv_bias: true,
  drop_rate: 0.1,
  attn_drop_rate: 0,
  drop_path_rate: 0,
  with_cls_token: true,
  output_cls_token: false,
  patch_norm: false,
  final_norm: false,
  num_fcs: 2,
};
const NO_AUXILIARY = { auxiliary: null, losses: MAIN };

test("the networks that the official files describe have the official number of tensors (METHOD.md 3.8)", () => {
  assert.is(tensors(official({ type: "ResNet", depth: 50, outstride: 8, use_conv3x3_stem: true })), 481);
  assert.is(tensors(official({ type: "ResNet", depth: 101 })), 787);
  assert.is(tensors(official(RESNEST)), 1084);
  assert.is(tensors(official(HRNET, NO_AUXILIARY)), 1973);
  const downsampled = { downsample_backbone: { stride: 2, kernel_size: 3, padding: 1, bias: false } };
  assert.is(tensors(official({ ...HRNET, mcibi_version: true }, NO_AUXILIARY, downsampled)), 1979);
});

test("an HRNet whose stages are spelled out", () => {
  const stage = (modules: number, ...channels: number[]) => {
    const branches = { num_blocks: channels.map(() => 1), num_channels: channels };
    return { num_modules: modules, num_branches: channels.length, block: "BASIC", ...branches };
  };
  const stages_cfg = {
    stage1: { num_modules: 1, num_branches: 1, block: "BOTTLENECK", num_blocks: [2], num_channels: [8] },
    stage2: stage(1, 3, 6),
    stage3: stage(2, 3, 6, 12),
    stage4: stage(1, 3, 6, 12, 24),
  };
  const { backbone } = buildFromFixtureConfig(official({ ...HRNET, arch: "tiny", stages_cfg }, NO_AUXILIARY)).model;
  const sizes = { stemChannels: 64, planes: 8, bottlenecks: 2, modules: [1, 2, 1], width: 3, blocks: 1 };
  assert.equal(backbone, { type: "hrnet", ...sizes, skipStemActivation: false });
  const named = buildFromFixtureConfig(official({ ...HRNET, mcibi_version: true }, NO_AUXILIARY)).model.backbone;
  assert.equal(named, { type: "hrnet", ...HRNET_LAYOUTS.hrnetv2_w48, skipStemActivation: true });
});

test("a ViT: normalised outputs, three heads of one weight", () => {
  const head = { ...AUXILIARY, num_convs: 2, upsample: { scale_factor: 4 } };
  const losses = { loss_aux1: LOSS, loss_aux2: LOSS, loss_aux3: LOSS, ...MAIN };
  const norm_cfg = { in_channels_list: [1024, 1024, 1024, 1024], type: "LayerNorm", eps: 1e-6 };
  const config = official(VIT, { auxiliary: [head, head, head], losses }, { norm_cfg });
  const { model, losses: weights } = buildFromFixtureConfig(config);
  assert.equal(model.backbone, { type: "vit", ...VIT_LARGE });
  assert.equal(model.outputNorm, { eps: 1e-6 });
  assert.equal(model.auxiliary, { channels: 512, dropout: 0.1, heads: 3, convs: 2, upsample: 4 });
  assert.is(weights.aux, 0.4);
});

test("rules for parameters, as the official files of ViTs have them", () => {
  const optimizer = (rule: object) => {
    const SGD = { type: "SGD", lr: 0.01, momentum: 0.9, weight_decay: 0, params_rules: { backbone_net: rule } };
    return official(VIT, { scheduler: { type: "PolyScheduler", max_epochs: 130, power: 0.9, optimizer: SGD } });
  };
  const { rules } = buildFromFixtureConfig(optimizer({ lr_multiplier: 0.1, wd_multiplier: 1 })).optimizer;
  assert.equal(rules, { backbone_net: { lr: 0.1, weightDecay: 1 } });
  assert.equal(buildFromFixtureConfig(official(VIT)).optimizer.rules, {});
  assert.throws(() => buildFromFixtureConfig(optimizer({ betas: 0.1 })), /backbone_net \(options\) is "betas"/);
});

test("optimisers with PyTorch's defaults, and the options of the loss class", () => {
  const choice = (optimizer: object) => {
    const scheduler = { type: "PolyScheduler", max_epochs: 1, power: 0.9, optimizer: { lr: 0.01, ...optimizer } };
    return buildFromFixtureConfig(official(VIT, { scheduler })).optimizer;
  };
  const adam = { type: "adam", betas: [0.9, 0.999], eps: 1e-8, rules: {} };
  assert.equal(choice({ type: "AdamW" }), { ...adam, weightDecay: 0.01, decoupled: true });
  assert.equal(choice({ type: "Adam", eps: 1e-3 }), { ...adam, eps: 1e-3, weightDecay: 0, decoupled: false });
  assert.throws(() => choice({ type: "AdamW", amsgrad: true }), /optimizer \(options\) is "amsgrad"/);
  assert.throws(() => choice({ type: "RMSprop" }), /optimizer\.type is "RMSprop"/);

  const options = {
    ...{ class_weight: [1, 2], norm_loss_with_class_weight: false },
    ...{ label_smoothing: 0.1, lowest_loss_value: 2 },
  };
  const losses = Object.fromEntries(Object.entries(MAIN).map(([name, loss]) => [name, { ...loss, ...options }]));
  const built = buildFromFixtureConfig(official(VIT, { losses })).losses;
  const { classWeights, normByClassWeights, labelSmoothing, lowest } = built;
  assert.equal([classWeights, normByClassWeights, labelSmoothing, lowest], [[1, 2], false, 0.1, 2]);
  const unlike = { ...losses, loss_aux: LOSS };
  assert.throws(() => buildFromFixtureConfig(official(VIT, { losses: unlike })), /alike but for scale_factor\) is 2/);
});

test("what is not supported is refused by name", () => {
  const uneven = { loss_aux1: LOSS, loss_aux2: { ...LOSS, scale_factor: 1 }, ...MAIN };
  const refused: readonly (readonly [RegExp, OfficialConfig])[] = [
    [/backbone\.type is "SwinTransformer"/, official({ type: "SwinTransformer" })],
    [/backbone\.depth is "19"/, official({ type: "ResNet", depth: 19 })],
    [/backbone\.radix is 4/, official({ ...RESNEST, radix: 4 })],
    [/backbone\.arch is "hrnetv3"/, official({ ...HRNET, arch: "hrnetv3" })],
    [/selected_indices is "0,1,2,3", supported are "0,0,0,0"/, official({ ...HRNET, selected_indices: [0, 1, 2, 3] })],
    [/backbone\.drop_path_rate is 0\.1/, official({ ...VIT, drop_path_rate: 0.1 })],
    [/heads all alike\) is 2/, official(VIT, { auxiliary: [AUXILIARY, { ...AUXILIARY, dropout: 0 }] })],
    [/one weight\) is 2/, official(VIT, { losses: uneven })],
  ];
  for (const [message, config] of refused) {
    assert.throws(
      () => buildFromFixtureConfig(config),
      (error: Error) => error instanceof UserError && message.test(error.message),
      String(message),
    );
  }
});

test.run();
