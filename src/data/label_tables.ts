/**
 * From the values in annotation files to train ids, for the datasets of the official toolbox.
 * The tables are those of the official dataset classes, whose names are the keys of `LABEL_TABLES`.
 */

/** Train id of pixels that count neither in the loss nor in the metrics. */
export const IGNORE_INDEX = 255;
/** Marks in a lookup table a value that must not occur in an annotation file. No dataset has that many classes. */
export const UNKNOWN_LABEL = 254;

export interface LabelTable {
  readonly numClasses: number;
  /**
   * `[source, train id or IGNORE_INDEX]`, ascending; other values stay as they are. Absent where the official class has
   * no table: there it does not check the values either.
   */
  readonly mapping?: readonly (readonly [source: number, train: number])[];
}

/** Source 0 is "nothing", the classes follow from 1; `ignored` lists further values to leave out. */
function zeroIsVoid(numClasses: number, ignored: readonly number[] = []): LabelTable {
  const classes = Array.from({ length: numClasses }, (_, k) => [k + 1, k] as const);
  return { numClasses, mapping: [[0, IGNORE_INDEX], ...classes, ...ignored.map((id) => [id, IGNORE_INDEX] as const)] };
}

/** Official ids of the 19 classes that are scored, in the order of their train ids. */
export const CITYSCAPES_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];

const CITYSCAPES: LabelTable = {
  numClasses: 19,
  // Ids run from -1 (license plate) to 33 (bicycle); those without a train id are void.
  mapping: Array.from({ length: 35 }, (_, i) => {
    const train = CITYSCAPES_IDS.indexOf(i - 1);
    return [i - 1, train < 0 ? IGNORE_INDEX : train] as const;
  }),
};

export const LABEL_TABLES = {
  CityScapesDataset: CITYSCAPES,
  ADE20kDataset: zeroIsVoid(150),
  COCOStuffDataset: zeroIsVoid(182, [255]),
  COCOStuff10kDataset: zeroIsVoid(182, [255]),
  LIPDataset: { numClasses: 20 },
  PascalContextDataset: { numClasses: 60, mapping: [[255, IGNORE_INDEX]] },
  PascalContext59Dataset: zeroIsVoid(59, [255]),
  VOCDataset: { numClasses: 21, mapping: [[255, IGNORE_INDEX]] },
  VSPWDataset: zeroIsVoid(124, [253, 254, 255]),
} as const satisfies Record<string, LabelTable>;

/** The SegNet 11-class edition of CamVid, which the official toolbox does not know. */
export const CAMVID_TABLE: LabelTable = { numClasses: 11, mapping: [[11, IGNORE_INDEX]] };

/**
 * Lookup from the byte in a label image to a train id, IGNORE_INDEX, or UNKNOWN_LABEL for values the dataset does not
 * define. An id of -1 is stored as the byte 255.
 */
export function trainIdTable({ numClasses, mapping = [] }: LabelTable): Uint8Array {
  const table = Uint8Array.from({ length: 256 }, (_, value) => (value < numClasses ? value : UNKNOWN_LABEL));
  // A source id that the mapping moves away from is not a train id by itself, and the mapping has the last word.
  for (const [source, train] of mapping) table[source & 0xff] = train;
  return table;
}

/**
 * What the official class makes of each byte value: values without an entry stay as they are, which is an error there
 * unless `autoCorrect` turns those outside the classes into `ignoreIndex`.
 */
export function officialLookup(
  { numClasses, mapping }: LabelTable,
  { autoCorrect, ignoreIndex }: { autoCorrect: boolean; ignoreIndex: number },
): Int32Array {
  const lookup = Int32Array.from({ length: 256 }, (_, value) => value);
  if (!mapping) return lookup;
  for (const [source, train] of mapping) {
    if (source >= 0) lookup[source] = train === IGNORE_INDEX ? ignoreIndex : train;
  }
  if (!autoCorrect) return lookup;
  return lookup.map((id) => (id >= 0 && id < numClasses ? id : ignoreIndex));
}
