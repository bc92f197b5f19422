import { showShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { moments, planBlocks, sumPairs } from "./moments.ts";
import type { Moments } from "./moments.ts";
import { map } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";

export interface BatchNormOptions {
  /** Normalise with the statistics of the batch, rather than with the running ones. */
  readonly training: boolean;
  /** Weight of the batch in the running statistics: new = (1 - momentum)·old + momentum·batch. */
  readonly momentum: number;
  readonly eps: number;
  /** Whether training updates the running statistics (default true). */
  readonly updateRunning?: boolean;
}

export interface RunningStatistics {
  readonly mean: Tensor;
  readonly var: Tensor;
}

/** x [..., channels]; then weight, bias, running mean and running variance, each [channels] or absent. */
type BatchNormInputs = readonly [Tensor, Tensor | null, Tensor | null, Tensor | null, Tensor | null];

const ROWS_PER_INVOCATION = 32; // of the elementwise passes: the numbers of a channel are loaded once per invocation

const channelsOf = (shape: Shape): number => shape.at(-1) ?? 0;
const rowsOf = (shape: Shape): number => sizeOf(shape.slice(0, -1));

const batchNormOp = defineOp<BatchNormInputs, BatchNormOptions>({
  name: "batch_norm",
  forward(ctx, [x, weight, bias, runningMean, runningVar], options) {
    const y = Tensor.empty(x.gpu, x.shape);
    if (x.size === 0) return y;
    ctx.save(x);
    let statistics: Moments;
    if (options.training) {
      const updates = runningMean && runningVar && (options.updateRunning ?? true);
      const { momentum } = options;
      statistics = moments(x, groupsOf(x), updates ? { mean: runningMean, var: runningVar, momentum } : null);
      ctx.own(statistics.mean, statistics.variance);
    } else {
      statistics = { mean: runningMean!, variance: runningVar! };
      ctx.save(statistics.mean, statistics.variance);
    }
    if (weight) ctx.save(weight);
    x.gpu.run(
      `${kernelFor(x)}.forward`,
      { x, y, ...statistics, weight: weight ?? x, bias: bias ?? x },
      { ...dispatch(x, options, ROWS_PER_INVOCATION), constants: { WEIGHT: weight !== null, BIAS: bias !== null } },
    );
    return y;
  },
  backward(ctx, dy, [x, weight, bias], options) {
    const { gpu } = x;
    if (x.size === 0) {
      return [x, weight, bias, null, null].map((input) => input && Tensor.zeros(gpu, input.shape));
    }
    const [, mean, variance] = ctx.saved;
    const [wantsX, wantsWeight, wantsBias] = ctx.needsGrad;
    let sums: readonly [Tensor, Tensor] | null = null;
    if (wantsWeight || wantsBias || (wantsX && options.training)) {
      const { block, blocks } = planBlocks(channelsOf(x.shape), rowsOf(x.shape));
      const pairs = Tensor.empty(gpu, [blocks, channelsOf(x.shape), 2]);
      gpu.run(`${kernelFor(x)}.gradient_sums`, { x, dy, mean, variance, pairs }, dispatch(x, options, block));
      sums = sumPairs(pairs);
    }
    let dx: Tensor | null = null;
    if (wantsX) {
      dx = Tensor.empty(gpu, x.shape);
      const [sum_dy, sum_dy_xhat] = sums ?? [mean, mean];
      gpu.run(
        `${kernelFor(x)}.backward`,
        { x, dy, dx, mean, variance, weight: weight ?? mean, sum_dy, sum_dy_xhat },
        {
          ...dispatch(x, options, ROWS_PER_INVOCATION),
          constants: { WEIGHT: weight !== null, TRAINING: options.training },
        },
      );
    }
    const [dbias, dweight] = sums ?? [null, null];
    if (!wantsWeight) dweight?.release();
    if (!wantsBias) dbias?.release();
    return [dx, wantsWeight ? dweight : null, wantsBias ? dbias : null, null, null];
  },
  reference: ([x, weight, bias, runningMean, runningVar], options) => {
    const channels = channelsOf(x!.shape);
    const [mean, variance] = options.training ? momentsReference(x!) : [runningMean!.data, runningVar!.data];
    return map(x!, (value, i) => {
      const c = i % channels;
      const normalized = (value - mean[c]) / Math.sqrt(variance[c] + options.eps);
      return normalized * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0);
    });
  },
  samples: samples(),
});

function groupsOf(x: Tensor) {
  const channels = channelsOf(x.shape);
  return { groups: channels, members: rowsOf(x.shape), groupStride: 1, memberStride: channels };
}

function kernelFor(x: Tensor): "batch_norm" | "batch_norm_vec4" {
  return channelsOf(x.shape) % 4 === 0 ? "batch_norm_vec4" : "batch_norm";
}

function dispatch(x: Tensor, { eps }: BatchNormOptions, block: number) {
  const [rows, channels] = [rowsOf(x.shape), channelsOf(x.shape)];
  const columns = kernelFor(x) === "batch_norm_vec4" ? channels / 4 : channels;
  return { elements: Math.ceil(rows / block) * columns, params: { rows, channels, block, eps } };
}

function momentsReference({ shape, data }: NdArray): readonly [Float64Array, Float64Array] {
  const [rows, channels] = [rowsOf(shape), channelsOf(shape)];
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  data.forEach((value, i) => (mean[i % channels] += value / rows));
  data.forEach((value, i) => (variance[i % channels] += (value - mean[i % channels]) ** 2 / rows));
  return [mean, variance];
}

function samples(): Sample<BatchNormOptions>[] {
  const train: BatchNormOptions = { training: true, momentum: 0.1, eps: 1e-5 };
  const evaluate: BatchNormOptions = { ...train, training: false };
  const positive = (c: number) => ({ shape: [c], values: (_: number, random: () => number) => 0.1 + random() });
  return [
    { inputs: [[2, 1], [1], [1], [1], positive(1)], options: train, note: "two values" },
    { inputs: [[2, 3, 5, 7], [7], [7], [7], positive(7)], options: train },
    { inputs: [[131, 4], [4], null, null, null], options: train, note: "several blocks, the last one short; no bias" },
    { inputs: [[3, 11, 3], null, [3], null, null], options: { ...train, eps: 0.5 }, note: "no weight" },
    { inputs: [[4, 65], null, null, null, null], options: train, note: "neither" },
    {
      inputs: [{ shape: [9, 2], values: (i, random) => (i % 2 === 0 ? 3.7 : random()) }, [2], [2], null, null],
      options: train,
      note: "a constant channel",
    },
    {
      inputs: [{ shape: [70, 3], values: (i, random) => (i < 3 ? 1000 : 10 + random()) }, [3], [3], null, null],
      options: { ...train, eps: 1e-3 },
      note: "far from zero, the first row an outlier",
    },
    { inputs: [[1, 1, 1, 6], [6], [6], [6], positive(6)], options: evaluate, note: "one value per channel" },
    { inputs: [[2, 3, 5, 7], [7], [7], [7], positive(7)], options: evaluate },
    { inputs: [[5, 13], null, null, [13], positive(13)], options: evaluate },
    { inputs: [[1, 9, 5, 12], [12], [12], null, null], options: train, note: "four channels at a time" },
    { inputs: [[37, 8], [8], [8], [8], positive(8)], options: evaluate, note: "four channels at a time" },
  ];
}

/**
 * Batch normalisation over all axes but the last (torch.nn.functional.batch_norm in NHWC): x [..., c]; weight and bias
 * [c] or null. Training normalises with the batch's mean and biased variance, and moves `running` in place towards the
 * batch's mean and unbiased variance; that update is not recorded. Otherwise the running statistics normalise.
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running: RunningStatistics | null,
  options: BatchNormOptions,
): Tensor {
  if (options.training && x.size > 0 && rowsOf(x.shape) === 1) {
    throw new Error(`Expected more than 1 value per channel when training, got input size ${showShape(x.shape)}`);
  }
  if (!options.training && running === null) throw new Error("running_mean must be defined in evaluation mode");
  const vectors = { weight, bias, running_mean: running?.mean, running_var: running?.var };
  const channels = channelsOf(x.shape);
  for (const [name, vector] of Object.entries(vectors)) {
    if (vector && vector.size !== channels) {
      throw new Error(`${name} should contain ${channels} elements not ${vector.size}`);
    }
  }
  return apply(batchNormOp, [x, weight, bias, running?.mean ?? null, running?.var ?? null], options);
}

/** Mean and biased variance of every channel of x [..., c], each [c]; not recorded. */
export function batchNormStats(x: Tensor): RunningStatistics {
  const { mean, variance } = moments(x, groupsOf(x));
  return { mean, var: variance };
}
