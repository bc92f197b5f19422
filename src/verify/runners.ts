/** Which runner computes what: the one table of everything that fixtures can ask for. */
import { runnerOf } from "./call.ts";
import type { Definition } from "./call.ts";
import { conv2d, linear, matmul } from "./ops/convolution.ts";
import * as elementwise from "./ops/elementwise.ts";
import { crossEntropy, nllLoss, officialCrossEntropy } from "./ops/loss.ts";
import { batchNorm, cosineSimilarity, layerNorm, normalize } from "./ops/norm.ts";
import { adaptiveAvgPool2d, avgPool2d, interpolate, maxPool2d, upsampleBilinear } from "./ops/pool.ts";
import { concat, flip, pad, permute } from "./ops/shape.ts";
import type { Runner } from "./runner.ts";

const FUNCTIONS: Readonly<Record<string, Definition>> = {
  conv2d,
  linear,
  matmul,
  bmm: matmul,
  batch_norm: batchNorm,
  layer_norm: layerNorm,
  cosine_similarity: cosineSimilarity,
  normalize,
  max_pool2d: maxPool2d,
  avg_pool2d: avgPool2d,
  adaptive_avg_pool2d: adaptiveAvgPool2d,
  interpolate,
  upsample_bilinear: upsampleBilinear,
  cross_entropy: crossEntropy,
  nll_loss: nllLoss,
  official_cross_entropy: officialCrossEntropy,
  add: elementwise.add,
  sub: elementwise.sub,
  mul: elementwise.mul,
  div: elementwise.div,
  relu: elementwise.relu,
  leaky_relu: elementwise.leakyRelu,
  gelu: elementwise.gelu,
  softmax: elementwise.softmax,
  log_softmax: elementwise.logSoftmax,
  sum: elementwise.sum,
  mean: elementwise.mean,
  argmax: elementwise.argmax,
  dropout_eval: elementwise.dropoutEval,
  dropout_train: elementwise.dropoutTrain,
  dropout2d_train: elementwise.dropout2dTrain,
  concat,
  cat: concat,
  pad,
  flip,
  permute,
};

const RUNNERS: Readonly<Record<string, Runner>> = {
  ...Object.fromEntries(Object.entries(FUNCTIONS).map(([op, definition]) => [op, runnerOf(definition)])),
};

/** The runner of an op, or undefined where this library has nothing of that name. */
export function findRunner(op: string): Runner | undefined {
  const name = op.replace(/^nn\.functional\./, "");
  return Object.hasOwn(RUNNERS, name) ? RUNNERS[name] : undefined;
}
