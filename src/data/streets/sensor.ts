/** From light to the camera's file: averaging, vignette, white balance, noise, 8 bits. */
import { OVERSAMPLE, type Canvas } from "./canvas.ts";
import { cellNoise, type SceneRandom } from "./random.ts";

export interface Frame {
  readonly height: number;
  readonly width: number;
  /** [height, width, 3], RGB. */
  readonly image: Uint8Array;
  /** [height, width], Cityscapes label ids. */
  readonly labels: Uint8Array;
}

export function develop(canvas: Canvas, random: SceneRandom): Frame {
  const { colour } = canvas;
  const height = canvas.height / OVERSAMPLE;
  const width = canvas.width / OVERSAMPLE;
  const image = new Uint8Array(height * width * 3);
  const labels = new Uint8Array(height * width);
  const seed = random.word();
  const amplitude = random.uniform(2, 6);
  const vignette = random.uniform(0.05, 0.22);
  const balance = [random.uniform(0.96, 1.04), 1, random.uniform(0.96, 1.04)];
  const row = canvas.width * 3;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const dx = (x + 0.5) / width - 0.5;
      const dy = (y + 0.5) / height - 0.5;
      const gain = 1 - vignette * 2 * (dx * dx + dy * dy);
      const grey = amplitude * triangular(4 * x + 3, y, seed);
      const source = OVERSAMPLE * y * row + OVERSAMPLE * x * 3;
      for (let c = 0; c < 3; c++) {
        const i = source + c;
        const sum = colour[i] + colour[i + 3] + colour[i + row] + colour[i + row + 3];
        const value = (sum / 4) * gain * balance[c] + grey + amplitude * 0.5 * triangular(4 * x + c, y, seed);
        image[(y * width + x) * 3 + c] = Math.max(0, Math.min(255, Math.round(value)));
      }
      labels[y * width + x] = canvas.label[OVERSAMPLE * y * canvas.width + OVERSAMPLE * x];
    }
  }
  return { height, width, image, labels };
}

/** Noise of one sample in (-1, 1), most often near 0. */
function triangular(column: number, row: number, seed: number): number {
  return cellNoise(column, 2 * row, seed) - cellNoise(column, 2 * row + 1, seed);
}
