/** The picture and what lies over it: classes, or a map of the network's feature grid, and the pixel asked for. */
import type { Rgb } from "../../data/dataset.ts";
import { canvasOf, contextOf } from "./dom.ts";

/** Numbers from 0 up over a coarse grid: the largest is drawn brightest. */
export interface HeatMap {
  readonly rows: number;
  readonly columns: number;
  readonly values: ArrayLike<number>;
}

export interface Place {
  /** In 0..1 from the top left corner. */
  readonly x: number;
  readonly y: number;
}

/** A pixel is pointed at. */
export interface Picked {
  readonly place: Place;
  /** On the way with the arrow keys, and not pressed. */
  readonly isMove: boolean;
}

const CENTRE: Place = { x: 0.5, y: 0.5 };
const AMBER: Rgb = [255, 186, 41];
/** Steps of the arrow keys, in shares of the picture. */
const STEP = 1 / 32;

export class Stage {
  /** How much of the picture the classes cover, in 0..1. */
  opacity = 0.6;
  readonly #canvas: HTMLCanvasElement;
  #picture: HTMLCanvasElement | null = null;
  #overlay: HTMLCanvasElement | null = null;
  #classes: Uint8Array | null = null;
  #palette: readonly Rgb[] = [];
  #heat: HeatMap | null = null;
  #place: Place | null = null;
  #highlighted: number | null = null;
  #picks = false;

  constructor(canvas: HTMLCanvasElement, onPick: (pick: Picked) => void) {
    this.#canvas = canvas;
    const pick = (place: Place, isMove: boolean): void => {
      this.mark(place);
      onPick({ place, isMove });
    };
    canvas.addEventListener("click", ({ offsetX, offsetY }) => {
      if (this.#picks) pick(placeAt(offsetX / canvas.clientWidth, offsetY / canvas.clientHeight), false);
    });
    canvas.addEventListener("keydown", (event) => {
      const move = MOVES[event.key];
      if (!move || !this.#picks) return;
      event.preventDefault();
      const { x, y } = this.#place ?? CENTRE;
      pick(placeAt(x + move[0] * STEP, y + move[1] * STEP), event.key !== "Enter");
    });
  }

  /** Whether pixels can be chosen, by pointer and by arrow keys, or the picture is to be looked at only. */
  set picks(picks: boolean) {
    this.#picks = picks;
    this.#canvas.setAttribute("role", picks ? "application" : "img"); // which leaves the arrow keys to the page
    for (const [name, value] of [["tabindex", "0"], ["aria-describedby", "keys"]]) {
      if (picks) this.#canvas.setAttribute(name, value);
      else this.#canvas.removeAttribute(name);
    }
  }

  /** What is to be seen, for those who do not. */
  describe(words: string): void {
    this.#canvas.setAttribute("aria-label", words);
  }

  /** Another picture, without classes. */
  show(picture: HTMLCanvasElement): void {
    this.#picture = picture;
    this.#classes = this.#overlay = null;
    this.draw();
  }

  /** Class of every pixel of the picture. */
  setClasses(classes: Uint8Array, palette: readonly Rgb[]): void {
    this.#classes = classes;
    this.#palette = palette;
    this.#overlay = this.#paintClasses();
    this.draw();
  }

  /** Shows one class alone; null for all. */
  highlight(id: number | null): void {
    this.#highlighted = id;
    if (this.#classes) this.#overlay = this.#paintClasses();
    this.draw();
  }

  /** A map in place of the classes, over every picture to come; null for the classes. */
  setHeat(heat: HeatMap | null): void {
    this.#heat = heat;
    this.draw();
  }

  /** The pixel chosen last. */
  get place(): Place | null {
    return this.#place;
  }

  /** Marks a pixel, where pixels can be chosen; null for none. */
  mark(place: Place | null): void {
    this.#place = place;
    this.draw();
  }

  draw(): void {
    const picture = this.#picture;
    if (!picture) return;
    const { width, height } = picture;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      Object.assign(this.#canvas, { width, height });
      this.#canvas.style.setProperty("--ratio", String(width / height));
    }
    const context = contextOf(this.#canvas);
    context.globalAlpha = 1;
    context.drawImage(picture, 0, 0);
    if (this.#heat) this.#drawHeat(context, this.#heat);
    else if (this.#overlay) {
      context.globalAlpha = this.opacity;
      context.drawImage(this.#overlay, 0, 0);
      context.globalAlpha = 1;
    }
    if (this.#place && this.#picks) drawMarker(context, this.#place);
  }

  #drawHeat(context: CanvasRenderingContext2D, { rows, columns, values }: HeatMap): void {
    const { width, height } = this.#canvas;
    context.fillStyle = "rgb(10 14 20 / 0.62)";
    context.fillRect(0, 0, width, height);
    const small = canvasOf(columns, rows);
    const pixels = new ImageData(columns, rows);
    const most = Math.max(...Array.from(values), 1e-12);
    for (let i = 0; i < rows * columns; i++) {
      pixels.data.set([...AMBER, Math.round(235 * Math.sqrt(values[i] / most))], 4 * i);
    }
    contextOf(small).putImageData(pixels, 0, 0);
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(small, 0, 0, width, height);
  }

  #paintClasses(): HTMLCanvasElement {
    const { width, height } = this.#picture!;
    const pixels = new ImageData(width, height);
    const words = new Uint32Array(pixels.data.buffer);
    const colors = this.#palette.map(([r, g, b], id) => {
      const isShown = this.#highlighted === null || this.#highlighted === id;
      return isShown ? (0xff000000 | (b << 16) | (g << 8) | r) >>> 0 : 0xb4101014; // little endian: A, B, G, R
    });
    const classes = this.#classes!;
    for (let i = 0; i < classes.length; i++) words[i] = colors[classes[i]] ?? 0;
    const canvas = canvasOf(width, height);
    contextOf(canvas).putImageData(pixels, 0, 0);
    return canvas;
  }
}

const MOVES: Readonly<Record<string, readonly [number, number]>> = {
  ...{ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Enter: [0, 0] },
};

function placeAt(x: number, y: number): Place {
  const within = (share: number): number => Math.min(1 - 1e-6, Math.max(0, share));
  return { x: within(x), y: within(y) };
}

function drawMarker(context: CanvasRenderingContext2D, { x, y }: Place): void {
  const { width, height } = context.canvas;
  const unit = Math.max(width, height) / 100;
  for (const [color, line] of [["rgb(0 0 0 / 0.7)", 0.9], ["white", 0.4]] as const) {
    context.strokeStyle = color;
    context.lineWidth = line * unit;
    context.beginPath();
    context.arc(x * width, y * height, 1.5 * unit, 0, 2 * Math.PI);
    context.stroke();
  }
}
