/**
 * The ladder of MCIBI's parts: the same network with one thing more, or another one, on every rung, each trained with
 * the same seeds, data order and budget. Layers that two rungs share begin with the same values.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { changed } from "../config/changes.ts";
import type { Changes } from "../config/changes.ts";
import type { Config } from "../config/config.ts";
import { validateConfig } from "../config/validate.ts";
import { UserError } from "../errors.ts";
import { readFileBytes } from "../io/files.node.ts";
import { readCheckpoint } from "./checkpoint.node.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { RunFolder } from "./run_folder.ts";
import type { RunDescription } from "./run_folder.ts";
import { configDifferences } from "./stored_config.ts";

export interface Rung {
  /** Names its folder. */
  readonly id: string;
  readonly label: string;
  readonly changes: Changes;
}

const soft = (strategy: Config["memory"]["strategy"]): Changes["memory"] => {
  return { enabled: true, strategy, hardAggregate: false };
};
const withoutLoss = { memory: { weight: 0 } };

/** The first one is what the others are compared with. */
export const RUNGS: readonly Rung[] = [
  { id: "baseline", label: "no memory", changes: { memory: { enabled: false }, losses: withoutLoss } },
  { id: "mean", label: "memory, mean", changes: { memory: soft("mean"), losses: withoutLoss } },
  { id: "cosine", label: "memory, cosine", changes: { memory: soft("cosine_similarity"), losses: withoutLoss } },
  { id: "consistent", label: "cosine + consistent learning", changes: { memory: soft("cosine_similarity") } },
  {
    id: "hard",
    label: "the same, hard aggregation",
    changes: { memory: { ...soft("cosine_similarity"), hardAggregate: true } },
  },
];

/** What the ladder itself decides. */
export const LADDER_FIELDS = [
  "memory.enabled", "memory.strategy", "memory.hardAggregate", "model.segmentor", "model.host", "train.seed",
] as const;

/** One training run. */
export interface AblationRun {
  readonly host: Config["model"]["host"];
  readonly rung: Rung;
  readonly seed: number;
  readonly config: Config;
  readonly folder: RunFolder;
}

export interface LadderOptions {
  /** The last rungs; their memory loss has weight 1 where this one has none. */
  readonly config: Config;
  readonly hosts: readonly string[];
  readonly seeds: readonly number[];
  readonly out: string;
}

/**
 * Every run: seed by seed, so that all rungs can be compared as soon as possible.
 *
 * @throws UserError for a configuration without memory, or one whose rungs would not differ
 */
export function planLadder({ config, hosts, seeds, out }: LadderOptions): AblationRun[] {
  const { segmentor } = config.model;
  if (segmentor !== "mcibi") {
    throw new UserError(`preset ${config.name} is of a network without memory (${segmentor}): choose one of MCIBI`);
  }
  const { weight, startEpoch } = config.losses.memory;
  if (startEpoch > config.train.epochs) {
    throw new UserError(
      `losses.memory.startEpoch is ${startEpoch}, but there are ${config.train.epochs} epochs: consistent learning ` +
        "would never begin; raise --epochs, or --set losses.memory.startEpoch=1",
    );
  }
  const whole = changed(config, { losses: { memory: { weight: weight || 1 } } });
  return seeds.flatMap((seed) =>
    hosts.flatMap((name) =>
      RUNGS.map((rung) => {
        const host = name as AblationRun["host"]; // validateConfig tells
        const own = changed(whole, rung.changes, { model: { host }, train: { seed } });
        validateConfig(own);
        return { host, rung, seed, config: own, folder: new RunFolder(join(out, host, rung.id, `seed-${seed}`)) };
      }),
    ),
  );
}

/** What is read of a run's result.json; NaN is null there. */
export interface RunResult {
  readonly images: number;
  readonly adapter: string;
  readonly iterations: number;
  readonly scores: {
    readonly meanIou: number | null;
    readonly pixelAccuracy: number | null;
    readonly meanAccuracy: number | null;
    readonly iou: Readonly<Record<string, number | null>>;
  };
}

/** `new` has nothing to continue from, `stopped` has a checkpoint. */
export type RunState = "new" | "stopped" | RunResult;

/**
 * How far a run has come.
 *
 * @throws UserError when the folder holds a run of other settings, or a file there is damaged
 */
export async function stateOf(run: AblationRun, variants: RunDescription["variants"]): Promise<RunState> {
  const { config, folder } = run;
  if (!existsSync(join(folder.path, "config.json"))) return "new";
  const found = await folder.describe();
  const differences = configDifferences(found.config, config, ["that run", "this ladder"]);
  if (JSON.stringify(found.variants) !== JSON.stringify(variants)) differences.push("--variant differs");
  if (differences.length > 0) {
    throw new UserError(
      `${folder.path} holds a run of other settings: ${differences.join("; ")}. Give the ladder another --out`,
    );
  }
  const path = join(folder.path, "result.json");
  if (existsSync(path)) return parseResult(path);
  return existsSync(folder.last) ? "stopped" : "new";
}

async function parseResult(path: string): Promise<RunResult> {
  const text = new TextDecoder().decode(await readFileBytes(path, "result"));
  try {
    const result = JSON.parse(text) as RunResult;
    if (result.scores.iou) return result;
  } catch {
    // as below
  }
  throw new UserError(`${path} is damaged: remove it, and that run is scored anew`);
}

/**
 * Where a stopped run goes on.
 *
 * @throws UserError when it cannot be read, or is of other settings than the folder
 */
export async function checkpointOf({ config, folder }: AblationRun): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(folder.last);
  const differences = configDifferences(checkpoint.config, config, ["the checkpoint", "this ladder"]);
  if (differences.length === 0) return checkpoint;
  throw new UserError(`checkpoint ${folder.last} is not from the run in ${folder.path}: ${differences.join("; ")}`);
}
