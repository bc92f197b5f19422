/** `npm run predict`: segments pictures. */
import { fileURLToPath } from "node:url";
import { PRESET_NAMES } from "../config/presets.ts";
import { datasetLayout } from "../data/open.ts";
import { UserError } from "../errors.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { loadSharp } from "../io/image.node.ts";
import { kindFolders, pathOf, requireApart, videoPath, writePrediction } from "../predict/files.ts";
import { findImages } from "../predict/inputs.ts";
import type { Image } from "../predict/inputs.ts";
import { predictImages } from "../predict/predict.ts";
import { Summary, countOf } from "../predict/summary.ts";
import { requireFfmpeg, writeVideo } from "../predict/video.ts";
import { isCheckpoint, requireClasses } from "../train/checkpoint.ts";
import { readWeights } from "../train/checkpoint.node.ts";
import { showCompilation } from "../train/progress.ts";
import type { ProgressLine } from "../train/progress.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "./options.ts";
import type { Values } from "./options.ts";
import { stopOnSignals } from "./signals.ts";
import { ADJUSTABLE, configOf, loadModel } from "./network.ts";

const pretrained = (name: string): string => {
  return fileURLToPath(new URL(`../predict/pretrained/${name}`, import.meta.url));
};

const DEFAULT_OUT = "predictions";
const DEFAULT_OPACITY = 0.5;
/** Exit code where some of the inputs were predicted and others were not. */
const SOME_SKIPPED = 3;

const COMMAND = {
  call: "npm run predict --",
  summary: "Segments pictures: PNG and JPEG files, folders of them (at any depth), patterns such as 'frames/**/*.png'.",
  operands: "[INPUT...]",
  options: {
    checkpoint: {
      value: "FILE",
      help: "A run's checkpoints/best.safetensors, or an official .pth. Default: a small one for generated streets.",
    },
    preset: { value: "NAME", help: `The network of weights from elsewhere, one of ${PRESET_NAMES.join(", ")}.` },
    out: { value: "DIR", help: `Where the results go. Default: ${DEFAULT_OUT}.` },
    confidence: { help: "Also writes the probability of the predicted class, as gray." },
    probabilities: { help: "Also writes that of every class, and the confidence." },
    opacity: { value: "N", help: `Of the colours over the image, 0 to 1. Default: ${DEFAULT_OPACITY}.` },
    video: { value: "FPS", help: "Also makes a video of every folder's overlays, by the program ffmpeg." },
    scales: { value: "LIST", help: "Short for --set eval.scales=LIST: every image is seen at each of these scales." },
    flip: { help: "Short for --set eval.flip=true: and mirrored." },
    mode: { value: "NAME", help: "Short for --set eval.mode=NAME: whole, or slide for sliding windows." },
    window: { value: "H,W", help: "Short for --set eval.mode=slide --set eval.crop=H,W, a stride of two thirds." },
    stride: { value: "H,W", help: "Short for --set eval.stride=H,W." },
    size: { value: "H,W", help: "Short for --set data.size=H,W: what images are fitted into for the network." },
    set: { value: "PATH=VALUE", multiple: true, help: `Changes ${ADJUSTABLE.join(", ")}; of a --preset any field.` },
    json: { value: "FILE", help: "Also writes time and class shares of every image, and what was skipped." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    verbose: { help: "Lists every tensor that does not fit, instead of summing them up." },
    ...OUTPUT_OPTIONS,
  },
  notes: `Below the folder of the results, under the image's name and its folders below INPUT:
  overlay/        the classes' colours over the image
  colors/         the classes' colours with a legend
  index/          palette PNG whose pixels are the classes' numbers, as npm run eval -- --save writes them
  confidence/     --confidence: 255 times the probability of the predicted class
  probabilities/  --probabilities: the same of every class, each in a folder of its own
  video/          --video

Files appear whole or not at all and replace those of an earlier call. Without INPUT a sample is predicted.
Exit code 0: all were predicted; 3: some were skipped, the others predicted; 2: none was, or an option or a file has
to be put right; 130 (143): stopped by Ctrl-C (SIGTERM) after the images under way.`,
} as const;

type PredictOptions = Values<typeof COMMAND.options>;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const { out = DEFAULT_OUT, adapter, verbose } = options;
  const output = openOutput(options);
  const isShare = (value: number): boolean => value >= 0 && value <= 1;
  const opacity = parseNumber("opacity", options.opacity, isShare, "0 to 1") ?? DEFAULT_OPACITY;
  const rate = parseNumber("video", options.video, (value) => value > 0, "frames per second, more than 0");
  const variants = parseVariants(options.variant);
  const wanted = options.probabilities ? "probabilities" : options.confidence ? "confidence" : "classes";
  await requireWritable(out, "folder");
  await requireWritable(options.json, "file");
  await loadSharp();
  const checkpoint = await readWeights(options.checkpoint ?? pretrained("tiny.safetensors"));
  const config = configOf(checkpoint, options.preset, fieldsOf(options));
  if ((options.window ?? options.stride) !== undefined && config.eval.mode !== "slide") {
    throw new UserError("--window and --stride go with sliding windows, --mode slide");
  }
  const { spec } = datasetLayout(isCheckpoint(checkpoint) ? checkpoint.subject.dataset : config.data.dataset);
  requireClasses(checkpoint, spec);
  if (rate !== undefined) await requireFfmpeg();

  const isSample = options.operands.length === 0;
  if (isSample) output.log("no INPUT: this is a sample; see --help");
  const inputs = isSample ? [pretrained("street.png")] : options.operands;
  const { images, refused } = await findImages(inputs, kindFolders(out));
  requireApart(out, images);
  const summary = new Summary(spec.classNames, output, images.length + refused.length);
  refused.forEach((refusal) => summary.skip(refusal));
  if (images.length === 0) throw new UserError("none of the inputs can be predicted");

  const device = await openForCommand({ adapter, profile: false, variants });
  try {
    const { gpu, check } = device;
    output.log(`${device.adapter}\n${countOf(images.length)}, checkpoint ${checkpoint.path}`);
    showCompilation(gpu, output);
    const model = loadModel(gpu, { config, checkpoint, numClasses: spec.numClasses, verbose });
    const stop = stopOnSignals(() => output.log("stopping after the images under way; once more to end at once"));
    const { signal } = stop;
    await predictImages(gpu, {
      ...{ model, spec, config, images, wanted, check, signal },
      onImage: async (prediction) => {
        await writePrediction(prediction, { out, spec, opacity });
        summary.add(prediction);
      },
      onRefusal: ({ path }, reason) => summary.skip({ path, reason }),
    });
    check();
    if (rate !== undefined && !signal.aborted) await writeVideos(summary.images, { out, rate, output });
    if (options.json !== undefined) await writeFileAtomic(options.json, summary.toJson(checkpoint.path, config.eval));
    if (summary.images.length === 0 && !signal.aborted) throw new UserError("none of the inputs can be predicted");
    summary.end(out);
    if (signal.aborted) return stop.exitCode();
    return summary.skipped.length > 0 ? SOME_SKIPPED : 0;
  } finally {
    device.close();
  }
}

/** What the short options set. */
function fieldsOf({ scales, flip, mode, window, stride, size, set }: PredictOptions): string[] {
  const sides = window?.split(",").map(Number) ?? [];
  const fields = {
    "eval.scales": scales,
    "eval.flip": flip ? "true" : undefined,
    "eval.mode": mode ?? (window === undefined ? undefined : "slide"),
    "eval.crop": window,
    "eval.stride": stride ?? (window && sides.map((side) => Math.max(1, Math.floor((side * 2) / 3))).join(",")),
    "data.size": size,
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return [...given.map(([path, value]) => `${path}=${value}`), ...set];
}

/** A video of the overlays of every folder with two images or more. */
async function writeVideos(
  images: readonly Image[],
  { out, rate, output }: { out: string; rate: number; output: ProgressLine },
): Promise<void> {
  const frames = new Map<string, string[]>();
  for (const { sequence, name } of images) {
    if (sequence === null) continue;
    frames.set(sequence, [...(frames.get(sequence) ?? []), pathOf(out, "overlay", name)]);
  }
  for (const [sequence, paths] of frames) {
    if (paths.length < 2) continue;
    const path = videoPath(out, sequence);
    output.show(`${path}: ${paths.length} frames`);
    await writeVideo(path, rate, paths);
    output.log(`${path}: ${paths.length} frames, ${rate} a second`);
  }
}

function parseNumber(
  name: string,
  text: string | undefined,
  isValid: (value: number) => boolean,
  expected: string,
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isFinite(value) && isValid(value)) return value;
  throw new UserError(`--${name} is "${text}", expected ${expected}`);
}

await runMain(main);
