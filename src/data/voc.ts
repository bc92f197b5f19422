import { join } from "node:path";
import { namesOf, vocColors } from "./classes.ts";
import { type DatasetItem, type DatasetLayout, listFiles, pairFiles, readIds } from "./dataset.ts";
import { IGNORE_INDEX, LABEL_TABLES, trainIdTable } from "./label_tables.ts";

const CLASSES = `
  background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
  person, pottedplant, sheep, sofa, train, tvmonitor`;

/** Where labels of the Semantic Boundaries Dataset lie: images of indices, or the MATLAB files it publishes. */
const EXTRA = "SegmentationClassAug";

async function listVoc(root: string, split: string, isLabelled: boolean): Promise<DatasetItem[]> {
  const official = { folder: join(root, "SegmentationClass"), suffix: ".png" };
  const folder = join(root, EXTRA);
  const extra = [{ folder, suffix: ".png" }, { folder, suffix: ".mat" }];
  return pairFiles({
    imageFolder: join(root, "JPEGImages"),
    imageSuffixes: [".jpg"],
    labels: !isLabelled ? [] : split === "trainaug" ? [...extra, official] : [official],
    ids: split === "trainaug" ? await augmentedIds(root) : await readIds(idList(root, split)),
  });
}

const idList = (root: string, split: string): string => join(root, "ImageSets", "Segmentation", `${split}.txt`);

/** `train` and everything that has a label in the extra folder, but nothing of `val`. */
async function augmentedIds(root: string): Promise<string[]> {
  const extra = await listFiles(join(root, EXTRA), [".png", ".mat"]);
  if (extra.length === 0) return [];
  const [train, val] = [await readIds(idList(root, "train")), new Set(await readIds(idList(root, "val")))];
  const all = new Set([...train, ...extra.map((name) => name.slice(0, -".png".length))]);
  return [...all].filter((id) => !val.has(id));
}

/** Pascal VOC 2012, and with `trainaug` the labels that the Semantic Boundaries Dataset adds to it. */
export const VOC: DatasetLayout = {
  spec: {
    name: "voc",
    numClasses: 21,
    classNames: namesOf(CLASSES),
    palette: vocColors(21),
    ignoreIndex: IGNORE_INDEX,
    labelTable: trainIdTable(LABEL_TABLES.VOCDataset),
    labelVariable: ["GTcls", "Segmentation"],
  },
  splits: ["train", "val", "trainaug", "test"],
  unlabelled: ["test"],
  archiveFolder: "VOCdevkit/VOC2012",
  imagePattern: (split) => (split === "trainaug" ? `${EXTRA}/*.{png,mat}` : "JPEGImages/*.jpg"),
  list: listVoc,
};
