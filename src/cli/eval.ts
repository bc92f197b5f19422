/**
 * `npm run eval`: scores a checkpoint on a dataset, saves predictions. A checkpoint of `npm run train` says which
 * network it is of; for weights from elsewhere a preset does.
 */
import { join } from "node:path";
import { PRESET_NAMES } from "../config/presets.ts";
import type { Config } from "../config/config.ts";
import { requireLabels } from "../data/dataset.ts";
import type { Dataset } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { isCheckpoint, requireClasses } from "../train/checkpoint.ts";
import { readWeights } from "../train/checkpoint.node.ts";
import type { Weights } from "../train/checkpoint.ts";
import { evaluate } from "../train/evaluate.ts";
import { rowsOf, scores } from "../train/metrics.ts";
import type { Confusion } from "../train/metrics.ts";
import { PANEL_PARTS, panelPng } from "../train/panels.ts";
import { PREDICTION_FORMATS, predictionWriter } from "../train/predictions.ts";
import type { PredictionFormat } from "../train/predictions.ts";
import { duration, showCompilation } from "../train/progress.ts";
import { printProfile, scoreJson, scoreLine, scoreTable } from "../train/report.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { ADJUSTABLE, configOf, loadModel } from "./network.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions, wholeNumber } from "./options.ts";

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
    panels: { value: "N", help: `Saves N predictions as images: ${PANEL_PARTS.join(", ")} side by side.` },
    "panels-to": { value: "DIR", help: "Where those go. Default: panels." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    profile: { help: "Measures every kernel and prints where the GPU's time went." },
    verbose: { help: "Lists every tensor that does not fit, instead of summing them up." },
    ...OUTPUT_OPTIONS,
  },
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  const { adapter, profile } = options;
  const output = openOutput(options);
  if (options.checkpoint === undefined) throw new UserError("--checkpoint FILE is missing; see --help");
  const panels = wholeNumber("panels", options.panels, 0) ?? 0;
  const format = parseFormat(options);
  const variants = parseVariants(options.variant);
  const panelsTo = options["panels-to"] ?? "panels";
  await requireWritable(options.json, "file");
  await requireWritable(options.save, "folder");
  await requireWritable(panels > 0 ? panelsTo : undefined, "folder");
  const checkpoint = await readWeights(options.checkpoint);
  const config = configOf(checkpoint, options.preset, options.set);
  const device = await openForCommand({ adapter, profile, variants });
  try {
    const { gpu, check } = device;
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
      onPanel: (panel) => {
        const path = join(panelsTo, `${panel.item.id}.png`);
        return writeFileAtomic(path, panelPng(panel, spec));
      },
      onProgress: output.task(`evaluating ${split}`, "images"),
    });
    check();
    if (!confusion) throw new Error("the evaluation ended without a signal to do so");
    const seconds = duration((performance.now() - begun) / 1000);
    const took = `${seconds}, tensors of up to ${(gpu.memory.peak / 2 ** 20).toFixed(0)} MiB`;
    if (isLabelled) {
      const report = { adapter: device.adapter, ...toJson(checkpoint, config, dataset, confusion) };
      const table = scoreTable(spec.classNames, confusion);
      output.print(`\n${table}\n\n${scoreLine(scores(confusion))} (${took})`, report);
      if (options.json !== undefined) await writeFileAtomic(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
    if (options.save !== undefined) {
      const saved = { predictions: options.save, images: items.length };
      output.print(`\npredictions of ${items.length} images in ${options.save} (${took})`, saved);
    }
    if (gpu.profile) await printProfile(output, gpu.profile);
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

function toJson(checkpoint: Weights, config: Config, dataset: Dataset, confusion: Confusion) {
  const { spec, split, items } = dataset;
  const iteration = isCheckpoint(checkpoint) ? checkpoint.progress.iteration : null;
  return {
    ...{ checkpoint: checkpoint.path, iteration, dataset: spec.name, split, images: items.length },
    ...{ eval: config.eval, size: config.data.size, classNames: spec.classNames },
    scores: scoreJson(spec.classNames, scores(confusion)),
    /** By [label][prediction]. */
    confusion: rowsOf(confusion),
  };
}

await runMain(main);
