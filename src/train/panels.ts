import type { DatasetSpec } from "../data/dataset.ts";
import { encodePng } from "../io/png.node.ts";
import type { Prediction } from "./evaluate.ts";

const GAP = 4;
const WHITE = 255;

/** A PNG of image, truth and prediction side by side in the dataset's colours; pixels without truth are black. */
export function panelPng({ item, classes }: Prediction, { palette }: DatasetSpec): Uint8Array {
  const { height, width, image, label } = item.original;
  const parts = [image, colorize(label, palette), colorize(classes, palette)];
  const total = parts.length * width + (parts.length - 1) * GAP;
  const data = new Uint8Array(height * total * 3).fill(WHITE);
  parts.forEach((part, i) => {
    for (let y = 0; y < height; y++) {
      const row = part.subarray(y * width * 3, (y + 1) * width * 3);
      data.set(row, (y * total + i * (width + GAP)) * 3);
    }
  });
  return encodePng({ width: total, height, channels: 3, data });
}

/** RGB of train ids; black where the palette has none. */
export function colorize(ids: ArrayLike<number>, palette: DatasetSpec["palette"]): Uint8Array {
  const colors = new Uint8Array(ids.length * 3);
  for (let i = 0; i < ids.length; i++) colors.set(palette[ids[i]] ?? [0, 0, 0], 3 * i);
  return colors;
}
