/** `npm run train`: trains MCIBI, evaluates it and prints the scores of every class. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { preset, PRESET_SUMMARY, DEFAULT_PRESET } from "../config/presets.ts";
import { setFieldFromOption } from "../config/set.ts";
import { validateConfig } from "../config/validate.ts";
import type { Config } from "../config/config.ts";
import { requireLabels } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { readCheckpoint, readWeights } from "../train/checkpoint.node.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { scores } from "../train/metrics.ts";
import { printProfile, scoreJson, scoreTable } from "../train/report.ts";
import { REPORT } from "../train/page/write.ts";
import { runTraining } from "../train/run.ts";
import type { StartingWeights } from "../train/run.ts";
import { configDifferences } from "../train/stored_config.ts";
import { RunFolder } from "../train/run_folder.ts";
import type { RunDescription } from "../train/run_folder.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions, spelled, wholeNumber } from "./options.ts";
import type { Values } from "./options.ts";
import { stopOnSignals } from "./signals.ts";

const COMMAND = {
  call: "npm run train --",
  summary: "Trains MCIBI on a dataset, evaluates it and prints the scores of every class.",
  options: {
    dataset: { value: "NAME", help: `One of ${DATASET_NAMES.join(", ")}. Default: the preset's.` },
    root: { value: "DIR", help: "The dataset's folder. Default: its environment variable or usual place." },
    split: { value: "NAME", help: "What to train on: a split of the dataset, or trainval. Default: the preset's." },
    preset: { value: "NAME", help: `${PRESET_SUMMARY}; a wrong end lists them. Default: ${DEFAULT_PRESET}.` },
    set: { value: "PATH=VALUE", multiple: true, help: "Changes one field of the preset, such as optim.lr=0.02." },
    epochs: { value: "N", help: "Short for --set train.epochs=N." },
    seed: { value: "N", help: "Short for --set train.seed=N." },
    recompute: { help: "Short for --set train.recompute=true: less memory, more time, the same bytes." },
    pretrained: { value: "FILE", help: "Starts with this backbone, .pth or safetensors, such as ImageNet's." },
    weights: { value: "FILE", help: "Starts with the weights of a whole network: a checkpoint, .pth or safetensors." },
    "reinit-classifiers": { help: "With --weights of other classes: leaves out what depends on them." },
    verbose: { help: "With these: lists every tensor that does not fit, instead of summing them up." },
    run: { value: "DIR", help: "Where the results go. Default: runs/DATASET-PRESET-TIME." },
    resume: { value: "RUN", help: "Continues the run in this folder, to the same bytes as if it had never stopped." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    profile: { help: "Measures every kernel and prints where the GPU's time went. Slows everything down." },
    ...OUTPUT_OPTIONS,
  },
  notes:
    "The first Ctrl-C (or SIGTERM) finishes the present iteration and saves, with exit code 130 (143);\n" +
    "the second one ends at once. Exit code 2: an option, a file or the data has to be put right.",
} as const;

type TrainOptions = Values<typeof COMMAND.options>;

/** What --resume takes from the run itself. */
const FIXED_ON_RESUME = [
  "dataset", "split", "preset", "set", "epochs", "seed", "recompute", "run", "variant",
  "pretrained", "weights", "reinit-classifiers", "verbose",
] as const;

interface Plan {
  readonly config: Config;
  readonly variants: Readonly<Record<string, string>>;
  readonly folder: RunFolder;
  readonly resume: Checkpoint | null;
  readonly start: StartingWeights | null;
}

async function train(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const { adapter, profile } = options;
  const output = openOutput(options);
  const plan = options.resume === undefined ? await planNew(options) : await planResumed(options.resume, options);
  const { config, variants, folder, resume, start } = plan;
  const device = await openForCommand({ adapter, profile, variants });
  try {
    const { dataset, root, trainSplit, evalSplit } = config.data;
    const [trainSet, evalSet] = await openSplits(dataset, root, [trainSplit, evalSplit], output);
    requireLabels(trainSet, "train on");
    requireLabels(evalSet, "evaluate on");
    const description: RunDescription = { config, adapter: device.adapter, variants };
    const { gpu, check } = device;
    output.log(
      [
        `${device.adapter}`,
        `${trainSet.items.length} images of ${dataset} ${trainSplit} to train on, ` +
          `${evalSet.items.length} of ${evalSplit} to evaluate on`,
        `preset ${config.name}, seed ${config.train.seed}, run folder ${folder.path}; see its ${REPORT}`,
        ...(resume ? [`continuing after iteration ${resume.progress.iteration}`] : []),
      ].join("\n"),
    );
    const stop = stopOnSignals(() => output.log("stopping after this iteration; once more to end at once"));
    const confusion = await runTraining({
      ...{ gpu, description, trainSet, evalSet, folder, resume, start, output, check },
      signal: stop.signal,
    });
    if (gpu.profile) await printProfile(output, gpu.profile);
    if (!confusion) {
      if (existsSync(folder.last)) output.log(spelled(`continue with: npm run train -- --resume ${folder.path}`));
      return stop.exitCode();
    }
    const { classNames } = evalSet.spec;
    const result = { run: folder.path, scores: scoreJson(classNames, scores(confusion)) };
    const where = `results in ${folder.path}, to look at in ${REPORT} there`;
    output.print(`\n${scoreTable(classNames, confusion)}\n\n${where}`, result);
    return 0;
  } finally {
    device.close();
  }
}

async function planNew(options: TrainOptions): Promise<Plan> {
  const config = preset(options.preset);
  if (options.dataset !== undefined) config.data.dataset = options.dataset;
  if (options.root !== undefined) config.data.root = options.root;
  if (options.split !== undefined) config.data.trainSplit = options.split;
  config.train.epochs = wholeNumber("epochs", options.epochs, 1) ?? config.train.epochs;
  config.train.seed = wholeNumber("seed", options.seed, 0) ?? config.train.seed;
  if (options.recompute) config.train.recompute = true;
  for (const field of options.set) setFieldFromOption(config, field);
  validateConfig(config);
  const folder = new RunFolder(options.run ?? defaultFolder(config));
  await folder.requireEmpty();
  const start = await startingWeights(options);
  return { config, variants: parseVariants(options.variant), folder, resume: null, start };
}

async function startingWeights(options: TrainOptions): Promise<StartingWeights | null> {
  const { pretrained, weights, verbose } = options;
  const reinitializes = options["reinit-classifiers"];
  const mostListed = verbose ? Infinity : undefined;
  if (pretrained !== undefined && weights !== undefined) {
    throw new UserError("--pretrained and --weights exclude each other: the weights of a network have its backbone");
  }
  if (reinitializes && weights === undefined) throw new UserError("--reinit-classifiers goes with --weights only");
  if (verbose && pretrained === undefined && weights === undefined) {
    throw new UserError("--verbose goes with --pretrained and --weights only");
  }
  if (pretrained !== undefined) return { weights: await readWeights(pretrained), part: "backbone", mostListed };
  if (weights === undefined) return null;
  const part = reinitializes ? "without classifiers" : "network";
  return { weights: await readWeights(weights), part, mostListed };
}

async function planResumed(run: string, options: TrainOptions): Promise<Plan> {
  const given = FIXED_ON_RESUME.find((name) => {
    const value = options[name];
    return value === true || typeof value === "string" || (Array.isArray(value) && value.length > 0);
  });
  if (given) throw new UserError(`--${given} cannot go with --resume: a run continues with the settings it began with`);
  const folder = new RunFolder(run);
  const { config, variants } = await folder.describe();
  const resume = await readCheckpoint(folder.last);
  const differences = configDifferences(resume.config, config, ["the checkpoint", "config.json"]);
  if (differences.length > 0) {
    throw new UserError(`checkpoint ${folder.last} is not from the run in ${run}: ${differences.join("; ")}`);
  }
  if (options.root !== undefined) config.data.root = options.root;
  return { config, variants, folder, resume, start: null };
}

/** runs/DATASET-PRESET-TIME, the time being local and to the second. */
function defaultFolder({ name, data }: Config): string {
  const now = new Date();
  const two = (n: number): string => String(n).padStart(2, "0");
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join("");
  const time = [now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join("");
  return join("runs", `${data.dataset}-${name}-${date}-${time}`);
}

await runMain(train);
