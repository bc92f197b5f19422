/** Cases of the memory's update. */
import { updateMemory } from "../ops/memory.ts";
import type { MemoryStrategy, MemoryUpdateOptions } from "../ops/memory.options.ts";
import { updateReference } from "../ops/memory.reference.ts";
import { ndarray } from "../ops/ndarray.ts";
import { coupledMomentum } from "../optim/schedule.ts";
import type { FixtureCase, Tolerance } from "./fixture.ts";
import { channelsLast } from "./layout.ts";
import type { HostArray } from "./layout.ts";
import { paramsOf } from "./params.ts";
import { download, upload } from "./runner.ts";
import type { OwnRule, Results, Runner } from "./runner.ts";

interface UpdateParams {
  readonly strategy: MemoryStrategy;
  readonly ignore_index: number;
  readonly momentum_cfg: {
    readonly base_momentum: number;
    readonly base_lr: number;
    readonly adjust_by_learning_rate: boolean;
  };
  readonly learning_rates: readonly number[];
  readonly well_defined?: boolean;
}

interface Update {
  readonly features: HostArray;
  readonly labels: HostArray;
  readonly options: MemoryUpdateOptions;
}

/** Updates one after the other; files of degenerate cases use the same features for each and keep the last result. */
export const memoryUpdate: Runner = async ({ gpu }, item) => {
  const params = paramsOf<UpdateParams>(item, [
    "num_classes", "num_feats_per_cls", "strategy", "ignore_index", "momentum_cfg", "learning_rates",
    "effective_momentum", "steps", "well_defined", "nonfinite_count",
  ]);
  const updates = updatesOf(item, params);
  const results: Results = new Map();
  let current = upload(gpu, item.tensor("memory_before"));
  for (const [t, { features, labels, options }] of updates.entries()) {
    current = updateMemory(current, upload(gpu, features, channelsLast), upload(gpu, labels), options);
    results.set(`memory_after_step_${t}`, await download(current));
  }
  const last = await download(current);
  results.set("memory_after", last).set("memory_after_float32", last);
  const outside = labelsOutside(item, updates);
  if (outside.length > 0) return byOwnRule(item, updates, results, outside, LABELS_OUTSIDE);
  return params.well_defined === false ? byOwnRule(item, updates, results, outside, NO_WEIGHTS) : results;
};

function updatesOf(item: FixtureCase, params: UpdateParams): Update[] {
  const { strategy, ignore_index: ignoreIndex, momentum_cfg: rule, learning_rates: rates } = params;
  const { base_momentum: momentum, base_lr: baseLr, adjust_by_learning_rate: follows } = rule;
  return rates.map((lr, t) => {
    const suffix = item.inputs.includes(`features_step_${t}`) ? `_step_${t}` : "";
    return {
      features: item.tensor(`features${suffix}`),
      labels: item.tensor(`segmentation${suffix}`),
      options: {
        momentum: follows ? coupledMomentum(lr, { momentum, baseLr }) : momentum,
        strategy,
        ignoreIndex,
        unassigned: "decay", // as the official code does it
      },
    };
  });
}

const LABELS_OUTSIDE =
  "a label that no class has belongs to no class; the official code fails, or takes -1 for the last class";
const NO_WEIGHTS =
  "pixels parallel to their memory count alike; the official weights are 0/0 or rounding noise, and so is its result";

/** Of a case without results. */
const TOLERANCE: Tolerance = [1e-4, 2e-5, 0];

/** The official result but for the rows where it is none: those have to be what the definition in f64 says. */
function byOwnRule(
  item: FixtureCase,
  updates: readonly Update[],
  results: Results,
  outside: readonly number[],
  rule: string,
): OwnRule {
  const before = item.tensor("memory_before");
  const [classes, , channels] = before.shape;
  const own = updates.reduce(definition, before);
  const tolerance = item.expected.get("memory_after") ?? TOLERANCE;
  const data = Float32Array.from(own.data);
  if (item.expected.has("memory_after")) {
    const [official, again] = ["memory_after", "memory_after_float32"].map((name) => item.tensor(name).data);
    const rowSize = before.data.length / classes;
    const mistaken = new Set(outside.map((label) => ((label % classes) + classes) % classes));
    for (let start = 0; start < data.length; start += channels) {
      if (mistaken.has(Math.floor(start / rowSize))) continue;
      const [row, other] = [official, again].map((values) => values.slice(start, start + channels));
      if (row.every((value, c) => Math.abs(value - other[c]) <= tolerance[1])) data.set(row, start);
    }
  }
  return { results, expected: new Map([["memory_after", { want: { shape: before.shape, data }, tolerance }]]), rule };
}

/** One update in f64; a label that no class has is an ignored one. */
function definition(memory: HostArray, { features, labels, options }: Update): HostArray {
  const [classes] = memory.shape;
  const { ignoreIndex } = options;
  const known = labels.data.map((label: number) => (label >= 0 && label < classes ? label : ignoreIndex));
  const { shape, data } = channelsLast.into(features);
  const arrays = [memory, { shape, data }, { shape: labels.shape, data: known }] as const;
  const [m, f, l] = arrays.map((array) => ndarray(array.shape, array.data));
  return { shape: memory.shape, data: Float32Array.from(updateReference(m, f, l, options).data) };
}

function labelsOutside(item: FixtureCase, updates: readonly Update[]): number[] {
  const [classes] = item.tensor("memory_before").shape;
  return updates.flatMap(({ labels, options: { ignoreIndex } }) =>
    Array.from(labels.data).filter((label) => label !== ignoreIndex && (label < 0 || label >= classes)),
  );
}
