import { UserError } from "../errors.ts";
import { ADE20K } from "./ade20k.ts";
import { CAMVID } from "./camvid.ts";
import { CITYSCAPES, STREETS } from "./cityscapes.ts";
import { COCOSTUFF10K } from "./cocostuff.ts";
import { type Dataset, type DatasetLayout, type Environment, openLayout } from "./dataset.ts";
import { LIP } from "./lip.ts";
import { VOC } from "./voc.ts";

const LAYOUTS = {
  streets: STREETS,
  cityscapes: CITYSCAPES,
  camvid: CAMVID,
  ade20k: ADE20K,
  lip: LIP,
  cocostuff10k: COCOSTUFF10K,
  voc: VOC,
} as const satisfies Record<string, DatasetLayout>;

export type DatasetName = keyof typeof LAYOUTS;
export const DATASET_NAMES = Object.keys(LAYOUTS) as readonly DatasetName[];

/** The layout of a dataset by its name; UserError when there is none of that name. */
export function datasetLayout(name: string): DatasetLayout {
  if (!Object.hasOwn(LAYOUTS, name)) {
    throw new UserError(`unknown dataset "${name}"; choose one of ${DATASET_NAMES.join(", ")}`);
  }
  return LAYOUTS[name as DatasetName];
}

/**
 * Finds the images and labels of one split; decodes none of them.
 *
 * @param options.root the dataset's folder; without it the dataset's environment variable or default folder
 * @param options.split one that the dataset has, or `trainval` = train then val
 * @throws UserError for an unknown dataset or split, a missing folder, no images, or an image without label
 */
export async function openDataset(
  name: string,
  { root, split, env = process.env }: { root?: string; split: string; env?: Environment },
): Promise<Dataset> {
  return openLayout(datasetLayout(name), { root, split, env });
}
