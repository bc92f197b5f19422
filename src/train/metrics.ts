/** Scores of a segmentation, from its confusion matrix: METHOD.md 7.3. */

/** Numbers of pixels by [label][prediction], row-major; ignored pixels are in none of them. */
export interface Confusion {
  readonly classes: number;
  readonly counts: Float64Array;
}

/** One value per class; NaN where a class has no pixel to judge by. */
export type PerClass = Float64Array;

export interface Scores {
  /** Pixels: correct ones, in the label, in the prediction, and in either. */
  readonly intersection: PerClass;
  readonly labelled: PerClass;
  readonly predicted: PerClass;
  readonly union: PerClass;
  readonly iou: PerClass;
  /** Share of a class's pixels that were found; the same number as the recall. */
  readonly accuracy: PerClass;
  readonly precision: PerClass;
  readonly recall: PerClass;
  readonly fscore: PerClass;
  readonly dice: PerClass;
  /** Means over the classes that are not NaN. */
  readonly meanIou: number;
  readonly meanAccuracy: number;
  readonly meanPrecision: number;
  readonly meanFscore: number;
  readonly meanDice: number;
  /** Share of all pixels that are correct. */
  readonly pixelAccuracy: number;
}

export interface ScoreOptions {
  /** Weight of the recall against the precision in the F-score. Default 1. */
  readonly beta?: number;
  /** Counts classes without pixels with this value instead of leaving them out of the means. */
  readonly nanToNum?: number;
}

export function emptyConfusion(classes: number): Confusion {
  return { classes, counts: new Float64Array(classes * classes) };
}

/** Counts by [label][prediction]. */
export function rowsOf({ classes, counts }: Confusion): number[][] {
  return Array.from({ length: classes }, (_, k) => [...counts.subarray(k * classes, (k + 1) * classes)]);
}

/** Adds counts in place. Exact up to 2^53 pixels, which the 32-bit counters of the GPU are not. */
export function addCounts({ counts }: Confusion, more: ArrayLike<number>): void {
  for (let i = 0; i < counts.length; i++) counts[i] += more[i];
}

export function scores({ classes, counts }: Confusion, { beta = 1, nanToNum }: ScoreOptions = {}): Scores {
  const labelled = new Float64Array(classes);
  const predicted = new Float64Array(classes);
  const intersection = new Float64Array(classes);
  counts.forEach((count, i) => {
    labelled[Math.floor(i / classes)] += count;
    predicted[i % classes] += count;
  });
  for (let k = 0; k < classes; k++) intersection[k] = counts[k * classes + k];

  const perClass = (value: (k: number) => number): PerClass =>
    Float64Array.from({ length: classes }, (_, k) => value(k));
  const known = (value: number): number => (Number.isNaN(value) ? (nanToNum ?? value) : value);
  const union = perClass((k) => labelled[k] + predicted[k] - intersection[k]);
  const share = (of: PerClass): PerClass => perClass((k) => intersection[k] / of[k]);
  const weight = beta * beta;
  const [p, r] = [share(predicted), share(labelled)];
  const [iou, precision, recall, fscore, dice] = [
    share(union),
    p,
    r,
    perClass((k) => ((1 + weight) * p[k] * r[k]) / (weight * p[k] + r[k])), // NaN where one of them is
    perClass((k) => (2 * intersection[k]) / (labelled[k] + predicted[k])),
  ].map((values) => values.map(known));
  return {
    ...{ intersection, labelled, predicted, union, iou, accuracy: recall, precision, recall, fscore, dice },
    meanIou: nanMean(iou),
    meanAccuracy: nanMean(recall),
    meanPrecision: nanMean(precision),
    meanFscore: nanMean(fscore),
    meanDice: nanMean(dice),
    pixelAccuracy: known(total(intersection) / total(labelled)),
  };
}

function total(values: PerClass): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function nanMean(values: PerClass): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return total(known) / known.length;
}
