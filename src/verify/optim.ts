/** Cases of the optimisers, their schedule and clipping. */
import { officialOptimizer } from "../config/official.ts";
import type { OfficialOptimizer } from "../config/official.ts";
import { clipGradNorm } from "../ops/clip.ts";
import { buildOptimizer } from "../optim/build.ts";
import { polyLearningRate } from "../optim/schedule.ts";
import type { Warmup } from "../optim/schedule.ts";
import type { FixtureCase } from "./fixture.ts";
import { paramsOf, refuseOthers } from "./params.ts";
import { Skip, download, upload } from "./runner.ts";
import type { Results, Runner } from "./runner.ts";

interface TrajectoryParams {
  readonly optimizer: OfficialOptimizer;
  readonly scheduler: {
    readonly type: string;
    readonly power: number;
    readonly min_lr?: number;
    readonly max_iters: number;
    readonly warmup_cfg?: Warmup | null;
  };
  readonly steps: number;
  readonly param_count: number;
}

const SCHEDULER_OPTIONS = ["type", "power", "min_lr", "max_epochs", "iters_per_epoch", "max_iters", "warmup_cfg"];

/** Steps with given gradients; the schedule gives the learning rate of each. */
export const trajectory: Runner = async ({ gpu }, item) => {
  const { optimizer, scheduler, steps, param_count: count } = trajectoryParams(item);
  const names = Array.from({ length: count }, (_, i) => `param_${i}`);
  const parameters = new Map(names.map((name) => [name, upload(gpu, item.tensor(name)).keep().requireGrad()]));
  const built = buildOptimizer(officialOptimizer(optimizer), parameters);
  const { power, min_lr: minLr, max_iters: maxIters, warmup_cfg: warmup } = scheduler;
  const schedule = { baseLr: optimizer.lr, power, maxIters, minLr, warmup: warmup ?? undefined };
  const results: Results = new Map();
  const rates = Float32Array.from({ length: steps }, (_, t) => polyLearningRate(t, schedule));
  results.set("lr", { shape: [steps], data: rates });
  try {
    for (let t = 0; t < steps; t++) {
      for (const [i, name] of names.entries()) {
        parameters.get(name)!.grad = upload(gpu, item.tensor(`grad_${i}_step_${t}`)).keep();
      }
      built.step(polyLearningRate(t, schedule));
      built.zeroGrad();
      for (const [name, tensor] of parameters) results.set(`${name}_after_step_${t}`, await download(tensor));
    }
    for (const [i, name] of names.entries()) {
      for (const [kind, buffers] of built.buffers) results.set(`${kind}_${i}`, await download(buffers.get(name)!));
    }
  } finally {
    built.dispose();
    for (const tensor of parameters.values()) tensor.dispose();
  }
  return results;
};

function trajectoryParams(item: FixtureCase): TrajectoryParams {
  const known = ["optimizer", "scheduler", "steps", "param_count", "lr_per_step"];
  const params = paramsOf<TrajectoryParams>(item, known);
  const { scheduler } = params;
  if (scheduler.type !== "PolyScheduler") throw new Skip(`schedule ${scheduler.type}`);
  refuseOthers("PolyScheduler", { ...scheduler }, SCHEDULER_OPTIONS);
  return params;
}

export const polySchedule: Runner = (_, item) => {
  interface ScheduleParams {
    readonly base_lr: number;
    readonly power: number;
    readonly max_iters: number;
    readonly min_lr?: number | null;
    readonly warmup?: Warmup | null;
  }
  const known = ["base_lr", "power", "max_iters", "min_lr", "warmup"];
  const { base_lr: baseLr, power, max_iters: maxIters, min_lr: minLr, warmup } = paramsOf<ScheduleParams>(item, known);
  const options = { baseLr, power, maxIters, minLr: minLr ?? undefined, warmup: warmup ?? undefined };
  const lr = Float32Array.from({ length: maxIters }, (_, t) => polyLearningRate(t, options));
  return new Map([["lr", { shape: [maxIters], data: lr }]]);
};

export const clipping: Runner = async ({ gpu }, item) => {
  const params = paramsOf<{ max_norm: number; norm_type?: number }>(item, ["max_norm", "norm_type"]);
  const gradients = item.inputs.map((name) => upload(gpu, item.tensor(name)));
  const norm = clipGradNorm(gradients, params.max_norm, params.norm_type);
  const results: Results = new Map([["norm", await download(norm)]]);
  for (const [i, gradient] of gradients.entries()) results.set(`clipped_${i}`, await download(gradient));
  return results;
};
