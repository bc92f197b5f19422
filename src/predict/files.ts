/** A prediction as files, each in the folder of its kind, under the image's name. */
import { join, resolve } from "node:path";
import type { DatasetSpec } from "../data/dataset.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { encodePicture } from "../io/image.node.ts";
import { predictionPng } from "../train/predictions.ts";
import type { Image } from "./inputs.ts";
import { colorMap, overlay } from "./pictures.ts";
import type { PredictedImage } from "./predict.ts";

/** The folders below that of the output; `index` holds what evaluation saves. */
const KINDS = ["overlay", "colors", "index", "confidence", "probabilities", "video"] as const;
type Kind = (typeof KINDS)[number];

export interface FilesOptions {
  readonly out: string;
  readonly spec: DatasetSpec;
  /** Of the colours over the image, 0 to 1. */
  readonly opacity: number;
}

export const kindFolders = (out: string): string[] => KINDS.map((kind) => join(out, kind));

export const pathOf = (out: string, kind: Kind, name: string): string => join(out, kind, `${name}.png`);

export const videoPath = (out: string, sequence: string): string => join(out, "video", `${sequence}.mp4`);

/**
 * Makes sure that no result takes the place of an image it is made from.
 *
 * @throws UserError naming the image
 */
export function requireApart(out: string, images: readonly Image[]): void {
  const sources = new Set(images.map(({ path }) => resolve(path)));
  for (const { name } of images) {
    const path = KINDS.map((kind) => pathOf(out, kind, name)).find((file) => sources.has(resolve(file)));
    if (path) throw new UserError(`--out ${out}: the image ${path} would be overwritten; choose another folder`);
  }
}

/** Writes one prediction; every file appears whole or not at all. */
export async function writePrediction(prediction: PredictedImage, options: FilesOptions): Promise<void> {
  const { image: { name }, width, height, rgb, classes, confidence, probabilities } = prediction;
  const { out, spec, opacity } = options;
  const blended = overlay(rgb, prediction, spec, opacity);
  await save("overlay", name, encodePicture({ width, height, channels: 3, data: blended }));
  await save("colors", name, encodePicture({ ...colorMap(prediction, spec), channels: 3 }));
  await save("index", name, predictionPng(classes, [height, width], spec));
  if (confidence) await save("confidence", name, gray(confidence));
  if (!probabilities) return;
  const area = width * height;
  for (const [k, folder] of classFolders(spec).entries()) {
    await save("probabilities", `${folder}/${name}`, gray(probabilities.subarray(k * area, (k + 1) * area)));
  }

  function gray(data: Uint8Array): Promise<Uint8Array> {
    return encodePicture({ width, height, channels: 1, data });
  }
  async function save(kind: Kind, inner: string, bytes: Uint8Array | Promise<Uint8Array>): Promise<void> {
    await writeFileAtomic(pathOf(out, kind, inner), await bytes);
  }
}

/** By train id: `07_traffic_sign`. */
function classFolders({ classNames }: DatasetSpec): string[] {
  const digits = String(classNames.length - 1).length;
  return classNames.map((name, k) => `${String(k).padStart(digits, "0")}_${name.replace(/[^\p{L}\p{N}]+/gu, "_")}`);
}
