/** Cases of whole networks: one folder each, whose files build on each other. */
import { buildFromFixtureConfig } from "../config/official.ts";
import type { OfficialConfig, OfficialModel } from "../config/official.ts";
import { UserError } from "../errors.ts";
import { Mcibi } from "../models/mcibi.ts";
import { trainingLoss } from "../models/training_loss.ts";
import { RandomState } from "../nn/random_state.ts";
import { readTensors } from "../nn/readback.ts";
import { onGradient } from "../nn/watch.ts";
import { backward } from "../ops/define.ts";
import { buildOptimizer } from "../optim/build.ts";
import { polyLearningRate } from "../optim/schedule.ts";
import type { Pair } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { inferView, predict, predictClasses, viewsOf } from "../train/inference.ts";
import type { InferenceOptions } from "../train/inference.ts";
import type { FixtureCase, FixtureFile } from "./fixture.ts";
import { channelsLast, plain } from "./layout.ts";
import type { HostArray } from "./layout.ts";
import { collectGradients, collectState, stateOf } from "./mcibi.ts";
import { paramsOf } from "./params.ts";
import { Skip, download, upload } from "./runner.ts";
import type { Results, Runner, Session } from "./runner.ts";

interface Network {
  readonly model: Mcibi;
  readonly official: OfficialModel;
}

/** Runs `use` with the network of a file's folder, holding the values of its state file. */
async function withNetwork<T>(session: Session, file: FixtureFile, use: (network: Network) => Promise<T>): Promise<T> {
  const official = officialModel(file);
  const model = new Mcibi(official.model, new RandomState(0)).initialize(session.gpu, 0);
  try {
    const cases = session.parts(file, "state").flatMap((part) => part.cases);
    if (cases.length === 0) throw new UserError(`${file.path}: the file "state" of the same network is missing`);
    model.loadStateDict(new Map(cases.flatMap((item) => [...stateOf(item)])));
    return await use({ model, official });
  } finally {
    model.dispose();
  }
}

/** Whether a file holds what the official code made of a memory that changed between forward and backward. */
const isAliased = (file: FixtureFile): boolean => /_official(_\d+)?$/.test(file.path);

function officialModel(file: FixtureFile): OfficialModel {
  const text = file.metadata.config;
  if (text === undefined) throw new UserError(`${file.path}: the metadata has no "config"`);
  const config = JSON.parse(text) as OfficialConfig;
  try {
    const { model, ...rest } = buildFromFixtureConfig(config);
    const memory = model.memory && { ...model.memory, officialAliasing: isAliased(file) };
    return { model: { ...model, memory }, ...rest };
  } catch (error) {
    if (error instanceof UserError) throw new Skip(error.message);
    throw error;
  }
}

/** A tensor that any file of a family holds as its input. */
function inputOf(session: Session, file: FixtureFile, family: string, name: string): HostArray {
  const cases = session.parts(file, family).flatMap((part) => part.cases);
  const holder = cases.find(({ inputs }) => inputs.includes(name));
  if (!holder) throw new UserError(`${file.path}: no file "${family}" of the same network holds ${name}`);
  return holder.tensor(name);
}

/** Parameters, buffers and counters go in and come out again. */
export const state: Runner = (session, item) =>
  withNetwork(session, item.file, async ({ model }) => {
    const results: Results = new Map();
    await collectState(model, "", results);
    return results;
  });

interface StepParams {
  readonly learning_rate: number;
  readonly epoch: number;
}

const STEP_PARAMS = ["learning_rate", "epoch", "effective_momentum", "ignore_index", "train_mode", "state_file"];

/** One training pass. The files `step` and `step_grads` share it. */
export const step: Runner = (session, item) =>
  onceFor(session, item, "step", (network) => trainingPass(session, item, network));

async function trainingPass(session: Session, item: FixtureCase, { model, official }: Network): Promise<Results> {
  const { gpu } = session;
  const { learning_rate: lr, epoch } = paramsOf<StepParams>(item, STEP_PARAMS);
  const image = upload(gpu, inputOf(session, item.file, "step", "image"), channelsLast).keep().requireGrad();
  const label = upload(gpu, inputOf(session, item.file, "step", "label"));
  const values = new Map<string, Tensor>();
  const batch = { image, label, epoch, memoryMomentum: official.memoryMomentum(lr) };
  const { terms, total } = trainingLoss(model, batch, official.losses, (name, value) => {
    values.set(`out.${name}`, value.keep());
    return onGradient(value, (grad) => values.set(`grad_of.${name}`, grad.detach().keep()));
  });
  for (const [name, term] of terms) values.set(`loss.${name}`, term.keep());
  values.set("loss.loss_total", total.keep()).set("loss.total_tensor", total);
  backward(total);
  values.set("grad_of.image", image.grad!).set("image", image);
  const results: Results = new Map();
  for (const [name, value] of values) {
    results.set(name, await download(value, value.shape.length === 4 ? channelsLast : plain));
  }
  if (model.memory) results.set("memory_after", await download(model.memory.memory));
  await collectState(model, "after.", results);
  await collectGradients(model, "grad.", results);
  for (const value of values.values()) value.dispose();
  return results;
}

interface TrajectoryParams {
  readonly iterations: number;
  readonly max_iters: number;
  readonly epoch_per_iteration: readonly number[];
  readonly initial_memory: string;
  readonly param_norm_names?: readonly string[];
}

const TRAJECTORY_PARAMS = [
  "iterations", "iters_per_epoch", "max_iters", "epoch_per_iteration", "learning_rate_per_iteration", "state_file",
  "initial_memory", "param_norm_names", "order", "gradient",
];

/** Iterations of SGD with the poly schedule. The files `traj` and `traj_final` share them. */
export const trajectory: Runner = async (session, item) => {
  const params = paramsOf<TrajectoryParams>(item, TRAJECTORY_PARAMS);
  const results = await onceFor(session, item, "trajectory", (network) => iterations(session, item, params, network));
  const { iterations: count, param_norm_names: names } = params;
  if (!names) return results;
  const norms = Array.from({ length: count }, (_, t) => names.map((name) => results.get(normName(t, name))!.data[0]));
  const table = { shape: [count, names.length], data: Float32Array.from(norms.flat()) };
  return new Map([...results, ["param_norms", table]]);
};

const normName = (t: number, parameter: string): string => `iter_${t}.norm.${parameter}`;

async function iterations(
  session: Session,
  { file }: FixtureCase,
  params: TrajectoryParams,
  { model, official }: Network,
): Promise<Results> {
  const { gpu } = session;
  if (params.initial_memory.startsWith("ZERO")) await clearMemory(model);
  const parameters = model.namedParameters();
  const optimizer = buildOptimizer(official.optimizer, parameters);
  const schedule = official.schedule(params.max_iters);
  const results: Results = new Map();
  try {
    for (let t = 0; t < params.iterations; t++) {
      using _ = gpu.arena();
      const lr = polyLearningRate(t, schedule);
      const image = upload(gpu, inputOf(session, file, "traj_inputs", `iter_${t}.image`), channelsLast);
      const label = upload(gpu, inputOf(session, file, "traj_inputs", `iter_${t}.label`));
      const batch = { image, label, epoch: params.epoch_per_iteration[t], memoryMomentum: official.memoryMomentum(lr) };
      const { terms, total } = trainingLoss(model, batch, official.losses);
      const kept = [...terms, ["loss_total", total] as const].map(([name, term]) => [name, term.keep()] as const);
      backward(total);
      optimizer.step(lr);
      optimizer.zeroGrad();
      for (const [name, term] of kept) {
        results.set(`iter_${t}.loss.${name}`, await download(term));
        term.dispose();
      }
      if (model.memory) results.set(`iter_${t}.memory`, await download(model.memory.memory));
      const values = await readTensors([...parameters.values()]);
      for (const [i, name] of [...parameters.keys()].entries()) {
        results.set(normName(t, name), { shape: [], data: Float32Array.of(Math.hypot(...values[i])) });
      }
    }
    await collectState(model, "", results);
    return results;
  } finally {
    optimizer.dispose();
  }
}

const MEMORY = "memory_module.memory";

async function clearMemory(model: Mcibi): Promise<void> {
  const dict = await model.stateDict();
  const { shape, data } = dict.get(MEMORY)!;
  model.loadStateDict(dict.set(MEMORY, { shape, data: new Float32Array(data.length) }));
}

/** Computes what several files of a folder check parts of. */
function onceFor(
  session: Session,
  { file }: FixtureCase,
  what: string,
  compute: (network: Network) => Promise<Results>,
): Promise<Results> {
  const folder = file.path.slice(0, file.path.lastIndexOf("/"));
  const variant = isAliased(file) ? "aliased" : "exact";
  return session.once(`${folder} ${what} ${variant}`, () => withNetwork(session, file, compute));
}

interface InferenceParams {
  readonly cropsize_hw: InferenceOptions["crop"];
  readonly stride_hw: InferenceOptions["stride"];
  readonly multiscale: InferenceOptions["scales"];
  readonly flip: boolean;
  readonly original_size_hw: Pair;
  readonly fixed_seg_target_pairs?: InferenceOptions["flipPairs"] | null;
}

const INFERENCE_PARAMS = [
  "cropsize_hw", "stride_hw", "multiscale", "flip", "fixed_seg_target_pairs", "original_size_hw", "state_file",
  "scale_rule", "pred_margins", "pred_rule",
];

/** Evaluation: each expected result names how the image is looked at and what is wanted of it. */
export const inference: Runner = (session, item) =>
  withNetwork(session, item.file, async ({ model }) => {
    const params = paramsOf<InferenceParams>(item, INFERENCE_PARAMS);
    model.eval();
    const image = upload(session.gpu, inputOf(session, item.file, "inference", "image"), channelsLast);
    const results: Results = new Map();
    for (const name of item.expected.keys()) {
      const value = infer(model, image, name, params);
      results.set(name, await download(value, value.dtype === "i32" ? plain : channelsLast));
    }
    return results;
  });

/** [tta_](whole | slide)[_probs].(logits | probs | part_K | mean_at_original_size | pred) */
const RESULT = /^(tta_)?(whole|slide)(_probs)?\.(?:logits|probs|part_(\d+)|(mean_at_original_size)|(pred))$/;

function infer(model: Mcibi, image: Tensor, name: string, params: InferenceParams): Tensor {
  const match = RESULT.exec(name);
  if (!match) throw new Skip(`the result ${name} of inference`);
  const [, isAugmented, mode, probs, part = "0", mean, pred] = match;
  const options: InferenceOptions = {
    mode: mode as "whole" | "slide",
    average: probs ? "probs" : "logits",
    crop: params.cropsize_hw,
    stride: params.stride_hw,
    scales: isAugmented ? params.multiscale : [1],
    flip: Boolean(isAugmented) && params.flip,
    flipPairs: params.fixed_seg_target_pairs ?? [],
  };
  if (!mean && !pred) return inferView(model, image, viewsOf(options)[Number(part)], options);
  return (pred ? predictClasses : predict)(model, image, params.original_size_hw, options);
}
