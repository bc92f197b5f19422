/** Predictions as files: one palette PNG per image, in one folder, named as the image. */
import { join, parse } from "node:path";
import type { Dataset, DatasetSpec } from "../data/dataset.ts";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { encodePng } from "../io/png.node.ts";
import type { Prediction } from "./evaluate.ts";

/** Pixels are train ids, or the label ids that the Cityscapes server asks for. */
export const PREDICTION_FORMATS = ["index", "cityscapes-server"] as const;
export type PredictionFormat = (typeof PREDICTION_FORMATS)[number];

/**
 * What `evaluate` hands predictions to.
 *
 * @param format default: what the dataset's server asks for, else `index`
 * @throws UserError when the dataset has no such format, or two of its images have the same name; later, when a file
 *   cannot be written
 */
export function predictionWriter(folder: string, { spec, split, items }: Dataset, format?: PredictionFormat) {
  if (format === "cityscapes-server" && !spec.submissionIds) {
    throw new UserError(`--format cityscapes-server: ${spec.name} has no such label ids; use --format index`);
  }
  const names = new Map(items.map(({ id, imagePath }) => [id, `${parse(imagePath).name}.png`]));
  if (names.size < items.length) {
    throw new UserError(`${spec.name} ${split} has images of the same name, whose predictions cannot share a folder`);
  }
  const ids = format === "index" ? undefined : spec.submissionIds;
  return async ({ item, classes }: Prediction): Promise<void> => {
    const { height, width } = item.original;
    await writeFileAtomic(join(folder, names.get(item.id)!), predictionPng(classes, [height, width], spec, ids));
  };
}

/** A palette PNG of train ids, or of what `ids` makes of them. */
export function predictionPng(
  classes: Int32Array | Uint8Array,
  [height, width]: readonly [number, number],
  { palette }: DatasetSpec,
  ids: readonly number[] = palette.map((_, k) => k),
): Uint8Array {
  const colors = new Uint8Array(3 * (Math.max(...ids) + 1));
  palette.forEach((color, k) => colors.set(color, 3 * ids[k]));
  const data = Uint8Array.from(classes, (k) => ids[k]);
  return encodePng({ width, height, channels: 1, data, palette: colors });
}
