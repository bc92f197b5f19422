/** `npm run export`: a checkpoint for other programs. Needs no device. */
import { extname } from "node:path";
import { exportOnnx } from "../export/onnx.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { serializeSafetensors } from "../io/safetensors.ts";
import { readCheckpoint } from "../train/checkpoint.node.ts";
import { serializeHalf } from "../train/checkpoint.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import type { Pair } from "../tensor/shape.ts";
import { runMain } from "./main.ts";
import { parseOptions, wholeNumber } from "./options.ts";

/** Endings of the files, by format. */
const ENDINGS = { onnx: ".onnx", safetensors: ".weights.safetensors", half: ".half.safetensors" } as const;
type Format = keyof typeof ENDINGS;
const FORMATS = Object.keys(ENDINGS).join(", ");

const COMMAND = {
  call: "npm run export --",
  summary: "Writes a checkpoint in a format that other programs read.",
  options: {
    checkpoint: { value: "FILE", help: "Such as runs/RUN/checkpoints/best.safetensors. Required." },
    format: { value: "NAME", help: `One of ${FORMATS}. Default: onnx.` },
    out: { value: "FILE", help: `Default: beside the checkpoint, ending in ${Object.values(ENDINGS).join(", ")}.` },
    size: { value: "H,W", help: "Of onnx: the one size of images, or dynamic for any. Default: dynamic." },
  },
  notes: `onnx: the network in evaluation, image [n, 3, height, width] -> logits [n, classes, height, width], for any n.
The image is RGB of 0..255, minus the mean and divided by the standard deviation that the model's metadata name, along
with classes and palette. The logits have the image's size: their argmax over axis 1 is the prediction. Operators are
those of ONNX 1.13 (opset 18), weights are in the file under their names in the state dict.

safetensors: the network alone, under the official names and in PyTorch's layouts, without the optimiser.

half: a checkpoint in half precision and without the optimiser, a quarter of the size: for predict, eval, train
--weights and browsers, not for train --resume.`,
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  if (options.checkpoint === undefined) throw new UserError("--checkpoint FILE is missing; see --help");
  const format = parseFormat(options.format ?? "onnx");
  if (options.size !== undefined && format !== "onnx") {
    throw new UserError(`--size goes with --format onnx, not ${format}`);
  }
  const size = parseSize(options.size ?? "dynamic");
  const checkpoint = await readCheckpoint(options.checkpoint);
  const bytes = serialize[format](checkpoint, size);
  const out = options.out ?? withoutEnding(options.checkpoint) + ENDINGS[format];
  await writeFileAtomic(out, bytes);
  console.log(`${out}: ${(bytes.length / 2 ** 20).toFixed(1)} MiB`);
}

const serialize: Readonly<Record<Format, (checkpoint: Checkpoint, size: Pair | null) => Uint8Array>> = {
  onnx: exportOnnx,
  safetensors: serializeWeights,
  half: serializeHalf,
};

function parseFormat(text: string): Format {
  if (!Object.hasOwn(ENDINGS, text)) throw new UserError(`--format is "${text}", expected one of ${FORMATS}`);
  return text as Format;
}

/** Null for any size. */
function parseSize(text: string): Pair | null {
  if (text === "dynamic") return null;
  const sides = text.split(",").map((side) => wholeNumber("size", side, 1)!);
  if (sides.length !== 2) throw new UserError(`--size is "${text}", expected height,width or dynamic`);
  return [sides[0], sides[1]];
}

function serializeWeights({ state, subject, config, progress }: Checkpoint): Uint8Array {
  return serializeSafetensors(state, {
    dataset: subject.dataset,
    class_names: JSON.stringify(subject.classNames),
    preset: config.name,
    iteration: String(progress.iteration),
  });
}

const withoutEnding = (path: string): string => path.slice(0, path.length - extname(path).length);

await runMain(main);
