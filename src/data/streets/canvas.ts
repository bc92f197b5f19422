/** Colour and label pixels, drawn together so that they always agree. */
import type { Point } from "./shapes.ts";

/** Colour is drawn at twice the size in each direction and averaged; labels take one of the four samples. */
export const OVERSAMPLE = 2;

export class Canvas {
  /** Of the oversampled buffers. */
  readonly height: number;
  readonly width: number;
  /** [height, width, 3], sRGB 0..255, not clamped. */
  readonly colour: Float32Array;
  /** [height, width], Cityscapes label ids. */
  readonly label: Uint8Array;

  constructor(height: number, width: number) {
    this.height = height * OVERSAMPLE;
    this.width = width * OVERSAMPLE;
    this.colour = new Float32Array(this.height * this.width * 3);
    this.label = new Uint8Array(this.height * this.width);
  }

  /**
   * Calls `span(y, x0, x1)` for every run of pixels x0 <= x < x1 whose centres lie inside the polygon (even-odd rule;
   * coordinates in oversampled pixels).
   */
  spans(polygon: readonly Point[], span: (y: number, x0: number, x1: number) => void): void {
    let top = Infinity;
    let bottom = -Infinity;
    for (const [, v] of polygon) {
      top = Math.min(top, v);
      bottom = Math.max(bottom, v);
    }
    const firstRow = Math.max(0, Math.ceil(top - 0.5));
    const lastRow = Math.min(this.height - 1, Math.floor(bottom - 0.5));
    const crossings: number[] = [];
    for (let y = firstRow; y <= lastRow; y++) {
      const centre = y + 0.5;
      crossings.length = 0;
      for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
        const v0 = polygon[j][1];
        const v1 = polygon[i][1];
        if (v0 <= centre === v1 <= centre) continue;
        const u0 = polygon[j][0];
        insert(crossings, u0 + ((centre - v0) / (v1 - v0)) * (polygon[i][0] - u0));
      }
      for (let i = 0; i + 1 < crossings.length; i += 2) {
        const x0 = Math.max(0, Math.ceil(crossings[i] - 0.5));
        const x1 = Math.min(this.width, Math.ceil(crossings[i + 1] - 0.5));
        if (x0 < x1) span(y, x0, x1);
      }
    }
  }
}

/** Keeps the few crossings of a row in order. */
function insert(sorted: number[], value: number): void {
  let i = sorted.length;
  sorted.push(value);
  for (; i > 0 && sorted[i - 1] > value; i--) sorted[i] = sorted[i - 1];
  sorted[i] = value;
}
