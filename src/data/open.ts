import { UserError } from "../errors.ts";
import { CAMVID } from "./camvid.ts";
import { CITYSCAPES, STREETS } from "./cityscapes.ts";
import { type Dataset, type DatasetLayout, type Environment, openLayout } from "./dataset.ts";

const LAYOUTS = { streets: STREETS, cityscapes: CITYSCAPES, camvid: CAMVID } as const satisfies Record<
  string,
  DatasetLayout
>;

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
 * @param options.split `train`, `val`, `test` where it exists, or `trainval` = train then val
 * @throws UserError for an unknown dataset or split, a missing folder, no images, or an image without label
 */
export async function openDataset(
  name: string,
  { root, split, env = process.env }: { root?: string; split: string; env?: Environment },
): Promise<Dataset> {
  return openLayout(datasetLayout(name), { root, split, env });
}
