/** Cases of the modules of MCIBI, each by itself. */
import { Aspp } from "../models/aspp.ts";
import { FeatureMemory } from "../models/memory_module.ts";
import { PyramidPooling } from "../models/ppm.ts";
import { SelfAttentionBlock } from "../models/self_attention.ts";
import type { Module } from "../nn/module.ts";
import { toTorch } from "../nn/state.ts";
import type { StateTensor } from "../nn/state.ts";
import { readTensors } from "../nn/readback.ts";
import { backward } from "../ops/define.ts";
import { add, mul } from "../ops/elementwise.ts";
import { sum } from "../ops/reduce.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { FixtureCase } from "./fixture.ts";
import { channelsLast } from "./layout.ts";
import { paramsOf } from "./params.ts";
import { download, upload } from "./runner.ts";
import type { Results, Runner } from "./runner.ts";

export interface Block {
  readonly module: Module;
  /** Names of the maps that go in, in the order of `forward`. */
  readonly inputs: readonly string[];
  /** Several maps are numbered in the fixture; one that comes out several times counts once. */
  forward(maps: readonly Tensor[]): Tensor | readonly Tensor[];
}

interface HostParams {
  readonly in_channels: number;
  readonly out_channels: number;
  readonly align_corners: boolean;
  readonly dilations: readonly number[];
  readonly pool_scales: readonly number[];
}

function asppBlock(item: FixtureCase): Block {
  const known = ["in_channels", "out_channels", "align_corners", "dilations", "mode"];
  const p = paramsOf<HostParams>(item, known);
  const widths = { inChannels: p.in_channels, outChannels: p.out_channels };
  const module = new Aspp({ ...widths, dilations: p.dilations, alignCorners: p.align_corners });
  return { module, inputs: ["input"], forward: ([x]) => module.forward(x) };
}

function ppmBlock(item: FixtureCase): Block {
  const known = ["in_channels", "out_channels", "align_corners", "pool_scales", "mode"];
  const p = paramsOf<HostParams>(item, known);
  const widths = { inChannels: p.in_channels, outChannels: p.out_channels };
  const module = new PyramidPooling({ ...widths, poolScales: p.pool_scales, alignCorners: p.align_corners });
  return { module, inputs: ["input"], forward: ([x]) => module.forward(x) };
}

interface AttentionParams {
  readonly query_in_channels: number;
  readonly key_in_channels: number;
  readonly transform_channels: number;
  readonly out_channels: number;
  readonly share_key_query: boolean;
  readonly key_query_num_convs: number;
  readonly value_out_num_convs: number;
  readonly key_query_norm: boolean;
  readonly value_out_norm: boolean;
  readonly matmul_norm: boolean;
  readonly with_out_project: boolean;
}

function selfAttentionBlock(item: FixtureCase): Block {
  const p = paramsOf<AttentionParams>(item, [
    "query_in_channels", "key_in_channels", "transform_channels", "out_channels", "share_key_query",
    "key_query_num_convs", "value_out_num_convs", "key_query_norm", "value_out_norm", "matmul_norm",
    "with_out_project", "mode",
  ]);
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

interface MemoryParams {
  readonly num_classes: number;
  readonly feats_channels: number;
  readonly transform_channels: number;
  readonly out_channels: number;
  readonly use_context_within_image: boolean;
  readonly num_feats_per_cls: number;
  readonly use_hard_aggregate: boolean;
}

function memoryBlock(item: FixtureCase): Block {
  const p = paramsOf<MemoryParams>(item, [
    "num_classes", "feats_channels", "transform_channels", "out_channels", "use_context_within_image",
    "num_feats_per_cls", "use_hard_aggregate", "mode",
  ]);
  const module = new FeatureMemory({
    numClasses: p.num_classes,
    featsChannels: p.feats_channels,
    transformChannels: p.transform_channels,
    outChannels: p.out_channels,
    hasContext: p.use_context_within_image,
    featsPerClass: p.num_feats_per_cls,
    hardAggregate: p.use_hard_aggregate,
  });
  const forward = ([feats, preds, map]: readonly Tensor[]): Tensor =>
    module.forward(feats, preds, map ? { map, finer: [] } : null);
  const inputs = ["feats", "preds", ...(p.use_context_within_image ? ["feats_ms"] : [])];
  return { module, inputs, forward };
}

export const blockRunner = (build: (item: FixtureCase) => Block): Runner => async ({ gpu }, item) => {
  const { module, inputs, forward } = build(item);
  module.initialize(gpu, 0).train(item.params.mode !== "eval");
  try {
    module.loadStateDict(stateOf(item, "state."));
    const maps = inputs.map((name) => upload(gpu, item.tensor(name), channelsLast).requireGrad());
    const computed = forward(maps);
    const outputs = [...new Set([computed].flat() as Tensor[])].map((output) => output.keep());
    const results: Results = new Map();
    for (const [i, output] of outputs.entries()) {
      results.set(Array.isArray(computed) ? `output_${i}` : "output", await download(output, channelsLast));
    }
    const products = outputs.map((output, i) => {
      const name = Array.isArray(computed) ? `grad_output_${i}` : "grad_output";
      return sum(mul(output, upload(gpu, item.tensor(name), channelsLast)));
    });
    backward(products.reduce((total, product) => add(total, product)));
    for (const [i, { grad }] of maps.entries()) {
      if (grad) results.set(`grad_${inputs[i]}`, await download(grad, channelsLast));
    }
    await collectGradients(module, "grad.", results);
    await collectState(module, "state_after.", results);
    for (const output of outputs) output.dispose();
    return results;
  } finally {
    module.dispose();
  }
};

export const aspp = blockRunner(asppBlock);
export const ppm = blockRunner(ppmBlock);
export const selfAttention = blockRunner(selfAttentionBlock);
export const memoryForward = blockRunner(memoryBlock);

/** The inputs of a case whose names start with `prefix`, without it. */
export function stateOf(item: FixtureCase, prefix = ""): Map<string, StateTensor> {
  const names = item.inputs.filter((name) => name.startsWith(prefix));
  return new Map(names.map((name) => [name.slice(prefix.length), item.tensor(name) as StateTensor]));
}

/** Gradients of the parameters in PyTorch's layout, under `prefix` + name. */
export async function collectGradients(module: Module, prefix: string, into: Results): Promise<void> {
  const entries = [...module.parameterVariables()].filter(([, { tensor }]) => tensor.grad !== null);
  const values = await readTensors(entries.map(([, { tensor }]) => tensor.grad!));
  const shapes = module.stateShapes();
  for (const [i, [name, { shape, layout }]] of entries.entries()) {
    into.set(prefix + name, { shape: shapes.get(name)!, data: toTorch(values[i], shape, layout) });
  }
}

/** Parameters, buffers and counters under `prefix` + name. */
export async function collectState(module: Module, prefix: string, into: Results): Promise<void> {
  for (const [name, { shape, data }] of await module.stateDict()) {
    into.set(prefix + name, { shape, data: data instanceof Float32Array ? data : Int32Array.from(data, Number) });
  }
}
