/** Workloads that do little with each number: what they cost is memory traffic. */
import { registry } from "../src/ops/define.ts";
import type { Op } from "../src/ops/define.ts";
import { map } from "../src/ops/ndarray.ts";
import { sgdStep } from "../src/ops/sgd.ts";
import type { SgdOptions } from "../src/ops/sgd.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Pair, Shape } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import "../src/ops/activation.ts";
import "../src/ops/batch_norm.ts";
import "../src/ops/interpolate.ts";
import "../src/ops/softmax.ts";
import "../src/ops/upsampled_cross_entropy.ts";
import type { FeatureMap } from "./network.ts";
import { bytesOf } from "./workload.ts";
import type { Problem, Workload } from "./workload.ts";

/** Arithmetic per element of the first input and tensors of its size that pass through memory. */
interface Effort {
  readonly flops: number;
  readonly tensors: number;
}

interface Stream {
  readonly op: Op;
  readonly needsGrad: readonly boolean[];
  readonly forward: Effort;
  readonly backward: Effort;
  problem(shape: Shape): Problem;
}

const STREAMS = {
  relu: (): Stream => ({
    op: registry.get("relu")!,
    needsGrad: [true],
    forward: { flops: 1, tensors: 2 },
    backward: { flops: 1, tensors: 3 },
    problem: (shape) => ({ inputs: [{ shape }], options: { slope: 0 } }),
  }),
  /** Statistics of the batch, normalised and scaled. */
  batch_norm: (): Stream => ({
    op: registry.get("batch_norm")!,
    needsGrad: [true, true, true, false, false, false],
    forward: { flops: 7, tensors: 2 },
    backward: { flops: 10, tensors: 3 },
    problem: (shape) => {
      const vector = { shape: shape.slice(-1) };
      const variance = { ...vector, values: (_: number, random: () => number) => 0.5 + random() };
      return {
        inputs: [{ shape }, vector, vector, vector, variance, null],
        options: { training: true, momentum: 0.1, eps: 1e-5 },
      };
    },
  }),
  softmax: (): Stream => ({
    op: registry.get("softmax")!,
    needsGrad: [true],
    forward: { flops: 5, tensors: 2 },
    backward: { flops: 4, tensors: 3 },
    problem: (shape) => ({ inputs: [{ shape }], options: { dim: shape.length - 1 } }),
  }),
} as const;

/** Forward and backward of an op over a feature map. */
export function streamPasses(name: string, kind: keyof typeof STREAMS, from: FeatureMap): Workload[] {
  const { op, needsGrad, forward, backward, problem } = STREAMS[kind]();
  const { n, h, w, channels } = from;
  const full = [n, h, w, channels];
  // Kernels for multiples of four channels are checked on a multiple of four.
  const small = [Math.min(n, 2), Math.min(h, 3), Math.min(w, 5), Math.min(channels, channels % 4 === 0 ? 8 : 7)];
  const common = {
    name,
    op,
    needsGrad,
    shape: { ...from },
    label: full.join("x"),
    problem: problem(full),
    small: problem(small),
  };
  const cost = ({ flops, tensors }: Effort) => ({ flops: flops * sizeOf(full), bytes: tensors * bytesOf(full) });
  return [
    { ...common, pass: "forward", ...cost(forward) },
    { ...common, pass: "backwardInput", ...cost(backward) },
  ];
}

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
  const against = (logits: Shape, to: Pair): Problem => {
    const values = (_: number, random: () => number): number =>
      random() < 0.05 ? 255 : Math.floor(random() * logits[3]);
    return {
      inputs: [{ shape: logits }, { shape: [logits[0], ...to], dtype: "i32", values }],
      options: { ignoreIndex: 255, alignCorners: false },
    };
  };
  const logits = [n, h, w, channels];
  const labels = [n, ...size];
  const scores = sizeOf(labels) * channels;
  const common = {
    name,
    op: registry.get("upsampled_cross_entropy")!,
    needsGrad: [true, false],
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

/** An optimiser step is no recorded op; in this dress it runs and is checked like one. */
const sgd: Op = {
  name: "sgd",
  forward(_context, inputs, options) {
    const [param, grad, buffer] = inputs as readonly Tensor[];
    sgdStep(param, grad, buffer, options as SgdOptions);
    return param;
  },
  reference([param, grad, buffer], options) {
    const { lr, momentum = 0, weightDecay = 0 } = options as SgdOptions;
    return map(param!, (value, i) => value - lr * (momentum * buffer!.data[i] + grad!.data[i] + weightDecay * value));
  },
  samples: [],
};

/** One optimiser step for a parameter with so many values. */
export function sgdStepPass(name: string, count: number): Workload {
  const problem = (length: number): Problem => ({
    inputs: [0, 1, 2].map(() => ({ shape: [length] })),
    options: { lr: 0.01, momentum: 0.9, weightDecay: 5e-4, first: false } satisfies SgdOptions,
  });
  return {
    name,
    op: sgd,
    pass: "forward",
    needsGrad: [],
    shape: { count },
    label: String(count),
    flops: 6 * count,
    bytes: 5 * bytesOf([count]), // parameter and momentum both ways, and the gradient
    problem: problem(count),
    small: problem(Math.min(count, 67)),
  };
}
