/** What objects are drawn with: planes in the world, filled in perspective, lit, and veiled by haze. */
import type { Camera, Plane } from "./camera.ts";
import { OVERSAMPLE, type Canvas } from "./canvas.ts";
import type { Label } from "./labels.ts";
import type { Light } from "./light.ts";
import type { Colour, Paint } from "./paint.ts";
import { ellipse, type Outline, type Point } from "./shapes.ts";

export class Stage {
  readonly canvas: Canvas;
  readonly camera: Camera;
  readonly light: Light;

  constructor(canvas: Canvas, camera: Camera, light: Light) {
    this.canvas = canvas;
    this.camera = camera;
    this.light = light;
  }

  /** Paints the outline on the plane. Later fills cover earlier ones, so draw from far to near. */
  fill(plane: Plane, outline: Outline, paint: Paint, label: Label): void {
    const { colour: pixels, label: labels, width } = this.canvas;
    const [a0, a1, a2, b0, b1, b2, w0, w1, w2] = plane.inverse;
    const [red, green, blue] = this.light.on(plane.normal);
    const { horizon, visibility } = this.light;
    this.canvas.spans(this.#toCanvas(plane, outline), (y, x0, x1) => {
      const v = (y + 0.5) / OVERSAMPLE;
      labels.fill(label, y * width + x0, y * width + x1);
      for (let x = x0; x < x1; x++) {
        const u = (x + 0.5) / OVERSAMPLE;
        const z = 1 / (w0 * u + w1 * v + w2);
        const colour = typeof paint === "function"
          ? paint((a0 * u + a1 * v + a2) * z, (b0 * u + b1 * v + b2) * z)
          : paint;
        if (!colour) continue;
        const i = y * width + x;
        const clear = visibility / (visibility + z);
        const haze = 1 - clear;
        pixels[3 * i] = colour[0] * red * clear + horizon[0] * haze;
        pixels[3 * i + 1] = colour[1] * green * clear + horizon[1] * haze;
        pixels[3 * i + 2] = colour[2] * blue * clear + horizon[2] * haze;
      }
    });
  }

  /** Writes only the label: for what one sees through but what counts as the object, such as a wheel's spokes. */
  mask(plane: Plane, outline: Outline, label: Label): void {
    const { label: labels, width } = this.canvas;
    this.canvas.spans(this.#toCanvas(plane, outline), (y, x0, x1) => {
      labels.fill(label, y * width + x0, y * width + x1);
    });
  }

  /** Darkens what is there and keeps its label; `strength` 0 is nothing, 1 as deep as this light's shadows get. */
  shadow(plane: Plane, outline: Outline, strength: number): void {
    const { colour: pixels, width } = this.canvas;
    const factor = 1 - strength * (0.25 + 0.6 * this.light.contrast);
    this.canvas.spans(this.#toCanvas(plane, outline), (y, x0, x1) => {
      for (let i = 3 * (y * width + x0); i < 3 * (y * width + x1); i++) pixels[i] *= factor;
    });
  }

  /** The soft dark patch under anything that stands on the ground. */
  contactShadow(x: number, z: number, radiusX: number, radiusZ: number): void {
    const ground = this.camera.ground();
    const lean = -this.light.sun[0] * this.light.contrast * 0.6;
    this.shadow(ground, ellipse(x + lean * radiusX, z, radiusX * 1.15, radiusZ * 1.15), 0.45);
    this.shadow(ground, ellipse(x + lean * radiusX * 0.5, z, radiusX * 0.9, radiusZ * 0.9), 0.45);
  }

  /**
   * Fills everything above the horizon; `paint` gets u and v as shares of the image's width and of the sky's height.
   * Clouds have no sharp edges: one sample per final pixel is enough.
   */
  sky(paint: (u: number, v: number) => Colour, label: Label): void {
    const { colour: pixels, label: labels, width, height } = this.canvas;
    const rows = Math.min(height, OVERSAMPLE * Math.ceil(this.camera.horizonV));
    labels.fill(label, 0, rows * width);
    for (let y = 0; y < rows; y += OVERSAMPLE) {
      const start = 3 * y * width;
      for (let x = 0; x < width; x += OVERSAMPLE) {
        const colour = paint((x + OVERSAMPLE / 2) / width, (y + OVERSAMPLE / 2) / rows);
        for (let i = 0; i < 3 * OVERSAMPLE; i++) pixels[start + 3 * x + i] = colour[i % 3];
      }
      for (let copy = 1; copy < OVERSAMPLE; copy++) {
        pixels.copyWithin(start + 3 * copy * width, start, start + 3 * width);
      }
    }
  }

  #toCanvas(plane: Plane, outline: Outline): Point[] {
    return plane.project(outline).map(([u, v]) => [u * OVERSAMPLE, v * OVERSAMPLE]);
  }
}
