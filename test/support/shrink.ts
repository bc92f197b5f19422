import type { BackboneOptions } from "../../src/models/backbone.ts";
import type { NetworkOptions } from "../../src/models/network.ts";

/** Width of everything in the heads, and number of classes. */
export const SHRUNK = 4;

/**
 * A network of the same structure that a test can afford: as few channels as there can be, one block or exchange module
 * of each kind, the smallest ViT, pooling and dilations that fit a map of a few pixels. What remains is what is chosen:
 * backbone, strides, host, fusion, heads, memory, slopes.
 */
export function shrink(options: NetworkOptions): NetworkOptions {
  const { backbone, auxiliary } = options;
  const common = {
    numClasses: SHRUNK,
    backbone: shrinkBackbone(backbone),
    auxiliary: auxiliary && { ...auxiliary, channels: SHRUNK },
  };
  const pooled = { dilations: [1, 2], poolScales: [1, 2], transformChannels: SHRUNK };
  if (options.type !== "mcibi") return { ...options, ...common, ...pooled, channels: SHRUNK };
  const host = { ...options.host, ...pooled }; // each host takes what it has
  return { ...options, ...common, host, featsChannels: SHRUNK, transformChannels: SHRUNK };
}

/** Layers of the smallest ViT, each of which is an output. */
const ALL = [0, 1, 2, 3] as const;

function shrinkBackbone(backbone: BackboneOptions): BackboneOptions {
  switch (backbone.type) {
    case "resnet":
    case "resnest":
      return { ...backbone, blocks: [1, 1, 1, 1], baseChannels: SHRUNK / 4, stemChannels: SHRUNK };
    case "hrnet":
      return { ...backbone, width: 1, stemChannels: SHRUNK, planes: 1, bottlenecks: 1, modules: [1, 1, 1], blocks: 1 };
    case "vit":
      return { ...backbone, imageSize: [32, 32], channels: SHRUNK, layers: 4, heads: 2, mlpRatio: 1, outputs: ALL };
  }
}
