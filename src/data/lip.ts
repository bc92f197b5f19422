import { join } from "node:path";
import { namesAndColors } from "./classes.ts";
import { type DatasetItem, type DatasetLayout, listFolder, pairFiles, readIds } from "./dataset.ts";
import { IGNORE_INDEX, LABEL_TABLES, trainIdTable } from "./label_tables.ts";

const CLASSES = `
  background 000000, hat 800000, hair ff0000, glove 005500, sunglasses aa0033, upperclothes ff5500, dress 000055,
  coat 0077dd, socks 555500, pants 005555, jumpsuits 553300, scarf 345680, skirt 008000, face 0000ff, leftArm 33aadd,
  rightArm 00ffff, leftLeg 55ffaa, rightLeg aaff55, leftShoe ffff00, rightShoe ffaa00`;

/** The official folders call the splits so. */
const PREFIXES: Readonly<Record<string, string>> = { train: "train", val: "val", test: "testing" };

async function listLip(root: string, split: string, isLabelled: boolean): Promise<DatasetItem[]> {
  const prefix = PREFIXES[split];
  const idList = `${split}_id.txt`;
  return pairFiles({
    imageFolder: join(root, `${prefix}_images`),
    imageSuffixes: [".jpg"],
    labels: isLabelled ? [{ folder: join(root, `${prefix}_segmentations`), suffix: ".png" }] : [],
    // The lists say no more than the folders do, but the official download brings them.
    ids: (await listFolder(root)).includes(idList) ? await readIds(join(root, idList)) : undefined,
  });
}

/** Look into Person, the part with one person per image: 20 classes, the background is one of them. */
export const LIP: DatasetLayout = {
  spec: {
    name: "lip",
    numClasses: 20,
    ...namesAndColors(CLASSES),
    ignoreIndex: IGNORE_INDEX,
    labelTable: trainIdTable(LABEL_TABLES.LIPDataset),
    // Arms, legs and shoes: a left one becomes a right one in the mirror.
    flipPairs: [[14, 15], [16, 17], [18, 19]],
  },
  splits: ["train", "val", "test"],
  unlabelled: ["test"],
  archiveFolder: "LIP",
  imagePattern: (split) => `${PREFIXES[split]}_images/*.jpg`,
  list: listLip,
};
