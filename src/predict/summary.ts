/** What a command says about the images it predicted, and about those it did not. */
import type { InferenceOptions } from "../train/inference.ts";
import { duration } from "../train/progress.ts";
import type { ProgressLine } from "../train/progress.ts";
import type { Image, Refusal } from "./inputs.ts";
import { sharesOf, showShare } from "./pictures.ts";
import type { PredictedImage } from "./predict.ts";

/** Classes that a line names. */
const MOST_SHOWN = 5;

interface Entry {
  readonly image: Image;
  readonly width: number;
  readonly height: number;
  readonly seconds: number;
  /** By train id. */
  readonly shares: readonly number[];
}

export class Summary {
  readonly skipped: Refusal[] = [];
  readonly #entries: Entry[] = [];
  readonly #classNames: readonly string[];
  readonly #output: ProgressLine;
  readonly #total: number;
  readonly #showDone: (done: number, total: number) => void;
  readonly #begun = performance.now();

  /** @param total inputs to come */
  constructor(classNames: readonly string[], output: ProgressLine, total: number) {
    this.#classNames = classNames;
    this.#output = output;
    this.#total = total;
    this.#showDone = output.task("predicting", "inputs");
  }

  /** Those that were predicted, in their order. */
  get images(): Image[] {
    return this.#entries.map(({ image }) => image);
  }

  add(prediction: PredictedImage): void {
    const { image, width, height, seconds } = prediction;
    const shares = sharesOf(prediction, this.#classNames.length);
    this.#entries.push({ image, width, height, seconds, shares });
    this.#output.log(`${image.path}: ${width}x${height}, ${showSeconds(seconds)}: ${this.#showShares(shares)}`);
    this.#showDone(this.#entries.length + this.skipped.length, this.#total);
  }

  skip(refusal: Refusal): void {
    const { path, reason } = refusal;
    this.skipped.push(refusal);
    this.#output.warn(`skipped: ${reason.includes(path) ? reason : `${path}: ${reason}`}`);
  }

  /** Ends with the totals: time, and shares of all pixels of all images. */
  end(out: string): void {
    const count = this.#entries.length;
    const pixels = this.#entries.reduce((sum, { width, height }) => sum + width * height, 0);
    const all = this.#classNames.map((_, k) => {
      return this.#entries.reduce((sum, { width, height, shares }) => sum + width * height * shares[k], 0) / pixels;
    });
    const took = duration((performance.now() - this.#begun) / 1000);
    const skipped = this.skipped.length > 0 ? `, ${this.skipped.length} of the inputs skipped` : "";
    if (count > 1) this.#output.log(`all: ${this.#showShares(all)}`);
    const result = { predicted: count, skipped: this.skipped.length, out };
    this.#output.print(`${countOf(count)} predicted${skipped}; results in ${out} (${took})`, result);
  }

  toJson(checkpoint: string, options: InferenceOptions): string {
    const names = this.#classNames;
    const images = this.#entries.map(({ image: { path, name }, shares, ...entry }) => {
      return { path, name, ...entry, shares: Object.fromEntries(shares.map((share, k) => [names[k], share])) };
    });
    return `${JSON.stringify({ checkpoint, eval: options, images, skipped: this.skipped }, null, 2)}\n`;
  }

  #showShares(shares: readonly number[]): string {
    const present = shares.map((share, k) => ({ share, name: this.#classNames[k] })).filter(({ share }) => share > 0);
    const largest = present.sort((a, b) => b.share - a.share).slice(0, MOST_SHOWN);
    const shown = largest.map(({ name, share }) => `${name} ${showShare(share)}`);
    const rest = present.length - shown.length;
    return [...shown, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
  }
}

export const countOf = (images: number): string => `${images} image${images === 1 ? "" : "s"}`;

const showSeconds = (seconds: number): string => `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
