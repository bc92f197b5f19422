/** Which layers are measured. */
import type { Config } from "../src/config/config.ts";
import { preset } from "../src/config/presets.ts";
import { windowOutput } from "../src/tensor/shape.ts";
import type { Pair } from "../src/tensor/shape.ts";
import { attentionPasses, hardPixelsPass, interpolatePasses, lossPasses } from "./heads.ts";
import { memoryUpdatePass, rowLossPasses } from "./heads.ts";
import { convolutions } from "./network.ts";
import type { ConvLayer, FeatureMap } from "./network.ts";
import { convolutionPasses, matmulPasses } from "./products.ts";
import { streamPasses } from "./streams.ts";
import { adamStepPass, clipPass, predictionPasses, sgdStepPass } from "./unrecorded.ts";
import type { Workload } from "./workload.ts";

export const SETS = ["small", "full"] as const;
export type SetName = (typeof SETS)[number];

const R50 = "mcibi_deeplabv3_resnet50os8_cityscapes";
const CITYSCAPES_CLASSES = 19;

/**
 * Of R50, what the small set keeps: stem, 1x1, strided, and 3x3 at dilation 1, 2, 4 and 12. The other branches and the
 * bottlenecks differ from the dilation 12 in nothing but the dilation or a few channels.
 */
const R50_SAMPLE = [
  "backbone_net.stem.0",
  "backbone_net.stem.3",
  "backbone_net.layer1.0.conv2",
  "backbone_net.layer1.0.conv3",
  "backbone_net.layer2.0.conv2",
  "backbone_net.layer2.0.downsample.0",
  "backbone_net.layer2.1.conv1",
  "backbone_net.layer2.1.conv2",
  "backbone_net.layer3.1.conv2",
  "backbone_net.layer3.1.conv3",
  "backbone_net.layer4.1.conv1",
  "backbone_net.layer4.1.conv2",
  "context_within_image_module.parallel_branches.1.0",
];

export function workloads(set: SetName): Workload[] {
  const tiny = preset("tiny");
  const r50 = preset(R50);
  if (set === "full") return [...network("r50", r50, { n: 1, size: r50.data.crop }), ...squares([1024, 2048, 4096])];
  return [
    ...network("tiny", tiny, { n: tiny.train.batchSize, size: tiny.data.crop }),
    ...network("r50", r50, { n: 1, size: [128, 256] }, R50_SAMPLE),
    ...squares([512, 1024]),
  ];
}

/** Distinct convolutions (all, or those listed), the products around the memory, and the passes over feature maps. */
function network(
  name: string,
  config: Config,
  images: { n: number; size: Pair },
  sample?: readonly string[],
): Workload[] {
  const { size } = images;
  const all = convolutions(config, { ...images, numClasses: CITYSCAPES_CLASSES });
  const listed = distinct(all).filter((layer) => !sample || sample.includes(layer.name));
  const into = (layer: string): FeatureMap => {
    const { n, h, w, inChannels } = all.find((other) => other.name === layer)!.shape;
    return { n, h, w, channels: inChannels };
  };
  const feats = into("decoder_stage1.0");
  const logits = { ...feats, channels: CITYSCAPES_CLASSES };
  const largest = Math.max(...all.map(({ shape: s }) => s.kernel[0] * s.kernel[1] * s.inChannels * s.outChannels));
  return [
    ...listed.flatMap((layer) => convolutionPasses(`${name} ${layer.name}`, layer.shape)),
    ...memoryPasses(name, config, feats, size),
    ...backboneStreams(name, all, into("backbone_net.layer1.1.conv1")),
    ...streamPasses(`${name} backbone output`, "global_avg_pool", into("bottleneck.0")),
    ...featureStreams(name, config, feats),
    ...scorePasses(name, logits, size),
    sgdStepPass(`${name} largest weight`, largest),
    sgdStepPass(`${name} classifier bias`, CITYSCAPES_CLASSES),
    adamStepPass(`${name} largest weight`, largest),
    adamStepPass(`${name} classifier bias`, CITYSCAPES_CLASSES),
    clipPass(`${name} largest gradient`, largest),
  ];
}

function backboneStreams(name: string, layers: readonly ConvLayer[], layer1: FeatureMap): Workload[] {
  const { shape } = layers.findLast((layer) => /^backbone_net\.(stem|conv1)/.test(layer.name))!;
  const halved = (length: number): number => windowOutput(length, shape.kernel[0], shape.stride[0], shape.padding[0]);
  const stem = { n: shape.n, h: halved(shape.h), w: halved(shape.w), channels: shape.outChannels };
  return [
    ...streamPasses(`${name} stem`, "max_pool2d", stem),
    ...streamPasses(`${name} stem, inference`, "max_pool2d_inference", stem),
    ...streamPasses(`${name} layer1`, "relu", layer1),
    ...streamPasses(`${name} layer1`, "batch_norm", layer1),
    ...streamPasses(`${name} layer1, shortcut`, "batch_norm_shortcut", layer1),
    ...streamPasses(`${name} layer1`, "add", layer1),
  ];
}

/** Of the last three no preset makes use: layers for networks of one's own. */
function featureStreams(name: string, { model }: Config, feats: FeatureMap): Workload[] {
  return [
    ...streamPasses(`${name} features`, "concat", feats),
    ...(model.dropout > 0 ? streamPasses(`${name} features`, "dropout", feats) : []),
    ...streamPasses(`${name} features`, "layer_norm", feats),
    ...streamPasses(`${name} features`, "gelu", feats),
    ...streamPasses(`${name} features`, "normalize", feats),
  ];
}

/** What has a class axis, at the resolution of the features or of the labels. */
function scorePasses(name: string, logits: FeatureMap, size: Pair): Workload[] {
  const term = { n: 1, h: 1, w: 1, channels: 1 };
  return [
    ...streamPasses(`${name} class probabilities`, "softmax", logits),
    ...streamPasses(`${name} classifier bias gradient`, "sum", logits),
    ...interpolatePasses(`${name} logits`, logits, size),
    ...lossPasses(`${name} labels`, logits, size),
    hardPixelsPass(`${name} labels`, logits, size),
    ...streamPasses(`${name} loss term`, "scale", term),
    ...streamPasses(`${name} loss term`, "add", term),
    ...predictionPasses(`${name} scores`, [1, ...size, logits.channels]),
  ];
}

/** The first layer of every shape. */
function distinct(layers: readonly ConvLayer[]): ConvLayer[] {
  const seen = new Map(layers.map((layer) => [JSON.stringify(layer.shape), layer] as const).reverse());
  return layers.filter((layer) => seen.get(JSON.stringify(layer.shape)) === layer);
}

/** W·M, the mixture of memory rows that every pixel gets; the attention that follows, with its products; the update. */
function memoryPasses(name: string, { model }: Config, feats: FeatureMap, size: Pair): Workload[] {
  const { n, h, w, channels } = feats;
  const pixels = h * w;
  const plain = { transposeA: false, transposeB: false };
  const aggregation = { batch: 1, m: n * pixels, n: channels, k: CITYSCAPES_CLASSES, ...plain };
  const queries = Math.min(pixels, MOST_QUERIES);
  const scores = { batch: n, m: queries, n: pixels, k: model.transformChannels, ...plain, transposeB: true };
  const context = { batch: n, m: queries, n: model.transformChannels, k: pixels, ...plain };
  return [
    // The memory is a constant: only the class probabilities have a gradient.
    ...matmulPasses(`${name} W·M aggregation`, aggregation, ["forward", "backwardInput"]),
    ...matmulPasses(`${name} attention scores`, scores),
    ...matmulPasses(`${name} attention context`, context),
    ...attentionPasses(`${name} memory`, { ...feats, channels: model.transformChannels }),
    memoryUpdatePass(`${name} memory`, feats, size, CITYSCAPES_CLASSES),
    ...streamPasses(`${name} memory rows`, "batch_norm_rows", { n: CITYSCAPES_CLASSES, h: 1, w: 1, channels }),
    ...rowLossPasses(`${name} memory rows`, CITYSCAPES_CLASSES),
  ];
}

/** The attention takes the queries of large maps in chunks, so that their scores fit a storage binding of 128 MiB. */
const MOST_QUERIES = 4096;

function squares(sizes: readonly number[]): Workload[] {
  const plain = { transposeA: false, transposeB: false };
  return sizes.flatMap((size) =>
    matmulPasses(`square ${size}`, { batch: 1, m: size, n: size, k: size, ...plain }, ["forward"]),
  );
}
