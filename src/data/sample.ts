import { extname } from "node:path";
import { UserError } from "../errors.ts";
import { readFileBytes } from "../io/files.node.ts";
import { type DecodeOptions, decodeRgb } from "../io/image.node.ts";
import { decodeMat } from "../io/mat.node.ts";
import { decodePng } from "../io/png.node.ts";
import type { DatasetItem, DatasetSpec } from "./dataset.ts";
import { IGNORE_INDEX, UNKNOWN_LABEL } from "./label_tables.ts";

/** One decoded image with its label, both at full resolution. */
export interface Sample {
  readonly height: number;
  readonly width: number;
  /** RGB, `[height, width, 3]`. */
  readonly image: Uint8Array;
  /** Train ids and IGNORE_INDEX, `[height, width]`; nothing else than that where the item has no label. */
  readonly label: Uint8Array;
}

/**
 * Decodes an item.
 *
 * @param oriented turns the image as its orientation tag says, which only goes for items without label
 * @throws UserError naming the file when it cannot be decoded, the sizes differ, or the label holds a value that the
 *   dataset does not define
 */
export async function readSample(
  { imagePath, labelPath }: DatasetItem,
  spec: DatasetSpec,
  { oriented }: DecodeOptions = {},
): Promise<Sample> {
  const decoding = decodeRgb(imagePath, { oriented });
  const [image, label] = await Promise.all([decoding, labelPath && readLabel(labelPath, spec)]);
  const { width, height } = image;
  if (!label) return { height, width, image: image.data, label: new Uint8Array(height * width).fill(IGNORE_INDEX) };
  if (label.width !== width || label.height !== height) {
    throw new UserError(
      `label ${labelPath} is ${label.width}x${label.height}, its image ${imagePath} is ${width}x${height}`,
    );
  }
  return { height, width, image: image.data, label: label.data };
}

/** Reads a label, gray or palette PNG or MATLAB file, and maps its values to train ids; errors as for `readSample`. */
export async function readLabel(path: string, { name, labelTable, labelVariable }: DatasetSpec) {
  const bytes = await readFileBytes(path, "label");
  const { width, height, data } = extname(path) === ".mat"
    ? decodeMat(bytes, labelVariable!, path)
    : decodeIndices(bytes, path);
  const label = new Uint8Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const trainId = labelTable[data[i]] ?? UNKNOWN_LABEL; // a matrix can hold any number
    if (trainId === UNKNOWN_LABEL) {
      const position = `x ${i % width}, y ${Math.floor(i / width)}`;
      throw new UserError(`label ${path} holds the value ${data[i]} at ${position}, which ${name} does not define`);
    }
    label[i] = trainId;
  }
  return { width, height, data: label };
}

function decodeIndices(bytes: Uint8Array, path: string) {
  const { width, height, color, bitDepth, channels, data } = decodePng(bytes, path);
  if (channels !== 1 || bitDepth > 8) {
    throw new UserError(`label ${path} is ${bitDepth}-bit ${color}; expected gray or palette of at most 8 bits`);
  }
  return { width, height, data };
}
