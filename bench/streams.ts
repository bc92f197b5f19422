/** Workloads that do little with each number of a feature map: what they cost is memory traffic. */
import { registry } from "../src/ops/define.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Shape } from "../src/tensor/shape.ts";
import "../src/ops/activation.ts";
import "../src/ops/batch_norm.ts";
import "../src/ops/concat.ts";
import "../src/ops/dropout.ts";
import "../src/ops/elementwise.ts";
import "../src/ops/gelu.ts";
import "../src/ops/layer_norm.ts";
import "../src/ops/normalize.ts";
import "../src/ops/pool.ts";
import "../src/ops/reduce.ts";
import "../src/ops/softmax.ts";
import type { FeatureMap } from "./network.ts";
import { bytesOf } from "./workload.ts";
import type { Problem, Workload } from "./workload.ts";

/** Arithmetic per element of the map, and maps of its size that pass through memory. */
interface Effort {
  readonly flops: number;
  readonly maps: number;
}

interface Stream {
  /** By its name in the registry. */
  readonly op: string;
  readonly needsGrad: readonly boolean[];
  readonly forward: Effort;
  /** Null where it is not measured: it computes nothing, or what another row does. */
  readonly backward: Effort | null;
  problem(shape: Shape): Problem;
}

/** One feature map in, one out. */
function unary(op: string, forward: Effort, backward: Effort | null, optionsOf: (shape: Shape) => unknown): Stream {
  const problem = (shape: Shape): Problem => ({ inputs: [{ shape }], options: optionsOf(shape) });
  return { op, needsGrad: [backward !== null], forward, backward, problem };
}

/** In training, with the statistics of the batch. */
function batchNorm(forward: Effort, backward: Effort, { shortcut = false, ...settings }): Stream {
  return {
    op: "batch_norm",
    needsGrad: [true, true, true, false, false, shortcut],
    forward,
    backward,
    problem: (shape) => {
      const vector = { shape: shape.slice(-1) };
      const variance = { ...vector, values: (_: number, random: () => number) => 0.5 + random() };
      return {
        inputs: [{ shape }, vector, vector, vector, variance, shortcut ? { shape } : null],
        options: { training: true, momentum: 0.1, eps: 1e-5, ...settings },
      };
    },
  };
}

/** That of ResNets after the stem: a quarter of the pixels remain. */
const STEM_POOL = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };

const STREAMS = {
  relu: unary("relu", { flops: 1, maps: 2 }, { flops: 1, maps: 3 }, () => ({ slope: 0 })),
  gelu: unary("gelu", { flops: 5, maps: 2 }, { flops: 11, maps: 3 }, () => ({ approximate: "none" })),
  batch_norm: batchNorm({ flops: 7, maps: 2 }, { flops: 10, maps: 3 }, {}),
  /** At the end of a residual block; the shortcut's gradient is a result as well. */
  batch_norm_shortcut: batchNorm({ flops: 9, maps: 3 }, { flops: 11, maps: 5 }, { shortcut: true, slope: 0 }),
  /** Of memory rows, which leave the running statistics alone. */
  batch_norm_rows: batchNorm({ flops: 8, maps: 2 }, { flops: 11, maps: 3 }, { slope: 0, updateRunning: false }),
  layer_norm: {
    op: "layer_norm",
    needsGrad: [true, true, true],
    forward: { flops: 7, maps: 2 },
    backward: { flops: 10, maps: 3 },
    problem: (shape) => {
      const vector = { shape: shape.slice(-1) };
      return { inputs: [{ shape }, vector, vector], options: { eps: 1e-6 } };
    },
  },
  normalize: unary("normalize", { flops: 3, maps: 2 }, { flops: 6, maps: 3 }, (shape) => {
    return { p: 2, dim: shape.length - 1, eps: 1e-12 };
  }),
  softmax: unary("softmax", { flops: 5, maps: 2 }, { flops: 4, maps: 3 }, ({ length }) => ({ dim: length - 1 })),
  dropout: {
    op: "dropout",
    needsGrad: [true, false],
    forward: { flops: 1, maps: 2 },
    backward: { flops: 1, maps: 2 },
    problem: (shape) => ({
      inputs: [{ shape }, null],
      options: { p: 0.1, seed: 1, offset: 0, perChannel: true },
    }),
  },
  add: {
    op: "add",
    needsGrad: [],
    forward: { flops: 1, maps: 3 },
    backward: null,
    problem: (shape) => ({ inputs: [{ shape }, { shape }], options: {} }),
  },
  scale: unary("scale", { flops: 1, maps: 2 }, null, () => ({ factor: 0.4 })),
  /** Over the pixels, as for the gradient of a bias. */
  sum: unary("sum", { flops: 1, maps: 1 }, null, () => ({ dims: [0, 1, 2], keepdim: false })),
  /** Two maps become one of twice the channels. */
  concat: {
    op: "concat",
    needsGrad: [true, true],
    forward: { flops: 0, maps: 4 },
    backward: { flops: 0, maps: 4 },
    problem: (shape) => ({ inputs: [{ shape }, { shape }], options: { dim: shape.length - 1 } }),
  },
  /** With the place of every maximum. */
  max_pool2d: unary("max_pool2d", { flops: 2, maps: 1.5 }, { flops: 0.25, maps: 1.5 }, () => STEM_POOL),
  /** Without it, as nothing is differentiated. */
  max_pool2d_inference: unary("max_pool2d", { flops: 2, maps: 1.25 }, null, () => STEM_POOL),
  global_avg_pool: unary("adaptive_avg_pool2d", { flops: 1, maps: 1 }, { flops: 1, maps: 1 }, () => [1, 1]),
} as const satisfies Readonly<Record<string, Stream>>;

export type StreamKind = keyof typeof STREAMS;
export const STREAM_KINDS = Object.keys(STREAMS) as readonly StreamKind[];

/** Forward of an op over a feature map, and backward where it has one to be measured. */
export function streamPasses(name: string, kind: StreamKind, from: FeatureMap): Workload[] {
  const { op, needsGrad, forward, backward, problem }: Stream = STREAMS[kind];
  const { n, h, w, channels } = from;
  const full = [n, h, w, channels];
  // Kernels for multiples of four channels are checked on a multiple of four.
  const small = [Math.min(n, 2), Math.min(h, 3), Math.min(w, 5), Math.min(channels, channels % 4 === 0 ? 8 : 7)];
  const common = {
    name,
    op: registry.get(op)!,
    needsGrad,
    shape: { ...from },
    label: full.join("x"),
    problem: problem(full),
    small: problem(small),
  };
  const cost = ({ flops, maps }: Effort) => ({ flops: flops * sizeOf(full), bytes: maps * bytesOf(full) });
  return [
    { ...common, pass: "forward", ...cost(forward) },
    ...(backward ? [{ ...common, pass: "backwardInput", ...cost(backward) } as const] : []),
  ];
}
