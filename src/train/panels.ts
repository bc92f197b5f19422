import type { DatasetSpec } from "../data/dataset.ts";
import { encodePng } from "../io/png.node.ts";
import type { Panel } from "./evaluate.ts";

/** What a panel shows, from left to right. */
export const PANEL_PARTS = ["image", "truth", "prediction", "errors", "confidence"] as const;
/** White pixels between them. */
export const PANEL_GAP = 4;

const WHITE = 255;
const WRONG = [220, 38, 38] as const;
/** How bright the image is where the prediction is right. */
const DIMMED = 0.6;
/** Colours of confidence at even steps from 0 to 1, of rising lightness. */
const SCALE = [
  [12, 8, 38],
  [84, 15, 109],
  [187, 55, 84],
  [249, 142, 9],
  [252, 255, 164],
] as const;

/**
 * A PNG of image, truth, prediction, errors (red on the dimmed image) and confidence (bright where it is high) side by
 * side. Pixels without truth are black.
 */
export function panelPng({ item, classes, confidence }: Panel, { palette, ignoreIndex }: DatasetSpec): Uint8Array {
  const { height, width, image, label } = item.original;
  const parts = [
    image,
    colorize(label, palette),
    colorize(classes, palette),
    errors(image, label, classes, ignoreIndex),
    confidenceColors(confidence, height, width),
  ];
  const total = parts.length * width + (parts.length - 1) * PANEL_GAP;
  const data = new Uint8Array(height * total * 3).fill(WHITE);
  parts.forEach((part, i) => {
    for (let y = 0; y < height; y++) {
      const row = part.subarray(y * width * 3, (y + 1) * width * 3);
      data.set(row, (y * total + i * (width + PANEL_GAP)) * 3);
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

function errors(image: Uint8Array, label: ArrayLike<number>, classes: Int32Array, ignoreIndex: number): Uint8Array {
  const colors = new Uint8Array(image.length);
  for (let i = 0; i < label.length; i++) {
    if (label[i] === ignoreIndex) continue;
    const gray = (DIMMED * (image[3 * i] + image[3 * i + 1] + image[3 * i + 2])) / 3;
    colors.set(label[i] === classes[i] ? [gray, gray, gray] : WRONG, 3 * i);
  }
  return colors;
}

/** The map may be smaller than the image: nearest neighbours. */
function confidenceColors(map: Panel["confidence"], height: number, width: number): Uint8Array {
  const colors = new Uint8Array(3 * height * width);
  for (let y = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * map.height) / height) * map.width;
    for (let x = 0; x < width; x++) {
      const value = map.values[row + Math.floor(((x + 0.5) * map.width) / width)];
      const at = value * (SCALE.length - 1);
      const step = Math.min(Math.floor(at), SCALE.length - 2);
      const [from, to] = [SCALE[step], SCALE[step + 1]];
      for (let c = 0; c < 3; c++) colors[3 * (y * width + x) + c] = from[c] + (at - step) * (to[c] - from[c]);
    }
  }
  return colors;
}
