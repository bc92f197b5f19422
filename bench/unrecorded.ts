/** Workloads of what no tape records: optimiser, clipping, predictions and their counting. */
import { adamStep } from "../src/ops/adam.ts";
import type { AdamOptions } from "../src/ops/adam.ts";
import { argmax } from "../src/ops/argmax.ts";
import { clipGradNorm } from "../src/ops/clip.ts";
import { addConfusion } from "../src/ops/confusion.ts";
import type { Op } from "../src/ops/define.ts";
import { map, ndarray } from "../src/ops/ndarray.ts";
import { sgdStep } from "../src/ops/sgd.ts";
import type { SgdOptions } from "../src/ops/sgd.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import { bytesOf } from "./workload.ts";
import type { Problem, Workload } from "./workload.ts";

/** Dressed as ops, these run and are checked like them. */
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

const adam: Op = {
  name: "adam",
  forward(_context, inputs, options) {
    const [param, grad, average, averageOfSquares] = inputs as readonly Tensor[];
    adamStep(param, grad, average, averageOfSquares, options as AdamOptions);
    return param;
  },
  reference([param, grad, average, squares], options) {
    const { lr, betas: [beta1, beta2], eps, weightDecay, step } = options as AdamOptions;
    return map(param!, (value, i) => {
      const mean = (beta1 * average!.data[i] + (1 - beta1) * grad!.data[i]) / (1 - beta1 ** step);
      const square = (beta2 * squares!.data[i] + (1 - beta2) * grad!.data[i] ** 2) / (1 - beta2 ** step);
      return (1 - lr * weightDecay) * value - (lr * mean) / (Math.sqrt(square) + eps);
    });
  },
  samples: [],
};

/** One step of AdamW for a parameter with so many values. */
export function adamStepPass(name: string, count: number): Workload {
  const squares = (_: number, random: () => number): number => random();
  const problem = (length: number): Problem => ({
    inputs: [{ shape: [length] }, { shape: [length] }, { shape: [length] }, { shape: [length], values: squares }],
    options: {
      lr: 0.01,
      betas: [0.9, 0.999],
      eps: 1e-8,
      weightDecay: 0.01,
      decoupled: true,
      step: 3,
    } satisfies AdamOptions,
  });
  return {
    name,
    op: adam,
    pass: "forward",
    needsGrad: [],
    shape: { count },
    label: String(count),
    flops: 14 * count,
    bytes: 7 * bytesOf([count]), // parameter and averages both ways, and the gradient
    problem: problem(count),
    small: problem(Math.min(count, 67)),
  };
}

const clip: Op = {
  name: "clip_grad_norm",
  forward(_context, inputs, maxNorm) {
    const [grad] = inputs as readonly Tensor[];
    clipGradNorm([grad], maxNorm as number);
    return grad;
  },
  reference([grad], maxNorm) {
    const norm = Math.hypot(...grad!.data);
    return map(grad!, (value) => value * Math.min(1, (maxNorm as number) / (norm + 1e-6)));
  },
  samples: [],
};

/** The norm of a gradient of so many values, and its scaling. */
export function clipPass(name: string, count: number): Workload {
  const problem = (length: number): Problem => ({ inputs: [{ shape: [length] }], options: 1 });
  return {
    name,
    op: clip,
    pass: "forward",
    needsGrad: [],
    shape: { count },
    label: String(count),
    flops: 3 * count,
    bytes: 3 * bytesOf([count]), // read for the norm, then scaled in place
    problem: problem(count),
    small: problem(Math.min(count, 67)),
  };
}

const prediction: Op = {
  name: "argmax",
  forward: (_context, [scores]) => argmax(scores!),
  reference([scores]) {
    const classes = scores!.shape.at(-1)!;
    const best = (_: unknown, row: number): number => {
      const values = scores!.data.subarray(row * classes, (row + 1) * classes);
      return values.indexOf(Math.max(...values));
    };
    const { length } = scores!.data;
    return ndarray(scores!.shape.slice(0, -1), Array.from({ length: length / classes }, best));
  },
  samples: [],
};

const confusion: Op = {
  name: "confusion",
  forward(_context, inputs, classes) {
    const [predicted, labels] = inputs as readonly Tensor[];
    const counts = Tensor.zeros(labels.gpu, [classes as number, classes as number], "u32");
    addConfusion(counts, predicted, labels, { ignoreIndex: classes as number });
    return counts;
  },
  reference([predicted, labels], options) {
    const classes = options as number;
    const counts = ndarray([classes, classes]);
    labels!.data.forEach((label, i) => {
      if (label < classes) counts.data[label * classes + predicted!.data[i]]++;
    });
    return counts;
  },
  samples: [],
};

/** The most likely class of every pixel of scores [n, height, width, classes], and its count against the label. */
export function predictionPasses(name: string, scores: Shape): Workload[] {
  const [n, height, width, classes] = scores;
  const pixels = scores.slice(0, -1);
  const common = { name, pass: "forward", needsGrad: [], shape: { n, height, width, classes }, flops: 0 } as const;
  const classesAmong = (shape: Shape, count: number) => ({
    shape,
    dtype: "i32" as const,
    values: (_: number, random: () => number) => Math.floor(random() * count),
  });
  // One label beyond the classes: pixels that do not count.
  const counted = (shape: Shape): Problem => ({
    inputs: [classesAmong(shape, classes), classesAmong(shape, classes + 1)],
    options: classes,
  });
  return [
    {
      ...common,
      op: prediction,
      label: scores.join("x"),
      bytes: bytesOf(scores, pixels),
      problem: { inputs: [{ shape: scores }], options: null },
      small: { inputs: [{ shape: [1, 3, 5, classes] }], options: null },
    },
    {
      ...common,
      op: confusion,
      label: pixels.join("x"),
      bytes: bytesOf(pixels, pixels),
      problem: counted(pixels),
      small: counted([1, 9, 11]),
    },
  ];
}
