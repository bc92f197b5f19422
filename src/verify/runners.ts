/** Which runner computes what: the one table of everything that fixtures can ask for. */
import { runnerOf } from "./call.ts";
import type { Definition } from "./call.ts";
import { conv2d, linear, matmul } from "./ops/convolution.ts";
import type { FixtureCase } from "./fixture.ts";
import * as elementwise from "./ops/elementwise.ts";
import { crossEntropy, nllLoss, officialCrossEntropy, ohem } from "./ops/loss.ts";
import { batchNorm, cosineSimilarity, layerNorm, normalize } from "./ops/norm.ts";
import { adaptiveAvgPool2d, avgPool2d, interpolate, maxPool2d, upsampleBilinear } from "./ops/pool.ts";
import { concat, flip, pad, permute } from "./ops/shape.ts";
import * as backbones from "./backbones.ts";
import * as hosts from "./hosts.ts";
import * as mcibi from "./mcibi.ts";
import { memoryUpdate } from "./memory_update.ts";
import * as network from "./network.ts";
import * as optim from "./optim.ts";
import * as pipeline from "./pipeline.ts";
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
  ohem,
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
  confusion: pipeline.confusion,
  evaluation: pipeline.evaluation,
  "pipeline/normalize": pipeline.normalize,
  resize: pipeline.resize,
  to_tensor_and_padding: pipeline.padding,
  "pipeline/flip": pipeline.flip,
  label_table: pipeline.labelTable,
  optim: optim.trajectory,
  poly_schedule: optim.polySchedule,
  clip_grad_norm: optim.clipping,
  aspp: mcibi.aspp,
  ppm: mcibi.ppm,
  self_attention_block: mcibi.selfAttention,
  memory_forward: mcibi.memoryForward,
  memory_update: memoryUpdate,
  split_attention: backbones.splitAttention,
  exchange_module: backbones.exchangeModule,
  transformer_layer: backbones.transformerLayer,
  backbone: backbones.backbone,
  object_context: hosts.objectContext,
  feature_pyramid: hosts.featurePyramid,
  segmentor: hosts.segmentor,
  state: network.state,
  step: network.step,
  step_grads: network.step,
  trajectory: network.trajectory,
  trajectory_final: network.trajectory,
  inference: network.inference,
};

/**
 * The runner of a case, or undefined where this library has nothing of that name. Families may use a name of their own
 * way: FAMILY/OP goes before OP, the family being the first part of what the file calls itself.
 */
export function findRunner({ op, file }: FixtureCase): Runner | undefined {
  const name = op.replace(/^nn\.functional\./, "");
  const [family] = (file.metadata.family ?? file.path).split("/");
  const key = [`${family}/${name}`, name].find((candidate) => Object.hasOwn(RUNNERS, candidate));
  return key === undefined ? undefined : RUNNERS[key];
}

/** Whether a case holds what cases of other files compute with, and has nothing to compute itself. */
export function holdsInputsOnly({ op, expected }: FixtureCase): boolean {
  return op === "trajectory_inputs" && expected.size === 0;
}
