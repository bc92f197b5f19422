import { sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Context, Sample } from "./define.ts";
import { moments, planBlocks } from "./moments.ts";
import type { Moments } from "./moments.ts";
import { excerpt, inParts, place } from "./parts.ts";
import { map } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";

/** Of `batchNorm`. */
export interface BatchNormOptions {
  /** Normalise with the statistics of the batch, rather than with the running ones. */
  readonly training: boolean;
  /** Weight of the batch in the running statistics: new = (1 - momentum)·old + momentum·batch. */
  readonly momentum: number;
  readonly eps: number;
  /** Whether training updates the running statistics (default true). */
  readonly updateRunning?: boolean;
  /** Added to the normalised x; of x's shape. */
  readonly residual?: Tensor;
  /** Of an activation at the end: the factor for negative values, 0 for ReLU. Without it there is none. */
  readonly slope?: number;
}

type Settings = Omit<BatchNormOptions, "residual">;

/** Mean and variance of every channel, [c] each. */
export interface RunningStatistics {
  readonly mean: Tensor;
  readonly var: Tensor;
}

/** x [..., channels]; weight, bias, running mean and running variance, each [channels] or absent; residual, as x. */
type BatchNormInputs = readonly [
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  residual: Tensor | null,
];

const ROWS_PER_INVOCATION = 32; // of the elementwise passes: the numbers of a channel are loaded once per invocation

const channelsOf = (shape: Shape): number => shape.at(-1) ?? 0;
const rowsOf = (shape: Shape): number => sizeOf(shape.slice(0, -1));

const batchNormOp = defineOp<BatchNormInputs, Settings>({
  name: "batch_norm",
  forward(ctx, inputs, options) {
    const [x, weight, bias, runningMean, runningVar, residual] = inputs;
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
    if (bias) ctx.save(bias);
    const constants = { ...constantsOf(inputs, options), RESIDUAL: residual !== null };
    inParts(rowsOf(x.shape), [x, residual], [y], ([x, residual], [y]) => {
      x.gpu.run(
        `${kernelFor(x)}.forward`,
        { x, y, ...statistics, weight: weight ?? x, bias: bias ?? x, residual: residual ?? x },
        { ...dispatch(x, options, ROWS_PER_INVOCATION), constants },
      );
    });
    if (activatesSum(inputs, options)) ctx.save(y);
    return y;
  },
  backward(ctx, dy, inputs, options) {
    const [x, weight, bias, , , residual] = inputs;
    const { gpu } = x;
    if (x.size === 0) {
      return [x, weight, bias, null, null, residual].map((input) => input && Tensor.zeros(gpu, input.shape));
    }
    const [, mean, variance] = ctx.saved;
    const [wantsX, wantsWeight, wantsBias, , , wantsResidual] = ctx.needsGrad;
    const isSum = activatesSum(inputs, options);
    const needsSums = wantsWeight || wantsBias || (wantsX && options.training);
    const sums = isSum || needsSums ? gradientSums(ctx, dy, inputs, options) : null;
    const beforeActivation = sums?.g ?? dy;
    let dx: Tensor | null = null;
    if (wantsX) {
      dx = Tensor.empty(gpu, x.shape);
      const own = constantsOf(inputs, options);
      const constants = { ...own, ACTIVATION: own.ACTIVATION && !isSum, TRAINING: options.training };
      inParts(rowsOf(x.shape), [x, beforeActivation], [dx], ([x, dy], [dx]) => {
        const operands = { x, dy, mean, variance, weight: weight ?? x, bias: bias ?? x };
        gpu.run(
          `${kernelFor(x)}.backward`,
          { ...operands, averages: sums?.averages ?? x, dx },
          { ...dispatch(x, options, ROWS_PER_INVOCATION), constants },
        );
      });
    }
    sums?.averages.release();
    if (!wantsWeight) sums?.dweight.release();
    if (!wantsBias) sums?.dbias.release();
    if (!wantsResidual) sums?.g?.release();
    return [
      dx,
      wantsWeight ? sums!.dweight : null,
      wantsBias ? sums!.dbias : null,
      null,
      null,
      wantsResidual ? beforeActivation : null,
    ];
  },
  reference: ([x, weight, bias, runningMean, runningVar, residual], options) => {
    const channels = channelsOf(x!.shape);
    const [mean, variance] = options.training ? momentsReference(x!) : [runningMean!.data, runningVar!.data];
    return map(x!, (value, i) => {
      const c = i % channels;
      const normalized = (value - mean[c]) / Math.sqrt(variance[c] + options.eps);
      const sum = normalized * (weight?.data[c] ?? 1) + (bias?.data[c] ?? 0) + (residual?.data[i] ?? 0);
      return sum > 0 ? sum : sum * (options.slope ?? 1);
    });
  },
  samples: samples(),
});

interface GradientSums {
  readonly dweight: Tensor;
  readonly dbias: Tensor;
  /** What a row adds to both in the mean: [2, channels], bias first. */
  readonly averages: Tensor;
  /** The gradient of a sum that was activated. */
  readonly g: Tensor | null;
}

function gradientSums(ctx: Context, dy: Tensor, inputs: BatchNormInputs, options: Settings): GradientSums {
  const [x, weight, bias] = inputs;
  const { gpu } = x;
  const [, mean, variance] = ctx.saved;
  const [channels, rows] = [channelsOf(x.shape), rowsOf(x.shape)];
  const { block, blocks } = planBlocks(channels, rows);
  const pairs = Tensor.empty(gpu, [blocks, channels, 2]);
  const constants = constantsOf(inputs, options);
  const isSum = activatesSum(inputs, options);
  const g = isSum ? Tensor.empty(gpu, x.shape) : null;
  const result = isSum ? ctx.saved.at(-1)! : null;
  inParts(rows, [x, dy, result], [g], ([x, dy, result], [g], count, first) => {
    const own = excerpt(pairs, (first / block) * channels * 2, [Math.ceil(count / block), channels, 2]);
    const call = { ...dispatch(x, options, block), constants };
    if (g && result) {
      const buffers = { x, dy, result, mean, variance, g, pairs_out: own };
      gpu.run(`${kernelFor(x)}.gradient_sums_residual`, buffers, call);
    } else {
      const buffers = { x, dy, mean, variance, weight: weight ?? x, bias: bias ?? x, pairs_out: own };
      gpu.run(`${kernelFor(x)}.gradient_sums`, buffers, call);
    }
    place(own, pairs, (first / block) * channels * 2);
  }, block);
  const dweight = Tensor.empty(gpu, [channels]);
  const dbias = Tensor.empty(gpu, [channels]);
  const averages = Tensor.empty(gpu, [2, channels]);
  const { params } = dispatch(x, options, block);
  const totals = { dweight, dbias, averages_out: averages };
  gpu.run("batch_norm.gradient_totals", { pairs, ...totals }, { elements: channels, params });
  pairs.release();
  return { dweight, dbias, averages, g };
}

/** Backward then reads the result, saved last, for the sign of what was activated. */
function activatesSum([, , , , , residual]: BatchNormInputs, { slope }: Settings): boolean {
  return residual !== null && slope !== undefined;
}

function groupsOf(x: Tensor) {
  const channels = channelsOf(x.shape);
  return { groups: channels, members: rowsOf(x.shape), groupStride: 1, memberStride: channels };
}

function kernelFor(x: Tensor): "batch_norm" | "batch_norm_vec4" {
  return channelsOf(x.shape) % 4 === 0 ? "batch_norm_vec4" : "batch_norm";
}

function constantsOf([, weight, bias]: BatchNormInputs, { slope }: Settings) {
  return { WEIGHT: weight !== null, BIAS: bias !== null, ACTIVATION: slope !== undefined, SLOPE: slope ?? 0 };
}

function dispatch(x: Tensor, { eps }: Settings, block: number) {
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

function samples(): Sample<Settings>[] {
  const train: Settings = { training: true, momentum: 0.1, eps: 1e-5 };
  const evaluate: Settings = { ...train, training: false };
  const positive = (c: number) => ({ shape: [c], values: (_: number, random: () => number) => 0.1 + random() });
  return [
    { inputs: [[2, 1], [1], [1], [1], positive(1), null], options: train, note: "two values" },
    { inputs: [[2, 3, 5, 7], [7], [7], [7], positive(7), null], options: train },
    { inputs: [[131, 4], [4], null, null, null, null], options: train, note: "blocks, the last one short; no bias" },
    { inputs: [[3, 11, 3], null, [3], null, null, null], options: { ...train, eps: 0.5 }, note: "no weight" },
    { inputs: [[4, 65], null, null, null, null, null], options: train, note: "neither" },
    {
      inputs: [{ shape: [9, 2], values: (i, random) => (i % 2 === 0 ? 3.7 : random()) }, [2], [2], null, null, null],
      options: train,
      note: "a constant channel",
    },
    {
      inputs: [{ shape: [70, 3], values: (i, random) => (i < 3 ? 1000 : 10 + random()) }, [3], [3], null, null, null],
      options: { ...train, eps: 1e-3 },
      note: "far from zero, the first row an outlier",
    },
    { inputs: [[1, 1, 1, 6], [6], [6], [6], positive(6), null], options: evaluate, note: "one value per channel" },
    { inputs: [[2, 3, 5, 7], [7], [7], [7], positive(7), null], options: evaluate },
    { inputs: [[5, 13], null, null, [13], positive(13), null], options: evaluate },
    { inputs: [[1, 9, 5, 12], [12], [12], null, null, null], options: train, note: "vectors" },
    { inputs: [[37, 8], [8], [8], [8], positive(8), null], options: evaluate, note: "vectors" },
    // Activated ones have no zero in the bias, which with one in the weight would leave a channel at the kink.
    { inputs: [[2, 3, 5, 7], [7], positive(7), null, null, null], options: { ...train, slope: 0 }, note: "ReLU" },
    { inputs: [[67, 3], null, null, null, null, null], options: { ...train, slope: 0.1 }, note: "LeakyReLU" },
    { inputs: [[2, 1], null, positive(1), [1], positive(1), null], options: { ...evaluate, slope: 0 }, note: "ReLU" },
    { inputs: [[3, 5], [5], [5], null, null, [3, 5]], options: train, note: "residual" },
    { inputs: [[35, 3], [3], positive(3), null, null, [35, 3]], options: { ...train, slope: 0 }, note: "residual" },
    { inputs: [[9, 5], null, positive(5), [5], positive(5), [9, 5]], options: { ...evaluate, slope: 0.1 } },
    { inputs: [[3, 7, 8], [8], positive(8), null, null, null], options: { ...train, slope: 0 }, note: "vectors, ReLU" },
    { inputs: [[1, 4], null, positive(4), [4], positive(4), null], options: { ...evaluate, slope: 0.2 } },
    { inputs: [[37, 12], null, null, null, null, [37, 12]], options: { ...train, slope: 0.2 }, note: "vectors, all" },
    { inputs: [[5, 4], [4], [4], [4], positive(4), [5, 4]], options: evaluate, note: "vectors, residual" },
  ];
}

/**
 * Batch normalisation over all axes but the last (torch.nn.functional.batch_norm in NHWC): x [..., c]; weight and bias
 * [c] or null. Training normalises with the batch's mean and biased variance, and moves `running` in place towards the
 * batch's mean and unbiased variance; that update is not recorded. Otherwise the running statistics normalise.
 * A residual and an activation join the passes over x instead of making their own.
 *
 * @throws Error where a vector or the residual does not fit x, training sees one value per channel, or evaluation has
 * no running statistics
 */
export function batchNorm(
  x: Tensor,
  weight: Tensor | null,
  bias: Tensor | null,
  running: RunningStatistics | null,
  { residual, ...options }: BatchNormOptions,
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
  if (residual && !sameShape(residual.shape, x.shape)) {
    throw new Error(`the residual has shape ${showShape(residual.shape)}, expected that of x, ${showShape(x.shape)}`);
  }
  if (options.slope !== undefined && !(options.slope >= 0)) {
    throw new Error(`the slope of an activation must be 0 or above, got ${options.slope}`);
  }
  const { mean = null, var: variance = null } = running ?? {};
  return apply(batchNormOp, [x, weight, bias, mean, variance, residual ?? null], options);
}

/** Mean and biased variance of every channel of x [..., c], each [c]; not recorded. */
export function batchNormStats(x: Tensor): RunningStatistics {
  const { mean, variance } = moments(x, groupsOf(x));
  return { mean, var: variance };
}
