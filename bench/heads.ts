/** Workloads of what follows the features: attention, memory, the scores' way to the size of the labels, losses. */
import { registry } from "../src/ops/define.ts";
import type { SampleInput } from "../src/ops/define.ts";
import type { MemoryUpdateOptions } from "../src/ops/memory.options.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Pair, Shape } from "../src/tensor/shape.ts";
import "../src/ops/attention.ts";
import "../src/ops/cross_entropy.ts";
import "../src/ops/interpolate.ts";
import "../src/ops/memory.ts";
import "../src/ops/hard_pixels.ts";
import "../src/ops/upsampled_cross_entropy.ts";
import type { FeatureMap } from "./network.ts";
import { bytesOf } from "./workload.ts";
import type { Problem, Workload } from "./workload.ts";

/** Bilinear resize of a feature map, as of logits to the size of the labels, and its adjoint. */
export function interpolatePasses(name: string, from: FeatureMap, size: Pair): Workload[] {
  const { n, h, w, channels } = from;
  const resized = (shape: Shape, to: Pair): Problem => ({
    inputs: [{ shape }],
    options: { size: to, alignCorners: false },
  });
  const common = {
    name,
    op: registry.get("interpolate_bilinear")!,
    needsGrad: [true],
    shape: { ...from, size },
    label: `${[n, h, w, channels].join("x")} -> ${size.join("x")}`,
    // Two taps along each of the two axes.
    flops: 6 * n * size[0] * size[1] * channels,
    bytes: bytesOf([n, h, w, channels], [n, ...size, channels]),
    problem: resized([n, h, w, channels], size),
    small: resized([1, 3, 4, 5], [24, 32]),
  };
  return [
    { ...common, pass: "forward" },
    { ...common, pass: "backwardInput" },
  ];
}

/** The loss of logits against labels of another size, one in twenty of which is void. */
export function lossPasses(name: string, from: FeatureMap, size: Pair): Workload[] {
  const { n, h, w, channels } = from;
  const against = (logits: Shape, to: Pair): Problem => ({
    inputs: [{ shape: logits }, labelsOf([logits[0], ...to], logits[3]), null],
    options: {
      ...{ ignoreIndex: VOID, alignCorners: false, emptyMean: "zero" },
      ...{ normByWeight: true, labelSmoothing: 0, divisor: -1 },
    },
  });
  const logits = [n, h, w, channels];
  const labels = [n, ...size];
  const scores = sizeOf(labels) * channels;
  const common = {
    name,
    op: registry.get("upsampled_cross_entropy")!,
    needsGrad: [true, false, false],
    shape: { ...from, size },
    label: `${logits.join("x")} -> ${size.join("x")}`,
    problem: against(logits, size),
    small: against([1, 3, 4, 5], [24, 32]),
  };
  // Of every resized score: its interpolation, and its share in the loss; of every gradient the same again.
  return [
    { ...common, pass: "forward", flops: (6 + 4) * scores, bytes: bytesOf(logits, labels) },
    { ...common, pass: "backwardInput", flops: (6 + 4 + 6) * scores, bytes: bytesOf(logits, labels, logits) },
  ];
}

/** The choice of a quarter of the labels by their losses. */
export function hardPixelsPass(name: string, from: FeatureMap, size: Pair): Workload {
  const { n, h, w, channels } = from;
  const among = (logits: Shape, to: Pair): Problem => ({
    inputs: [{ shape: logits }, labelsOf([logits[0], ...to], logits[3])],
    options: {
      ...{ ignoreIndex: VOID, alignCorners: false, threshold: 0 },
      minKept: Math.ceil(sizeOf([logits[0], ...to]) / 4),
    },
  });
  const logits = [n, h, w, channels];
  const labels = [n, ...size];
  return {
    name,
    op: registry.get("hard_pixels")!,
    pass: "forward",
    needsGrad: [],
    shape: { ...from, size },
    label: `${logits.join("x")} -> ${size.join("x")}`,
    flops: (6 + 4) * sizeOf(labels) * channels,
    bytes: bytesOf(logits, labels, labels),
    problem: among(logits, size),
    small: among([1, 3, 4, 5], [24, 32]),
  };
}

const VOID = 255;

function labelsOf(shape: Shape, classes: number): SampleInput {
  const values = (_: number, random: () => number): number =>
    random() < 0.05 ? VOID : Math.floor(random() * classes);
  return { shape, dtype: "i32", values };
}

/** The loss of memory rows, each to be told from the other classes: one number per row, which a mask then weighs. */
export function rowLossPasses(name: string, classes: number): Workload[] {
  const rows = (count: number): Problem => ({
    inputs: [{ shape: [count, count] }, { shape: [count], dtype: "i32", values: (i) => i }, null],
    options: { ignoreIndex: VOID, reduction: "none", emptyMean: "zero", labelSmoothing: 0 },
  });
  const logits = [classes, classes];
  const common = {
    name,
    op: registry.get("cross_entropy")!,
    needsGrad: [true, false, false],
    shape: { rows: classes, classes },
    label: logits.join("x"),
    flops: 4 * classes * classes,
    problem: rows(classes),
    small: rows(Math.min(classes, 7)),
  };
  return [
    { ...common, pass: "forward", bytes: bytesOf(logits, [classes], [classes]) },
    { ...common, pass: "backwardInput", bytes: bytesOf(logits, [classes], [classes], logits) },
  ];
}

/** Every position of a map attends to every position of another one, with queries and keys of as many channels. */
export function attentionPasses(name: string, { n, h, w, channels }: FeatureMap): Workload[] {
  const positions = h * w;
  const over = (images: number, rows: number, width: number): Problem => ({
    inputs: [0, 1, 2].map(() => ({ shape: [images, rows, width] })),
    options: { scale: width ** -0.5 },
  });
  const maps = [n, positions, channels];
  const products = (count: number): number => 2 * count * n * positions * positions * channels;
  const common = {
    name,
    op: registry.get("attention")!,
    needsGrad: [true, true, true],
    shape: { n, h, w, channels },
    label: `${n} of ${positions}x${channels}`,
    problem: over(n, positions, channels),
    small: over(Math.min(n, 2), Math.min(positions, 7), Math.min(channels, 5)),
  };
  // Of every score: scaling and softmax; their gradients, for which the scores are made again.
  const scores = n * positions * positions;
  return [
    { ...common, pass: "forward", flops: products(2) + 6 * scores, bytes: bytesOf(maps, maps, maps, maps) },
    { ...common, pass: "backwardInput", flops: products(5) + 8 * scores, bytes: 8 * bytesOf(maps) },
  ];
}

/** The memory [classes, 1, channels] after a step: moved towards the features of the pixels of every class. */
export function memoryUpdatePass(name: string, from: FeatureMap, size: Pair, classes: number): Workload {
  const { n, h, w, channels } = from;
  const update = (rows: number, features: Shape, to: Pair): Problem => ({
    inputs: [{ shape: [rows, 1, features[3]] }, { shape: features }, labelsOf([features[0], ...to], rows)],
    options: { momentum: 0.9, strategy: "cosine_similarity", ignoreIndex: VOID } satisfies MemoryUpdateOptions,
  });
  const features = [n, h, w, channels];
  const memory = [classes, 1, channels];
  const labels = [n, ...size];
  const cells = n * h * w;
  return {
    name,
    op: registry.get("update_memory")!,
    pass: "forward",
    needsGrad: [],
    shape: { ...from, classes, size },
    label: `${classes}x${channels}, ${features.join("x")}, ${size.join("x")}`,
    // Similarities of cells and rows, five inner products per cell, four taps per pixel; every cell enters the weighted
    // and the plain sum of its class.
    flops: (2 * classes + 10 + 4) * cells * channels + 16 * sizeOf(labels),
    bytes: bytesOf(memory, features, labels, memory),
    problem: update(classes, features, size),
    small: update(Math.min(classes, 5), [1, 3, 4, Math.min(channels, 7)], [24, 32]),
  };
}
