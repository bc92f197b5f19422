/** `npm run ablate`: what each part of MCIBI is worth, by training the ladder of them with the same seeds and budget. */
import { join } from "node:path";
import { DEFAULT_PRESET, PRESET_SUMMARY, preset } from "../config/presets.ts";
import { setFieldFromOption } from "../config/set.ts";
import { requireLabels } from "../data/dataset.ts";
import type { Dataset } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { LADDER_FIELDS, RUNGS, checkpointOf, planLadder, stateOf } from "../train/ablation.ts";
import type { AblationRun, RunState } from "../train/ablation.ts";
import { ladderMarkdown, ladderReport, ladderTable } from "../train/ablation_report.ts";
import { ProgressLine, duration } from "../train/progress.ts";
import { runTraining } from "../train/run.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import type { CommandDevice } from "./device.ts";
import { runMain } from "./main.ts";
import { parseOptions, wholeNumber } from "./options.ts";
import type { Values } from "./options.ts";
import { stopOnSignals } from "./signals.ts";
import type { Stop } from "./signals.ts";

const COMMAND = {
  call: "npm run ablate --",
  summary:
    "Trains and scores the ladder of MCIBI's parts, each rung with the same seeds and budget, and prints one table:\n" +
    `${RUNGS.map(({ label }) => label).join("; ")}.`,
  options: {
    dataset: { value: "NAME", help: `One of ${DATASET_NAMES.join(", ")}. Default: the preset's.` },
    root: { value: "DIR", help: "The dataset's folder. Default: its environment variable or usual place." },
    split: { value: "NAME", help: "What to train on. Default: the preset's. To score on: --set data.evalSplit=NAME." },
    preset: { value: "NAME", help: `${PRESET_SUMMARY}. Default: ${DEFAULT_PRESET}.` },
    seeds: { value: "LIST", help: "Such as 0,1,2: every rung is trained with each. Default: 0." },
    hosts: { value: "LIST", help: "Such as fcn,ppm,aspp: a ladder for each. Default: the preset's host." },
    epochs: { value: "N", help: "Of every run. Default: the preset's." },
    set: { value: "PATH=VALUE", multiple: true, help: "Changes one field of the preset on all rungs." },
    out: { value: "DIR", help: "Where runs and tables go. Default: runs/ablation-DATASET-PRESET." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
  },
  notes:
    "Runs are kept under OUT/HOST/RUNG/seed-N. The same command again goes on where it was stopped or killed: what is\n" +
    "finished is not repeated. OUT/ablation.json and OUT/ablation.md are written anew after every run.\n" +
    "Scores are those of the last checkpoint. The first Ctrl-C saves and ends, the second one ends at once.",
} as const;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const variants = parseVariants(options.variant);
  const { runs, out } = planFrom(options);
  const states = new Map<AblationRun, RunState>();
  for (const run of runs) states.set(run, await stateOf(run, variants));
  const device = await openForCommand({ adapter: options.adapter, profile: false, variants });
  try {
    const output = new LadderProgress();
    const { dataset, root, trainSplit, evalSplit } = runs[0].config.data;
    const [trainSet, evalSet] = await openSplits(dataset, root, [trainSplit, evalSplit], output);
    requireLabels(trainSet, "train on");
    requireLabels(evalSet, "evaluate on");
    const stop = stopOnSignals(() => output.log("stopping after this iteration; once more to end at once"));
    return await climb({ runs, states, out, device, variants, trainSet, evalSet, output, stop });
  } finally {
    device.close();
  }
}

function planFrom(options: Values<typeof COMMAND.options>): { runs: AblationRun[]; out: string } {
  const config = preset(options.preset);
  if (options.dataset !== undefined) config.data.dataset = options.dataset;
  if (options.root !== undefined) config.data.root = options.root;
  if (options.split !== undefined) config.data.trainSplit = options.split;
  config.train.epochs = wholeNumber("epochs", options.epochs, 1) ?? config.train.epochs;
  for (const field of options.set) {
    if (LADDER_FIELDS.some((path) => field.startsWith(`${path}=`))) {
      throw new UserError(`--set ${field}: this is what the runs of the ladder differ in; see --hosts and --seeds`);
    }
    setFieldFromOption(config, field);
  }
  const seeds = list("seeds", options.seeds ?? "0").map((seed) => wholeNumber("seeds", seed, 0)!);
  const hosts = list("hosts", options.hosts ?? config.model.host);
  const out = options.out ?? join("runs", `ablation-${config.data.dataset}-${config.name}`);
  return { runs: planLadder({ config, hosts, seeds, out }), out };
}

/** The parts of a list with commas. */
function list(name: string, text: string): string[] {
  const parts = text.split(",").map((part) => part.trim());
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined) throw new UserError(`--${name} ${text}: ${twice || "an empty entry"} stands there twice`);
  return parts;
}

interface Ladder {
  readonly runs: readonly AblationRun[];
  readonly states: Map<AblationRun, RunState>;
  readonly out: string;
  readonly device: CommandDevice;
  readonly variants: Readonly<Record<string, string>>;
  readonly trainSet: Dataset;
  readonly evalSet: Dataset;
  readonly output: LadderProgress;
  readonly stop: Stop;
}

/** Does what is not done yet; returns the exit code. */
async function climb(ladder: Ladder): Promise<number> {
  const { runs, states, out, device, variants, output, stop } = ladder;
  const left = runs.filter((run) => typeof states.get(run) === "string");
  output.log(`${device.adapter}\n${runs.length - left.length} of ${runs.length} runs are finished in ${out}`);
  let table = await writeReport(ladder);
  for (const [i, run] of left.entries()) {
    const place = `run ${runs.length - left.length + i + 1}/${runs.length}`;
    output.log(`${place}: ${run.host}, ${run.rung.label}, seed ${run.seed}`);
    output.begin(place, left.length - i - 1);
    if (!(await trainOne(ladder, run))) return stop.exitCode();
    output.end(states.get(run) === "new");
    states.set(run, await stateOf(run, variants));
    table = await writeReport(ladder);
  }
  output.clear();
  output.log(`\n${table}\n\nresults in ${out}`);
  return 0;
}

/** False when a signal stopped it. */
async function trainOne({ states, device, variants, ...ladder }: Ladder, run: AblationRun): Promise<boolean> {
  const { config, folder } = run;
  const { gpu, check, adapter } = device;
  const { trainSet, evalSet, output } = ladder;
  const resume = states.get(run) === "stopped" ? await checkpointOf(run) : null;
  if (!resume) await folder.discard();
  try {
    const confusion = await runTraining({
      ...{ gpu, check, trainSet, evalSet, folder, resume, output },
      description: { config, adapter, variants },
      start: null,
      signal: ladder.stop.signal,
      onSecondsLeft: (seconds) => output.expect(seconds),
    });
    return confusion !== null;
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(`${run.host}, ${run.rung.label}, seed ${run.seed}: ${cause.message}`, { cause });
  }
}

/** Writes what is known so far; returns the table. */
async function writeReport({ runs, states, out, evalSet }: Ladder): Promise<string> {
  const known = [...states].flatMap(([run, state]) => (typeof state === "string" ? [] : [[run, state] as const]));
  const report = ladderReport(runs, new Map(known), evalSet.spec.classNames);
  await writeFileAtomic(join(out, "ablation.json"), `${JSON.stringify(report, null, 2)}\n`);
  await writeFileAtomic(join(out, "ablation.md"), ladderMarkdown(report));
  return ladderTable(report);
}

/** Says with every progress line which run it is of, and how long all of them will take. */
class LadderProgress extends ProgressLine {
  #place = "";
  #runsAfter = 0;
  #started = 0;
  /** Of the present run; NaN as long as nothing is known. */
  #secondsLeft = NaN;
  /** That whole runs took. */
  readonly #durations: number[] = [];

  begin(place: string, runsAfter: number): void {
    this.#place = place;
    this.#runsAfter = runsAfter;
    this.#started = performance.now();
    this.#secondsLeft = NaN;
  }

  /** @param isWhole whether the run was begun by `begin`, not continued */
  end(isWhole: boolean): void {
    if (isWhole) this.#durations.push((performance.now() - this.#started) / 1000);
    this.#place = "";
  }

  expect(secondsLeft: number): void {
    this.#secondsLeft = secondsLeft;
  }

  override show(text: string): void {
    super.show(this.#place === "" ? text : `${this.#place}, all done in ${this.#total()} | ${text}`);
  }

  #total(): string {
    const past = (performance.now() - this.#started) / 1000;
    const sum = this.#durations.reduce((all, seconds) => all + seconds, 0);
    const perRun = this.#durations.length > 0 ? sum / this.#durations.length : past + this.#secondsLeft;
    const total = this.#secondsLeft + this.#runsAfter * perRun;
    return Number.isFinite(total) ? duration(total) : "...";
  }
}

await runMain(main);
