import { noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample, SampleInput } from "./define.ts";
import { ndarray } from "./ndarray.ts";
import { checkLabels, forEachPixel, logSumExp, pixelLosses } from "./upsampled_cross_entropy.ts";
import type { ResizeOptions } from "./upsampled_cross_entropy.ts";

/** Of `hardPixels`. */
export interface HardPixelsOptions extends ResizeOptions {
  /** Least number of pixels to keep, as far as there are so many; see `hardPixels`. */
  readonly minKept: number;
  /** Keeps all pixels whose own class gets a lower probability; 0: just the `minKept` largest losses. */
  readonly threshold: number;
}

/** Rounds of 8 bits over the losses, and over them and the positions that tell equal ones apart. */
const LOSS_ROUNDS = 4;
const KEY_ROUNDS = 8;
/** Pixels per invocation. */
const SHARE = 16;

const hardPixelsOp = defineOp<readonly [Tensor, Tensor], HardPixelsOptions>({
  name: "hard_pixels",
  forward(_ctx, [logits, labels], options) {
    const { gpu } = logits;
    const { threshold, ignoreIndex } = options;
    const kept = Tensor.empty(gpu, labels.shape, "i32");
    using _scratch = gpu.arena();
    const losses = pixelLosses(logits, labels, options);
    const [bins, key] = [Tensor.zeros(gpu, [256], "u32"), Tensor.zeros(gpu, [3], "u32")];
    const isLargest = threshold === 0;
    const constants = { CLASSES: logits.shape[3], IGNORE: ignoreIndex, LARGEST: isLargest };
    const call = (round: number) => ({
      constants,
      params: { count: labels.size, round, rank: rankOf(options), least: leastLoss(options) },
    });
    for (let round = 0; round < (isLargest ? KEY_ROUNDS : LOSS_ROUNDS); round++) {
      gpu.run("hard_pixels.histogram", { losses, labels, bins, key }, {
        ...call(round), elements: Math.ceil(labels.size / SHARE),
      });
      gpu.run("hard_pixels.narrow", { bins, key }, call(round));
    }
    gpu.run("hard_pixels.keep", { losses, labels, found: key, kept }, { ...call(0), elements: labels.size });
    return kept;
  },
  reference([logits, labels], options) {
    const pixels: { readonly loss: number; readonly flat: number }[] = [];
    forEachPixel(logits!, labels!, options, (z, label, flat) => pixels.push({ loss: logSumExp(z) - z[label], flat }));
    pixels.sort((a, b) => b.loss - a.loss || a.flat - b.flat);
    const rank = Math.min(rankOf(options), pixels.length - 1);
    const limit = Math.min(pixels[rank]?.loss ?? 0, leastLoss(options));
    const chosen = options.threshold === 0 ? pixels.slice(0, rank + 1) : pixels.filter(({ loss }) => loss > limit);
    const kept = new Set(chosen.map(({ flat }) => flat));
    return ndarray(labels!.shape, labels!.data.map((label, flat) => (kept.has(flat) ? label : options.ignoreIndex)));
  },
  samples: samples(),
});

/** How many pixels stand before the one that decides. */
const rankOf = ({ threshold, minKept }: HardPixelsOptions): number => (threshold === 0 ? minKept - 1 : minKept);

/** The loss of a probability of `threshold`. */
const leastLoss = ({ threshold }: HardPixelsOptions): number => (threshold === 0 ? 0 : -Math.log(threshold));

function samples(): Sample<HardPixelsOptions>[] {
  const labels: SampleInput = {
    shape: [2, 9, 13],
    dtype: "i32",
    values: (i, random) => [255, -7, 5, 99][i % 9] ?? Math.floor(random() * 5),
  };
  const resize = { ignoreIndex: 255, alignCorners: false };
  const random = [2, 3, 4, 5];
  const even: SampleInput = { shape: [2, 9, 13, 5], values: (i) => (i % 5 === 0 ? (i % 3) - 1 : 0) };
  const unlabelled: SampleInput = { shape: [2, 9, 13], dtype: "i32", values: () => 255 };
  const cases: readonly (readonly [number[] | SampleInput, SampleInput, number, number, string])[] = [
    [random, labels, 1, 0.3, "all below the threshold"],
    [random, labels, 100, 1e-4, "a least number above the threshold"],
    [random, labels, 10_000, 0.9, "more than there are"],
    [random, labels, 37, 0, "the largest losses"],
    [random, labels, 10_000, 0, "all of them"],
    [even, labels, 30, 0, "ties: the first ones"],
    [even, labels, 30, 1e-3, "ties: none of them"],
    [random, unlabelled, 3, 0, "nothing counts, largest losses"],
    [random, unlabelled, 3, 0.5, "nothing counts, threshold"],
  ];
  return cases.map(([logits, label, minKept, threshold, note]) => ({
    inputs: [logits, label], options: { ...resize, minKept, threshold }, note,
  }));
}

/**
 * Online hard example mining: a copy of the labels, i32 [n, height, width], in which only pixels that the logits
 * [n, h, w, K], resized bilinearly to them, get wrong keep theirs and all others are `ignoreIndex` (OHEMPixelSampler of
 * the official code, over the batch as a whole). Not recorded.
 *
 * With a threshold those are kept whose probability p of their own class is below it or below the p at place `minKept`,
 * counting from 0, of all in rising order, or the last one; pixels that tie with it are not. Without one it is the
 * `minKept` pixels of the largest -log p, of equal ones those that come first.
 */
export function hardPixels(logits: Tensor, label: Tensor, options: HardPixelsOptions): Tensor {
  const { minKept, threshold } = options;
  checkLabels("hardPixels", logits, label, options);
  if (!(Number.isInteger(minKept) && minKept >= 1)) throw new Error(`minKept must be at least 1, got ${minKept}`);
  if (!(threshold >= 0 && threshold <= 1)) throw new Error(`threshold must be between 0 and 1, got ${threshold}`);
  return noGrad(() => apply(hardPixelsOp, [logits, label], options));
}
