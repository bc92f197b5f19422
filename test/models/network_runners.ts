/** Runs the fixtures of whole networks (network/ in ../shared/fixtures/README.md). */
import { buildFromFixtureConfig } from "../../src/config/official.ts";
import type { OfficialModel } from "../../src/config/official.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import { trainingLoss } from "../../src/models/training_loss.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { onGradient } from "../../src/nn/watch.ts";
import type { Watch } from "../../src/nn/watch.ts";
import { backward } from "../../src/ops/define.ts";
import { polyLearningRate } from "../../src/optim/schedule.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { readFixture } from "../support/fixtures.ts";
import type { Fixture, FixtureCase } from "../support/fixtures.ts";
import { collectGradients, collectState, mapOf, planes, stateOf } from "./runners.ts";
import type { Collected } from "./runners.ts";

/** The network of a folder with the values of its state file. */
export function loadNetwork(gpu: Gpu, folder: string): { model: Mcibi; official: OfficialModel } {
  const state = readFixture(`${folder}/state.safetensors`);
  const official = buildFromFixtureConfig(JSON.parse(state.metadata.config));
  const model = new Mcibi(official.model, new RandomState(0)).initialize(gpu, 0);
  model.loadStateDict(stateOf(state, state.cases[0], ""));
  return { model, official };
}

export function labelOf(gpu: Gpu, fixture: Fixture, item: FixtureCase, name: string): Tensor {
  const { data, shape } = fixture.get(item, name);
  return Tensor.from(gpu, data as Int32Array, shape);
}

/** `step` and `step_grads`: one training pass from the state file. */
export async function runStep(gpu: Gpu, folder: string): Promise<Collected> {
  using _ = gpu.arena();
  const { model, official } = loadNetwork(gpu, folder);
  const fixture = readFixture(`${folder}/step.safetensors`);
  const [item] = fixture.cases;
  const results: Collected = new Map();
  const values = new Map<string, Tensor>();
  const watch: Watch = (name, value) => {
    values.set(`out.${name}`, value.keep());
    return onGradient(value, (grad) => values.set(`grad_of.${name}`, grad.detach().keep()));
  };
  const image = mapOf(gpu, fixture, item, "image").keep().requireGrad();
  const label = labelOf(gpu, fixture, item, "label");
  const { learning_rate: lr, epoch } = item.params;
  const batch = { image, label, epoch, memoryMomentum: official.memoryMomentum(lr) };
  const { terms, total } = trainingLoss(model, batch, official.losses, watch);
  for (const [name, term] of terms) values.set(`loss.${name}`, term.keep());
  values.set("loss.total_tensor", total.keep());
  backward(total);
  values.set("grad_of.image", image.grad!);
  for (const [name, value] of values)
    results.set(name, value.shape.length > 1 ? await planes(value) : await value.data());
  results.set("loss.loss_total", results.get("loss.total_tensor")!);
  results.set("memory_after", await model.memory!.memory.data());
  await collectState(model, "after.", results);
  await collectGradients(model, "grad.", results);
  for (const value of values.values()) value.dispose();
  image.dispose();
  model.dispose();
  return results;
}

/** `traj` and `traj_final`: iterations of SGD with the poly schedule. */
export async function runTrajectory(gpu: Gpu, folder: string, inputFiles: readonly string[]): Promise<Collected> {
  using _ = gpu.arena();
  const { model, official } = loadNetwork(gpu, folder);
  const inputs = inputFiles.flatMap((file) => {
    const fixture = readFixture(`${folder}/${file}`);
    return fixture.cases.map((item): [Fixture, FixtureCase] => [fixture, item]);
  });
  const [{ params }] = readFixture(`${folder}/traj.safetensors`).cases;
  if (String(params.initial_memory).startsWith("ZERO")) await clearMemory(model);
  const optimizer = new Sgd(model.namedParameters(), official.optimizer);
  const schedule = official.schedule(params.max_iters);
  const results: Collected = new Map();
  const norms: number[] = [];
  for (let t = 0; t < params.iterations; t++) {
    using _step = gpu.arena();
    const lr = polyLearningRate(t, schedule);
    const [fixture, item] = inputs.find(([, { inputs }]) => inputs.includes(`iter_${t}.image`))!;
    const image = mapOf(gpu, fixture, item, `iter_${t}.image`);
    const label = labelOf(gpu, fixture, item, `iter_${t}.label`);
    const epoch = params.epoch_per_iteration[t];
    const batch = { image, label, epoch, memoryMomentum: official.memoryMomentum(lr) };
    const { terms, total } = trainingLoss(model, batch, official.losses);
    const kept = [...terms, ["loss_total", total] as const].map(([name, term]) => [name, term.keep()] as const);
    backward(total);
    optimizer.step(lr);
    optimizer.zeroGrad();
    for (const [name, term] of kept) {
      results.set(`iter_${t}.loss.${name}`, await term.data());
      term.dispose();
    }
    results.set(`iter_${t}.memory`, await model.memory!.memory.data());
    const parameters = model.namedParameters();
    for (const name of params.param_norm_names as readonly string[]) {
      norms.push(Math.hypot(...((await parameters.get(name)!.data()) as Float32Array)));
    }
  }
  results.set("param_norms", norms);
  await collectState(model, "", results);
  optimizer.dispose();
  model.dispose();
  return results;
}

async function clearMemory(model: Mcibi): Promise<void> {
  const state = await model.stateDict();
  const { shape, data } = state.get("memory_module.memory")!;
  model.loadStateDict(state.set("memory_module.memory", { shape, data: new Float32Array(data.length) }));
}
