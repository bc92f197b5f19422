/** What a prediction looks like. */
import type { DatasetSpec } from "../data/dataset.ts";
import { colorize } from "../train/panels.ts";
import { ADVANCE, CAPITAL, type Canvas, LINE, drawText, fillRect } from "./font.ts";

/** Names and colours of classes, by train id. */
export type Classes = Pick<DatasetSpec, "classNames" | "palette">;

/** Rows of pixels, `[height, width]` train ids. */
export interface ClassMap {
  readonly width: number;
  readonly height: number;
  readonly classes: Uint8Array;
}

/** Share of the pixels by train id. */
export function sharesOf({ classes }: Pick<ClassMap, "classes">, count: number): number[] {
  const pixels = new Uint32Array(count);
  for (const id of classes) pixels[id]++;
  return Array.from(pixels, (n) => n / classes.length);
}

/** The classes' colours over the image. @param opacity 0: the image alone, 1: the colours alone */
export function overlay(image: Uint8Array, { classes }: ClassMap, { palette }: Classes, opacity: number): Uint8Array {
  const out = new Uint8Array(image.length);
  for (let i = 0; i < classes.length; i++) {
    for (let c = 0; c < 3; c++) {
      const value = image[3 * i + c];
      out[3 * i + c] = Math.round(value + opacity * (palette[classes[i]][c] - value));
    }
  }
  return out;
}

const BLACK = [0, 0, 0] as const;
const WHITE = 255;
/** In pixels of the text. */
const MARGIN = 4;
const SWATCH = CAPITAL;
const SHARE_LENGTH = "100.0 %".length;
/** Height of the picture for each time the text grows. */
const ROWS_PER_SCALE = 150;

/**
 * The classes' colours and, right of them, a legend of those that occur: swatch, name and share, the largest first. The
 * text grows with the picture, and the picture with the text where that needs more room.
 */
export function colorMap(map: ClassMap, classes: Classes): Canvas {
  const { classNames, palette } = classes;
  const shares = sharesOf(map, classNames.length);
  const present = shares.flatMap((share, id) => (share > 0 ? [{ id, share }] : [])).sort((a, b) => b.share - a.share);
  const nameLength = Math.max(...present.map(({ id }) => classNames[id].length));
  const lines = present.map(({ id, share }) => {
    return { id, text: `${classNames[id].padEnd(nameLength)} ${showShare(share).padStart(SHARE_LENGTH)}` };
  });

  const room = Math.floor(map.height / (LINE * lines.length + 2 * MARGIN));
  const scale = Math.max(1, Math.min(room, Math.floor(map.height / ROWS_PER_SCALE)));
  const width = map.width + (3 * MARGIN + SWATCH + (nameLength + 1 + SHARE_LENGTH) * ADVANCE) * scale;
  const height = Math.max(map.height, (lines.length * LINE + 2 * MARGIN) * scale);
  const canvas = { width, height, data: new Uint8Array(width * height * 3).fill(WHITE) };

  const colors = colorize(map.classes, palette);
  for (let y = 0; y < map.height; y++) {
    canvas.data.set(colors.subarray(y * map.width * 3, (y + 1) * map.width * 3), y * canvas.width * 3);
  }
  lines.forEach(({ id, text }, i) => {
    const top = (MARGIN + i * LINE) * scale;
    const left = map.width + MARGIN * scale;
    const side = SWATCH * scale;
    fillRect(canvas, { left, top, width: side, height: side }, palette[id]);
    drawText(canvas, text, { left: left + side + MARGIN * scale, top, scale, color: BLACK });
  });
  return canvas;
}

/** `41.2 %`; what is there at all is at least 0.1 %. */
export function showShare(share: number): string {
  return `${(share > 0 ? Math.max(100 * share, 0.1) : 0).toFixed(1)} %`;
}
