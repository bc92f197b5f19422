import { join } from "node:path";
import { CITYSCAPES_SPEC, STREETS_SPEC } from "./cityscapes_spec.ts";
import { type DatasetItem, type DatasetLayout, listFolder, pairFiles } from "./dataset.ts";

const IMAGE_SUFFIX = "_leftImg8bit.png";
const LABEL_SUFFIX = "_gtFine_labelIds.png";

/** The official folders, found by looking; no list files. */
async function listCityscapes(root: string, split: string, isLabelled: boolean): Promise<DatasetItem[]> {
  const items: DatasetItem[] = [];
  for (const city of await listFolder(join(root, "leftImg8bit", split))) {
    const labels = isLabelled ? [{ folder: join(root, "gtFine", split, city), suffix: LABEL_SUFFIX }] : [];
    const imageFolder = join(root, "leftImg8bit", split, city);
    items.push(...(await pairFiles({ imageFolder, imageSuffixes: [IMAGE_SUFFIX], labels })));
  }
  return items;
}

export const CITYSCAPES: DatasetLayout = {
  spec: CITYSCAPES_SPEC,
  splits: ["train", "val", "test"],
  // Its published labels are void throughout.
  unlabelled: ["test"],
  rootVariable: "CITYSCAPES_DATASET",
  imagePattern: (split) => `leftImg8bit/${split}/*/*${IMAGE_SUFFIX}`,
  list: listCityscapes,
};

export const STREETS: DatasetLayout = {
  spec: STREETS_SPEC,
  splits: ["train", "val"],
  defaultRoot: "datasets/streets",
  imagePattern: CITYSCAPES.imagePattern,
  list: listCityscapes,
};
