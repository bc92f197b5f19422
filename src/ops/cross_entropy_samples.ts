/** Inputs on which tests run the losses: scores, labels with some that do not count, class weights. */
import type { Sample, SampleInput } from "./define.ts";
import type { Shape } from "../tensor/shape.ts";

interface Options {
  readonly ignoreIndex: number;
  readonly reduction: "mean" | "sum" | "none";
  readonly emptyMean: "nan" | "zero";
  readonly labelSmoothing: number;
}

const defaults: Options = { ignoreIndex: -100, reduction: "mean", emptyMean: "zero", labelSmoothing: 0 };

/** Every fifth label is `ignored`. */
const labels = (shape: Shape, classes: number, ignored: number): SampleInput => ({
  shape,
  dtype: "i32",
  values: (i, random) => (i % 5 === 2 ? ignored : Math.floor(random() * classes)),
});

const weights = (classes: number): SampleInput => ({ shape: [classes], values: (i) => 0.5 + (i % 3) });

export function samples(logProbs: boolean): Sample<Options>[] {
  const hard: Sample<Options>[] = [
    { inputs: [[1, 1], labels([1], 1, -100), null], options: defaults, note: "one class" },
    { inputs: [[5], labels([], 5, -100), null], options: defaults, note: "one row" },
    { inputs: [[2, 3, 5, 19], labels([2, 3, 5], 19, 255), null], options: { ...defaults, ignoreIndex: 255 } },
    {
      inputs: [[13, 7], labels([13], 7, 3), weights(7)],
      options: { ...defaults, ignoreIndex: 3 },
      note: "a real class",
    },
    { inputs: [[13, 7], labels([13], 7, -100), weights(7)], options: { ...defaults, reduction: "sum" } },
    { inputs: [[3, 4, 6], labels([3, 4], 6, -100), weights(6)], options: { ...defaults, reduction: "none" } },
    { inputs: [[9, 4], labels([9], 4, 4), null], options: defaults, note: "labels beyond the classes" },
    {
      inputs: [[4, 3], { shape: [4], dtype: "i32", values: () => -100 }, null],
      options: defaults,
      note: "nothing counts: 0",
    },
    {
      inputs: [[4, 3], { shape: [4], dtype: "i32", values: () => -100 }, null],
      options: { ...defaults, reduction: "sum" },
      note: "nothing counts",
    },
  ];
  if (logProbs) return hard;
  return [
    ...hard,
    { inputs: [[11, 6], labels([11], 6, -100), null], options: { ...defaults, labelSmoothing: 0.1 } },
    { inputs: [[11, 6], labels([11], 6, -100), weights(6)], options: { ...defaults, labelSmoothing: 0.3 } },
    {
      inputs: [[11, 6], labels([11], 6, -100), weights(6)],
      options: { ...defaults, labelSmoothing: 1, reduction: "none" },
    },
    {
      inputs: [{ shape: [3, 5], values: (i) => 1e4 + 3 * (i % 4) }, labels([3], 5, -100), null],
      options: defaults,
      note: "large scores",
    },
  ];
}
