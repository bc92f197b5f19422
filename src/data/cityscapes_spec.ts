import type { DatasetSpec } from "./dataset.ts";
import { CITYSCAPES_IDS, IGNORE_INDEX, LABEL_TABLES, trainIdTable } from "./label_tables.ts";

/** Names and colours as in the official cityscapesScripts. */
export const CITYSCAPES_SPEC: DatasetSpec = {
  name: "cityscapes",
  numClasses: 19,
  classNames: [
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
  ],
  palette: [
    [128, 64, 128], [244, 35, 232], [70, 70, 70], [102, 102, 156], [190, 153, 153],
    [153, 153, 153], [250, 170, 30], [220, 220, 0], [107, 142, 35], [152, 251, 152],
    [70, 130, 180], [220, 20, 60], [255, 0, 0], [0, 0, 142], [0, 0, 70],
    [0, 60, 100], [0, 80, 100], [0, 0, 230], [119, 11, 32],
  ],
  ignoreIndex: IGNORE_INDEX,
  labelTable: trainIdTable(LABEL_TABLES.CityScapesDataset),
  submissionIds: CITYSCAPES_IDS,
};

/** The generated street scenes: Cityscapes in all but their place and the split `test`, which they lack. */
export const STREETS_SPEC: DatasetSpec = { ...CITYSCAPES_SPEC, name: "streets" };
