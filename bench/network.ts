/**
 * The convolutions of a preset's network under the names of its state dict, worked out without building it: the large
 * presets would not fit on a small machine. A test compares the result with what the network itself does.
 */
import type { Config } from "../src/config/config.ts";
import { mcibiOptions } from "../src/config/model.ts";
import type { ResNetOptions } from "../src/models/resnet.ts";
import { windowOutput } from "../src/tensor/shape.ts";
import type { Pair } from "../src/tensor/shape.ts";

/** A convolution of x [n, h, w, inChannels]; the fields are those of the benchmark's JSON. */
export interface ConvShape {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
}

export interface ConvLayer {
  readonly name: string;
  readonly shape: ConvShape;
}

/** What flows between layers. */
export interface FeatureMap {
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly channels: number;
}

export interface Images {
  readonly n: number;
  readonly size: Pair;
  readonly numClasses: number;
}

/** Every convolution of the network that `config` describes, which has to be of the presets' kind. */
export function convolutions(config: Config, { n, size, numClasses }: Images): ConvLayer[] {
  const { backbone, host, featsChannels, transformChannels, memory, auxiliary } = mcibiOptions(config, numClasses);
  const { segmentor, fusion, contextAttention, keyQueryConvs } = config.model;
  const isOfficial = segmentor === "mcibi" && fusion === "official" && contextAttention && keyQueryConvs === 2;
  if (!isOfficial || backbone.type !== "resnet" || host.type !== "aspp" || memory?.featsPerClass !== 1 || !auxiliary) {
    throw new Error(`${config.name}: layers are known for MCIBI on ResNets, ASPP, one slot and an auxiliary head only`);
  }
  const walk = new Walk();
  const stages = resnet(walk, backbone, { n, h: size[0], w: size[1], channels: 3 });
  const [third, last] = stages.slice(-2);
  aspp(walk, last, featsChannels, host.dilations);
  const feats = walk.conv("bottleneck.0", last, featsChannels, 3);
  const pairOfMaps = { ...feats, channels: 2 * featsChannels };
  for (const name of ["self_attention_ms", "self_attention"]) {
    const prefix = `memory_module.${name}`;
    for (const project of ["query_project", "key_project"]) {
      const first = walk.conv(`${prefix}.${project}.0.0`, feats, transformChannels, 1);
      walk.conv(`${prefix}.${project}.1.0`, first, transformChannels, 1);
    }
    const value = walk.conv(`${prefix}.value_project.0`, feats, transformChannels, 1);
    walk.conv(`${prefix}.out_project.0`, value, featsChannels, 1);
  }
  for (const name of ["bottleneck_ms", "bottleneck"])
    walk.conv(`memory_module.${name}.0`, pairOfMaps, featsChannels, 3);
  const decoder = (name: string, from: FeatureMap, channels: number, kernel: number): void => {
    walk.conv(`${name}.4`, walk.conv(`${name}.0`, from, channels, kernel), numClasses, 1);
  };
  decoder("decoder_stage1", feats, featsChannels, 1);
  decoder("decoder_stage2", feats, featsChannels, 1);
  decoder("auxiliary_decoder", third, auxiliary.channels, 3);
  return walk.layers;
}

class Walk {
  readonly layers: ConvLayer[] = [];

  /** Notes a convolution, padded so that stride 1 keeps the size of the map, and returns its output. */
  conv(name: string, from: FeatureMap, outChannels: number, kernel: number, stride = 1, dilation = 1): FeatureMap {
    const { n, h, w, channels: inChannels } = from;
    const padding = (dilation * (kernel - 1)) / 2;
    const pair = (value: number): Pair => [value, value];
    const window = { kernel: pair(kernel), stride: pair(stride), padding: pair(padding), dilation: pair(dilation) };
    this.layers.push({ name, shape: { n, h, w, inChannels, outChannels, ...window, groups: 1 } });
    const output = (length: number): number => windowOutput(length, kernel, stride, padding, dilation);
    return { n, h: output(h), w: output(w), channels: outChannels };
  }
}

/** Stem and stages; the outputs of the four stages. */
function resnet(walk: Walk, options: ResNetOptions, image: FeatureMap): FeatureMap[] {
  const { block, blocks, baseChannels, stemChannels, outputStride, contractedDilation } = options;
  let map = image;
  if (options.deepStem) {
    map = walk.conv("backbone_net.stem.0", map, stemChannels / 2, 3, 2);
    map = walk.conv("backbone_net.stem.3", map, stemChannels / 2, 3);
    map = walk.conv("backbone_net.stem.6", map, stemChannels, 3);
  } else {
    map = walk.conv("backbone_net.conv1", map, stemChannels, 7, 2);
  }
  const pooled = (length: number): number => windowOutput(length, 3, 2, 1);
  map = { ...map, h: pooled(map.h), w: pooled(map.w) };

  let reached = 4; // image pixels per feature; beyond the output stride, dilation takes the place of stride
  let dilation = 1;
  return blocks.map((count, stage) => {
    const stride = stage > 0 && reached < outputStride ? 2 : 1;
    if (stage > 0 && stride === 1) dilation *= 2;
    reached *= stride;
    const planes = baseChannels * 2 ** stage;
    for (let i = 0; i < count; i++) {
      const ownDilation = i === 0 && contractedDilation ? Math.max(1, dilation / 2) : dilation;
      const place = { planes, stride: i === 0 ? stride : 1, dilation: ownDilation };
      map = residual(walk, `backbone_net.layer${stage + 1}.${i}`, block, map, place);
    }
    return map;
  });
}

function residual(
  walk: Walk,
  name: string,
  block: ResNetOptions["block"],
  from: FeatureMap,
  { planes, stride, dilation }: { planes: number; stride: number; dilation: number },
): FeatureMap {
  let map = from;
  if (block === "basic") {
    map = walk.conv(`${name}.conv1`, map, planes, 3, stride, dilation);
    map = walk.conv(`${name}.conv2`, map, planes, 3);
  } else {
    map = walk.conv(`${name}.conv1`, map, planes, 1);
    map = walk.conv(`${name}.conv2`, map, planes, 3, stride, dilation);
    map = walk.conv(`${name}.conv3`, map, 4 * planes, 1);
  }
  if (stride !== 1 || from.channels !== map.channels) walk.conv(`${name}.downsample.0`, from, map.channels, 1, stride);
  return map;
}

function aspp(walk: Walk, from: FeatureMap, channels: number, dilations: readonly number[]): void {
  const prefix = "context_within_image_module";
  dilations.forEach((dilation, i) => {
    walk.conv(`${prefix}.parallel_branches.${i}.0`, from, channels, dilation === 1 ? 1 : 3, 1, dilation);
  });
  walk.conv(`${prefix}.global_branch.1`, { ...from, h: 1, w: 1 }, channels, 1);
  walk.conv(`${prefix}.bottleneck.0`, { ...from, channels: channels * (dilations.length + 1) }, channels, 3);
}
