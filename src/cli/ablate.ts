/** `npm run ablate`: what each part of MCIBI is worth, by training with and without it at the same seeds and budget. */
import { join } from "node:path";
import { DEFAULT_PRESET, PRESET_SUMMARY, preset } from "../config/presets.ts";
import { setFieldFromOption } from "../config/set.ts";
import { requireLabels } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { requireWritable } from "../io/files.node.ts";
import { LADDER_FIELDS, RUNGS, planLadder, stateOf } from "../train/ablation.ts";
import type { AblationRun, RunState } from "../train/ablation.ts";
import { LadderProgress, climb } from "../train/ladder.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { OUTPUT_OPTIONS, outputOptions, parseOptions, wholeNumber } from "./options.ts";
import type { Values } from "./options.ts";
import { stopOnSignals } from "./signals.ts";

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
    ...OUTPUT_OPTIONS,
  },
  notes:
    "Runs are kept under OUT/HOST/RUNG/seed-N. The same command again goes on where it was stopped or killed: what\n" +
    "is finished is not repeated. OUT/ablation.json and OUT/ablation.md are written anew after every run.\n" +
    "Scores are those of the last checkpoint. Where losses.memory.weight is 0, consistent learning has weight 1.\n" +
    "The first Ctrl-C saves and ends, the second one ends at once.",
} as const;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const output = new LadderProgress(process.stdout, outputOptions(options));
  const variants = parseVariants(options.variant);
  const { runs, out } = planFrom(options);
  await requireWritable(out, "folder");
  const states = new Map<AblationRun, RunState>();
  for (const run of runs) states.set(run, await stateOf(run, variants));
  const device = await openForCommand({ adapter: options.adapter, profile: false, variants });
  try {
    const { dataset, root, trainSplit, evalSplit } = runs[0].config.data;
    const [trainSet, evalSet] = await openSplits(dataset, root, [trainSplit, evalSplit], output);
    requireLabels(trainSet, "train on");
    requireLabels(evalSet, "evaluate on");
    const stop = stopOnSignals(() => output.log("stopping after this iteration; once more to end at once"));
    const { gpu, adapter, check } = device;
    output.log(adapter);
    const ladder = { runs, states, out, gpu, adapter, check, variants, trainSet, evalSet, output };
    const table = await climb({ ...ladder, signal: stop.signal });
    if (table === null) return stop.exitCode();
    output.print(`\n${table}\n\nresults in ${out}`, { out });
    return 0;
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
  const seeds = list("seeds", options.seeds ?? "0", (part) => wholeNumber("seeds", part, 0)!);
  const hosts = list("hosts", options.hosts ?? config.model.host, (part) => part);
  const out = options.out ?? join("runs", `ablation-${config.data.dataset}-${config.name}`);
  return { runs: planLadder({ config, hosts, seeds, out }), out };
}

/** The parts of a list with commas. */
function list<T>(name: string, text: string, parse: (part: string) => T): T[] {
  const parts = text.split(",").map((part) => parse(part.trim()));
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined) throw new UserError(`--${name} ${text}: ${twice} stands there twice`);
  return parts;
}

await runMain(main);
