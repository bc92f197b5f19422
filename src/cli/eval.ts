/**
 * `npm run eval`: scores a checkpoint on a dataset, saves predictions. A checkpoint of `npm run train` says which
 * network it is of; for weights from elsewhere a preset does.
 */
import { join } from "node:path";
import { buildModel } from "../config/model.ts";
import { PRESET_NAMES, preset } from "../config/presets.ts";
import { setFieldFromOption } from "../config/set.ts";
import { validateConfig } from "../config/validate.ts";
import type { Config } from "../config/config.ts";
import { requireLabels } from "../data/dataset.ts";
import type { Dataset } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { RandomState } from "../nn/random_state.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { isCheckpoint, loadWeights, requireClasses } from "../train/checkpoint.ts";
import { readWeights } from "../train/checkpoint.node.ts";
import type { Weights } from "../train/checkpoint.ts";
import { evaluate } from "../train/evaluate.ts";
import { scores } from "../train/metrics.ts";
import type { Confusion } from "../train/metrics.ts";
import { panelPng } from "../train/panels.ts";
import { PREDICTION_FORMATS, predictionWriter } from "../train/predictions.ts";
import type { PredictionFormat } from "../train/predictions.ts";
import { ProgressLine, duration, showCompilation } from "../train/progress.ts";
import { profileTable, scoreJson, scoreLine, scoreTable } from "../train/report.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { parseOptions, wholeNumber } from "./options.ts";

/** Fields of the configuration that change how a network is scored, and not which network it is. */
const ADJUSTABLE = ["eval.", "data.size", "data.keepRatio", "data.workers"] as const;

const COMMAND = {
  call: "npm run eval --",
  summary: "Scores a checkpoint on a dataset, prints the scores of every class, saves predictions.",
  options: {
    checkpoint: { value: "FILE", help: "A run's checkpoints/best.safetensors, or an official .pth. Required." },
    preset: { value: "NAME", help: `The network of weights from elsewhere, one of ${PRESET_NAMES.join(", ")}.` },
    dataset: { value: "NAME", help: `One of ${DATASET_NAMES.join(", ")}. Default: the one it was trained on.` },
    root: { value: "DIR", help: "The dataset's folder. Default: its environment variable or usual place." },
    split: { value: "NAME", help: "What to score on. Default: what the training run evaluated on." },
    set: { value: "PATH=VALUE", multiple: true, help: `Changes ${ADJUSTABLE.join(", ")}; of a --preset any field.` },
    json: { value: "FILE", help: "Also writes the scores and the confusion matrix into this file." },
    save: { value: "DIR", help: "Writes every prediction into this folder: palette PNG, named as its image." },
    format: {
      value: "NAME",
      help:
        `What their pixels are, ${PREDICTION_FORMATS.join(" or ")}: train ids, or the label ids of the Cityscapes ` +
        "server. Default: the latter where the dataset has them.",
    },
    panels: { value: "N", help: "Saves N predictions as images: image, truth and prediction side by side." },
    "panels-to": { value: "DIR", help: "Where those go. Default: panels." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    profile: { help: "Measures every kernel and prints where the GPU's time went." },
    verbose: { help: "Lists every tensor that does not fit, instead of summing them up." },
  },
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  const { adapter, profile } = options;
  if (options.checkpoint === undefined) throw new UserError("--checkpoint FILE is missing; see --help");
  const panels = wholeNumber("panels", options.panels, 0) ?? 0;
  const format = parseFormat(options);
  const variants = parseVariants(options.variant);
  const checkpoint = await readWeights(options.checkpoint);
  const config = configOf(checkpoint, options.preset, options.set);
  const device = await openForCommand({ adapter, profile, variants });
  try {
    const { gpu, check } = device;
    const output = new ProgressLine();
    const name = options.dataset ?? (isCheckpoint(checkpoint) ? checkpoint.subject.dataset : config.data.dataset);
    const [dataset] = await openSplits(name, options.root ?? "", [options.split ?? config.data.evalSplit], output);
    requireClasses(checkpoint, dataset.spec);
    const { items, spec, split, isLabelled } = dataset;
    const onPrediction = options.save === undefined ? undefined : predictionWriter(options.save, dataset, format);
    if (!onPrediction) requireLabels(dataset, "score against; --save DIR writes the predictions");
    if (options.json !== undefined) requireLabels(dataset, "score against, so leave out --json");
    output.log(`${device.adapter}\n${items.length} images of ${name} ${split}, checkpoint ${checkpoint.path}`);
    const begun = performance.now();
    showCompilation(gpu, output);
    const model = loadModel(gpu, { config, checkpoint, numClasses: spec.numClasses, verbose: options.verbose });
    const confusion = await evaluate(gpu, {
      ...{ model, dataset, config, panels, onPrediction },
      onPanel: ({ item, classes }) => {
        const path = join(options["panels-to"] ?? "panels", `${item.id}.png`);
        return writeFileAtomic(path, panelPng({ item, classes }, spec));
      },
      onProgress: (done, total) => output.show(`${done} of ${total} images`),
    });
    check();
    output.clear();
    if (!confusion) throw new Error("the evaluation ended without a signal to do so");
    const took = duration((performance.now() - begun) / 1000);
    const table = (): string => scoreTable(spec.classNames, confusion);
    if (isLabelled) output.log(`\n${table()}\n\n${scoreLine(scores(confusion))} (${took})`);
    if (onPrediction) output.log(`\npredictions of ${items.length} images in ${options.save} (${took})`);
    if (gpu.profile) output.log(`\n${profileTable(await gpu.profile.rows())}`);
    if (options.json !== undefined) {
      const report = toJson(checkpoint, config, dataset, confusion);
      await writeFileAtomic(options.json, `${JSON.stringify({ adapter: device.adapter, ...report }, null, 2)}\n`);
    }
  } finally {
    device.close();
  }
}

function parseFormat({ save, format }: { save?: string; format?: string }): PredictionFormat | undefined {
  if (format === undefined) return undefined;
  if (save === undefined) throw new UserError("--format goes with --save DIR");
  const found = PREDICTION_FORMATS.find((name) => name === format);
  if (!found) throw new UserError(`--format is "${format}", expected ${PREDICTION_FORMATS.join(" or ")}`);
  return found;
}

/** The checkpoint's own configuration with some fields changed; for weights from elsewhere a preset with any. */
function configOf(checkpoint: Weights, name: string | undefined, fields: readonly string[]): Config {
  const { path } = checkpoint;
  const isOwn = isCheckpoint(checkpoint);
  if (isOwn && name !== undefined) {
    throw new UserError(`--preset ${name}: checkpoint ${path} has a configuration of its own`);
  }
  if (!isOwn && name === undefined) {
    const choices = PRESET_NAMES.join(", ");
    throw new UserError(`checkpoint ${path} does not say which network it is of: give --preset, one of ${choices}`);
  }
  const config = isOwn ? structuredClone(checkpoint.config) : preset(name);
  for (const field of fields) {
    if (isOwn && !ADJUSTABLE.some((prefix) => field.startsWith(prefix))) {
      throw new UserError(`--set ${field}: evaluation can change ${ADJUSTABLE.join(", ")} only`);
    }
    setFieldFromOption(config, field);
  }
  validateConfig(config);
  return config;
}

interface ModelOptions {
  readonly config: Config;
  readonly checkpoint: Weights;
  readonly numClasses: number;
  readonly verbose: boolean;
}

function loadModel(gpu: Gpu, { config, checkpoint, numClasses, verbose }: ModelOptions) {
  const { seed } = config.train;
  const model = buildModel(config, numClasses, new RandomState(seed)).initialize(gpu, seed);
  loadWeights(model, checkpoint, verbose ? { mostListed: Infinity } : {});
  return model.eval();
}

function toJson(checkpoint: Weights, config: Config, dataset: Dataset, confusion: Confusion) {
  const { spec, split, items } = dataset;
  const { classes, counts } = confusion;
  const iteration = isCheckpoint(checkpoint) ? checkpoint.progress.iteration : null;
  return {
    ...{ checkpoint: checkpoint.path, iteration, dataset: spec.name, split, images: items.length },
    ...{ eval: config.eval, size: config.data.size, classNames: spec.classNames },
    scores: scoreJson(spec.classNames, scores(confusion)),
    /** By [label][prediction]. */
    confusion: Array.from({ length: classes }, (_, k) => [...counts.subarray(k * classes, (k + 1) * classes)]),
  };
}

await runMain(main);
