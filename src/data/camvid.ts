import { join, parse } from "node:path";
import { type DatasetItem, type DatasetLayout, listFiles, pairItems } from "./dataset.ts";
import { CAMVID_TABLE, IGNORE_INDEX, trainIdTable } from "./label_tables.ts";

async function listCamvid(root: string, split: string): Promise<DatasetItem[]> {
  const imageFolder = join(root, "images", split);
  const labelFolder = join(root, "labels", split);
  const images = await listFiles(imageFolder, [".jpg", ".png"]);
  const names = images.map((image) => ({ id: parse(image).name, image, label: `${parse(image).name}.png` }));
  return pairItems(names, await listFiles(labelFolder, [".png"]), imageFolder, labelFolder);
}

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
  imagePattern: "images/{split}/*.{jpg,png}",
  list: listCamvid,
};
