import { join } from "node:path";
import { type DatasetLayout, pairFiles } from "./dataset.ts";
import { CAMVID_TABLE, IGNORE_INDEX, trainIdTable } from "./label_tables.ts";

/** The SegNet edition: 480x360, 11 classes, gray label images. */
export const CAMVID: DatasetLayout = {
  spec: {
    name: "camvid",
    numClasses: 11,
    classNames: [
      "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist",
    ],
    palette: [
      [128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0],
      [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192],
    ],
    ignoreIndex: IGNORE_INDEX,
    labelTable: trainIdTable(CAMVID_TABLE),
  },
  splits: ["train", "val", "test"],
  imagePattern: (split) => `images/${split}/*.{jpg,png}`,
  list: (root, split) =>
    pairFiles({
      imageFolder: join(root, "images", split),
      imageSuffixes: [".jpg", ".png"],
      labels: [{ folder: join(root, "labels", split), suffix: ".png" }],
    }),
};
