/** Runs the fixtures of modules and networks: from what a file holds to results under the names it expects. */
import { Aspp } from "../../src/models/aspp.ts";
import { FeatureMemory } from "../../src/models/memory_module.ts";
import { PyramidPooling } from "../../src/models/ppm.ts";
import { SelfAttentionBlock } from "../../src/models/self_attention.ts";
import type { Module } from "../../src/nn/module.ts";
import { toTorch } from "../../src/nn/state.ts";
import type { StateTensor } from "../../src/nn/state.ts";
import { backward } from "../../src/ops/define.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { channelsFirst, channelsLast } from "../support/fixtures.ts";
import type { Fixture, FixtureCase } from "../support/fixtures.ts";

export type Collected = Map<string, ArrayLike<number | bigint>>;

/** An image or map of a case as [n, h, w, c]. */
export function mapOf(gpu: Gpu, fixture: Fixture, item: FixtureCase, name: string): Tensor {
  const { data, shape } = fixture.get(item, name);
  const nhwc = channelsLast(data as Float32Array, shape);
  return Tensor.from(gpu, nhwc.values, nhwc.shape);
}

/** Values of a map [n, ..., c] in the fixtures' order. */
export async function planes(map: Tensor): Promise<ArrayLike<number>> {
  return channelsFirst(await map.data(), map.shape);
}

/** The tensors of a case whose names start with `prefix`, without it. */
export function stateOf(fixture: Fixture, item: FixtureCase, prefix: string): Map<string, StateTensor> {
  const names = item.inputs.filter((name) => name.startsWith(prefix));
  return new Map(names.map((name) => [name.slice(prefix.length), fixture.get(item, name) as StateTensor]));
}

/** Gradients of the parameters in PyTorch's layout, under `prefix` + name. */
export async function collectGradients(module: Module, prefix: string, into: Collected): Promise<void> {
  for (const [name, { tensor, shape, layout }] of module.parameterVariables()) {
    if (tensor.grad) into.set(prefix + name, toTorch((await tensor.grad.data()) as Float32Array, shape, layout));
  }
}

export async function collectState(module: Module, prefix: string, into: Collected): Promise<void> {
  for (const [name, { data }] of await module.stateDict()) into.set(prefix + name, data);
}

type Params = Readonly<Record<string, never>>;

interface Block {
  readonly module: Module;
  /** Names of the maps that go in, in the order of `forward`. */
  readonly inputs: readonly string[];
  forward(inputs: readonly Tensor[]): Tensor;
}

function aspp(p: Params): Block {
  const module = new Aspp({
    inChannels: p.in_channels,
    outChannels: p.out_channels,
    dilations: p.dilations,
    alignCorners: p.align_corners,
  });
  return { module, inputs: ["input"], forward: ([x]) => module.forward(x) };
}

function ppm(p: Params): Block {
  const widths = { inChannels: p.in_channels, outChannels: p.out_channels };
  const module = new PyramidPooling({ ...widths, poolScales: p.pool_scales, alignCorners: p.align_corners });
  return { module, inputs: ["input"], forward: ([x]) => module.forward(x) };
}

function selfAttention(p: Params): Block {
  const module = new SelfAttentionBlock({
    queryInChannels: p.query_in_channels,
    keyInChannels: p.key_in_channels,
    transformChannels: p.transform_channels,
    outChannels: p.out_channels,
    shareKeyQuery: p.share_key_query,
    keyQueryConvs: p.key_query_num_convs,
    valueOutConvs: p.value_out_num_convs,
    keyQueryNorm: p.key_query_norm,
    valueOutNorm: p.value_out_norm,
    scaled: p.matmul_norm,
    outProject: p.with_out_project,
  });
  return { module, inputs: ["query_feats", "key_feats"], forward: ([query, key]) => module.forward(query, key) };
}

function memoryForward(p: Params): Block {
  const module = new FeatureMemory({
    numClasses: p.num_classes,
    featsChannels: p.feats_channels,
    transformChannels: p.transform_channels,
    outChannels: p.out_channels,
    hasContext: p.use_context_within_image,
    featsPerClass: p.num_feats_per_cls,
    hardAggregate: p.use_hard_aggregate,
  });
  const inputs = p.use_context_within_image ? ["feats", "preds", "feats_ms"] : ["feats", "preds"];
  return { module, inputs, forward: ([feats, preds, context = null]) => module.forward(feats, preds, context) };
}

const BLOCKS: Readonly<Record<string, (params: Params) => Block>> = {
  aspp,
  ppm,
  self_attention_block: selfAttention,
  memory_forward: memoryForward,
};

/** One case of mcibi/{aspp,ppm,self_attention_block,memory_forward}. */
export async function runBlock(gpu: Gpu, fixture: Fixture, item: FixtureCase): Promise<Collected> {
  using _ = gpu.arena();
  const { module, inputs, forward } = BLOCKS[item.op](item.params);
  module.initialize(gpu, 0).train(item.params.mode !== "eval");
  const maps = inputs.map((name) => mapOf(gpu, fixture, item, name).keep().requireGrad());
  try {
    module.loadStateDict(stateOf(fixture, item, "state."));
    const output = forward(maps);
    const results: Collected = new Map([["output", await planes(output)]]); // before backward releases it
    backward(output, { grad: mapOf(gpu, fixture, item, "grad_output") });
    for (const [i, map] of maps.entries()) if (map.grad) results.set(`grad_${inputs[i]}`, await planes(map.grad));
    await collectGradients(module, "grad.", results);
    await collectState(module, "state_after.", results);
    return results;
  } finally {
    for (const tensor of maps.flatMap((map) => [map.grad, map])) tensor?.dispose();
    module.dispose();
  }
}
