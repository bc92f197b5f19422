/** `npm run analyze`: how well a network's representations keep the classes apart, and what its memory has learned. */
import { basename, dirname, extname, join } from "node:path";
import { analyze } from "../analysis/analysis.ts";
import type { AnalysisOptions } from "../analysis/analysis.ts";
import { PRESET_SUMMARY } from "../config/presets.ts";
import type { Config } from "../config/config.ts";
import { requireLabels } from "../data/dataset.ts";
import { DATASET_NAMES } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { analysisDrawings, analysisTables } from "../train/analysis_report.ts";
import { readWeights } from "../train/checkpoint.node.ts";
import { isCheckpoint, requireClasses } from "../train/checkpoint.ts";
import type { Weights } from "../train/checkpoint.ts";
import { showCompilation } from "../train/progress.ts";
import { REPRESENTATION, collectRepresentations } from "../train/representations.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { ADJUSTABLE, configOf, loadModel } from "./network.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions, wholeNumber } from "./options.ts";

/** What is about views and windows. */
const EVAL_FIELDS = "eval.";
const INPUT_FIELDS = ADJUSTABLE.filter((field) => field !== EVAL_FIELDS).join(", ");
const SAMPLES = 1000;
/** Characters of a path that fit below a drawing's title. */
const MOST_SHOWN = 60;

const COMMAND = {
  call: "npm run analyze --",
  summary:
    "Measures how well a checkpoint's pixel representations keep the classes apart before and after the memory adds\n" +
    "to them, how alike the memory's rows are, how certain the class weights; draws them.",
  options: {
    checkpoint: { value: "FILE", help: "A run's checkpoints/last.safetensors, or an official .pth. Required." },
    preset: { value: "NAME", help: `The network of weights from elsewhere: ${PRESET_SUMMARY}.` },
    dataset: { value: "NAME", help: `One of ${DATASET_NAMES.join(", ")}. Default: the one it was trained on.` },
    root: { value: "DIR", help: "The dataset's folder. Default: its environment variable or usual place." },
    split: { value: "NAME", help: "Whose pixels to look at. Default: what the training run evaluated on." },
    out: { value: "DIR", help: "Where the files go. Default: beside the checkpoint, its name ending in .analysis." },
    seed: { value: "N", help: "Of the sample that silhouettes and projections are of. Default: 0." },
    samples: { value: "N", help: `Pixels of that sample, shared evenly by the classes. Default: ${SAMPLES}.` },
    set: { value: "PATH=VALUE", multiple: true, help: `Changes ${INPUT_FIELDS}; of a --preset any field but eval's.` },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    verbose: { help: "Lists every tensor that does not fit, instead of summing them up." },
    ...OUTPUT_OPTIONS,
  },
  notes: `Writes analysis.json, separation.svg, projection.svg; of a network with memory memory-cosine.svg, entropy.svg.

R are the pixel representations, C_bi what the memory adds to them after attention, R_aug what the decoder sees; of the
networks without memory R (of the toolbox's networks the backbone's last map) and what the decoder sees, where that is
something else. within and between: traces of the scatter matrices; ratio: between / within; balanced: the ratio with
all classes counting alike. Time and memory of silhouettes and t-SNE grow with the square of --samples.`,
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  const { checkpoint: path } = options;
  if (path === undefined) throw new UserError("--checkpoint FILE is missing; see --help");
  const output = openOutput(options);
  const seed = wholeNumber("seed", options.seed, 0, 2 ** 32 - 1) ?? 0;
  const samples = wholeNumber("samples", options.samples, 2) ?? SAMPLES;
  const ignored = options.set.find((field) => field.startsWith(EVAL_FIELDS));
  if (ignored !== undefined) throw new UserError(`--set ${ignored}: an analysis sees every image once, as a whole`);
  const variants = parseVariants(options.variant);
  const out = options.out ?? join(dirname(path), `${basename(path, extname(path))}.analysis`);
  await requireWritable(out, "folder");
  const checkpoint = await readWeights(path);
  const config = configOf(checkpoint, options.preset, options.set);
  const memory = memoryOf(checkpoint, config);
  const device = await openForCommand({ adapter: options.adapter, profile: false, variants });
  try {
    const { gpu, check } = device;
    const name = options.dataset ?? (isCheckpoint(checkpoint) ? checkpoint.subject.dataset : config.data.dataset);
    const [dataset] = await openSplits(name, options.root ?? "", [options.split ?? config.data.evalSplit], output);
    requireClasses(checkpoint, dataset.spec);
    requireLabels(dataset, "tell the classes by");
    const { spec, split, items } = dataset;
    const { numClasses, classNames } = spec;
    output.log(`${device.adapter}\n${items.length} images of ${name} ${split}, checkpoint ${checkpoint.path}`);
    showCompilation(gpu, output);
    const model = loadModel(gpu, { config, checkpoint, numClasses, verbose: options.verbose });
    const samplesPerClass = Math.max(2, Math.floor(samples / numClasses));
    const meter = await collectRepresentations(gpu, {
      ...{ model, dataset, config, samplesPerClass, seed },
      onProgress: output.task("collecting representations", "images"),
    });
    check();
    const analysis = analyze(meter, {
      ...{ memory, memoryLevel: REPRESENTATION, numClasses, seed },
      onLevel: (level) => output.show(`silhouettes and projections of ${level}`),
    });
    const notes = notesOn(config, memory, analysis.levels[0].scatter.classes.map(({ count }) => count), classNames);
    const shownPath = path.length > MOST_SHOWN ? `...${path.slice(3 - MOST_SHOWN)}` : path;
    const subject = `${shownPath}, ${name} ${split}, ${items.length} images, ${config.model.host} host`;
    const facts = { checkpoint: path, dataset: name, split, images: items.length, adapter: device.adapter };
    const json = { ...facts, seed, samplesPerClass, classNames, notes, ...analysis };
    await writeFileAtomic(join(out, "analysis.json"), `${JSON.stringify(json)}\n`);
    for (const [file, svg] of analysisDrawings(analysis, spec, subject)) await writeFileAtomic(join(out, file), svg);
    const tables = analysisTables(analysis, spec, notes);
    output.print(`\n${tables}\n\ndrawings and analysis.json in ${out}`, { ...facts, out });
  } finally {
    device.close();
  }
}

/** M, of a network that has one. */
function memoryOf({ state }: Weights, { model, memory }: Config): AnalysisOptions["memory"] {
  const stored = state.get("memory_module.memory");
  if (model.segmentor !== "mcibi" || !memory.enabled || stored?.shape.length !== 3) return null;
  const [classes, slotsPerClass, channels] = stored.shape;
  const rows = { count: classes * slotsPerClass, channels, data: Float64Array.from(stored.data, Number) };
  return { rows, slotsPerClass };
}

/** What the figures leave out, and what has to be known to read them. */
function notesOn(
  { model, memory: { hardAggregate } }: Config,
  memory: AnalysisOptions["memory"],
  counts: readonly number[],
  classNames: readonly string[],
): string[] {
  const absent = classNames.filter((_, k) => counts[k] === 0);
  const { segmentor } = model;
  const notes: readonly (readonly [applies: boolean, note: string])[] = [
    [!memory, "this network has no memory: no C_bi, no cosines, no entropy of W"],
    [segmentor !== "mcibi", `${segmentor} has no R either: the vectors are its backbone's last map`],
    [memory !== null && hardAggregate, "the memory is mixed by the most likely class: the entropy is that of W before"],
    [absent.length > 0, `no labelled cell is of ${absent.join(", ")}`],
    [classNames.length - absent.length < 2, "silhouettes and a ratio need two classes with cells"],
  ];
  return notes.flatMap(([applies, note]) => (applies ? [note] : []));
}

await runMain(main);
