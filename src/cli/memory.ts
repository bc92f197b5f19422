/** `npm run memory`: a memory of a trained network's representations, for another run to start with. */
import { DATASET_NAMES } from "../data/open.ts";
import { requireLabels } from "../data/dataset.ts";
import { createLoader } from "../data/loader.ts";
import { UserError } from "../errors.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { Mcibi } from "../models/mcibi.ts";
import { PRESET_SUMMARY } from "../config/presets.ts";
import { isCheckpoint, requireClasses } from "../train/checkpoint.ts";
import { readWeights } from "../train/checkpoint.node.ts";
import { serializeMemory } from "../train/memory_file.ts";
import { MEMORY_METHODS, MOST_PER_CLASS, collectMemory, describeRows } from "../train/memory_init.ts";
import type { MemoryMethod } from "../train/memory_init.ts";
import { duration, showCompilation } from "../train/progress.ts";
import { loaderOptions } from "../train/loader_options.ts";
import { openSplits } from "./datasets.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { ADJUSTABLE, configOf, loadModel } from "./network.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions, wholeNumber } from "./options.ts";
import { stopOnSignals } from "./signals.ts";

const COMMAND = {
  call: "npm run memory --",
  summary: "Makes a memory of what a network says of the training images of a dataset, for a run to start with.",
  options: {
    checkpoint: { value: "FILE", help: "A run's checkpoints/best.safetensors, or an official .pth. Required." },
    preset: { value: "NAME", help: `The network of weights from elsewhere: ${PRESET_SUMMARY}.` },
    out: { value: "FILE", help: "The memory, ending in .safetensors. Required." },
    method: {
      value: "NAME",
      help:
        "kmeans: per class, centres of the mean representations that its images have of it; random-pixel: the " +
        "representation of a random pixel of the class. Default: kmeans.",
    },
    slots: { value: "N", help: "Of every class (memory.featsPerClass of the run to be). Default: the network's." },
    images: { value: "N", help: `That kmeans remembers per class, at most. Default: ${MOST_PER_CLASS}.` },
    dataset: { value: "NAME", help: `One of ${DATASET_NAMES.join(", ")}. Default: the one it was trained on.` },
    root: { value: "DIR", help: "The dataset's folder. Default: its environment variable or usual place." },
    split: { value: "NAME", help: "Whose images. Default: what it was trained on." },
    seed: { value: "N", help: "Of augmentation and choice. Default: the run's." },
    set: { value: "PATH=VALUE", multiple: true, help: `Changes ${ADJUSTABLE.join(", ")}; of a --preset any field.` },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    verbose: { help: "Lists every tensor that does not fit, instead of summing them up." },
    ...OUTPUT_OPTIONS,
  },
  notes: `The images pass by once, as in an epoch of training. The same seed on the same adapter gives the same bytes.
Start a run with the memory: npm run train -- --set memory.init=FILE`,
} as const;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  if (options.checkpoint === undefined) throw new UserError("--checkpoint FILE is missing; see --help");
  const { out } = options;
  if (!out?.endsWith(".safetensors")) throw new UserError(`--out is ${out ?? "missing"}, expected FILE.safetensors`);
  await requireWritable(out, "file");
  const method = parseMethod(options.method ?? "kmeans");
  const mostPerClass = wholeNumber("images", options.images, 1);
  if (mostPerClass !== undefined && method !== "kmeans") throw new UserError("--images goes with --method kmeans only");
  const variants = parseVariants(options.variant);
  const checkpoint = await readWeights(options.checkpoint);
  const config = configOf(checkpoint, options.preset, options.set);
  config.train.seed = wholeNumber("seed", options.seed, 0, 2 ** 32 - 1) ?? config.train.seed;
  const { seed } = config.train;
  const slots = wholeNumber("slots", options.slots, 1) ?? config.memory.featsPerClass;
  if (config.model.segmentor !== "mcibi") {
    throw new UserError(`the network of ${checkpoint.path} is ${config.model.segmentor}, which has no representations`);
  }
  const output = openOutput(options);
  const device = await openForCommand({ adapter: options.adapter, profile: false, variants });
  try {
    const { gpu, check } = device;
    const name = options.dataset ?? (isCheckpoint(checkpoint) ? checkpoint.subject.dataset : config.data.dataset);
    const [dataset] = await openSplits(name, options.root ?? "", [options.split ?? config.data.trainSplit], output);
    const { spec, split, items } = dataset;
    requireClasses(checkpoint, spec);
    requireLabels(dataset, "tell classes apart by");
    output.log(`${device.adapter}\n${items.length} images of ${name} ${split}, checkpoint ${checkpoint.path}`);
    const stop = stopOnSignals(() => output.log("stopping; nothing is written"));
    const begun = performance.now();
    showCompilation(gpu, output);
    const { numClasses } = spec;
    const model = loadModel(gpu, { config, checkpoint, numClasses, verbose: options.verbose }).train();
    if (!(model instanceof Mcibi)) throw new Error("the segmentor mcibi has built another network");
    const loader = createLoader(dataset, loaderOptions(config));
    try {
      const { crop } = config.data;
      const values = await collectMemory(gpu, {
        ...{ model, loader, crop, spec, method, slots, seed, mostPerClass, signal: stop.signal },
        onProgress: output.task("collecting representations", "batches"),
      });
      check();
      if (!values) return stop.exitCode();
      const shape = [numClasses, slots, model.featsChannels];
      await writeFileAtomic(out, serializeMemory({ shape, values }, spec, { method, split, seed }));
      const took = duration((performance.now() - begun) / 1000);
      output.print(`${out}: ${describeRows(values, shape, spec)} (${took})`, { out, shape, method });
      return 0;
    } finally {
      await loader.close();
    }
  } finally {
    device.close();
  }
}

function parseMethod(name: string): MemoryMethod {
  const method = MEMORY_METHODS.find((known) => known === name);
  if (!method) throw new UserError(`--method is "${name}", expected ${MEMORY_METHODS.join(" or ")}`);
  return method;
}

await runMain(main);
