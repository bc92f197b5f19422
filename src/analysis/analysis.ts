/** From what was collected to what is reported: scatter, silhouettes, entropy, cosines of the memory, projections. */
import { cosineMatrix } from "./cosine.ts";
import type { EntropySummary } from "./entropy.ts";
import { pca, project } from "./pca.ts";
import { row, stacked } from "./points.ts";
import type { Points } from "./points.ts";
import type { Placed, Projection } from "./projection_svg.ts";
import type { RepresentationMeter } from "./representations.ts";
import type { Sample } from "./sampler.ts";
import type { ScatterSummary } from "./scatter.ts";
import { silhouette } from "./silhouette.ts";
import type { Silhouette } from "./silhouette.ts";
import { TSNE_DEFAULTS, tsne } from "./tsne.ts";

export interface LevelAnalysis {
  readonly name: string;
  readonly channels: number;
  readonly scatter: ScatterSummary;
  /** Vectors of the sample, of which are silhouette and projections. */
  readonly sampled: number;
  readonly silhouette: Silhouette;
  readonly pca: Projection & { readonly explained: readonly number[] };
  readonly tsne: Projection & { readonly perplexity: number; readonly divergence: number };
}

export interface MemoryAnalysis {
  readonly slotsPerClass: number;
  /** Class of each slot. */
  readonly labels: readonly number[];
  readonly emptySlots: readonly number[];
  readonly cosines: readonly (readonly (number | null)[])[];
  /** Mean over the pairs of slots of different classes; null where there are none. */
  readonly meanOffClass: number | null;
  /** The most similar pair of different classes. */
  readonly closest: { readonly slots: readonly [number, number]; readonly cosine: number } | null;
}

export interface Analysis {
  readonly levels: readonly LevelAnalysis[];
  readonly entropy: EntropySummary | null;
  readonly memory: MemoryAnalysis | null;
}

export interface AnalysisOptions {
  /** M as [K·F, C] and F; null without memory. */
  readonly memory: { readonly rows: Points; readonly slotsPerClass: number } | null;
  /** The level whose space the memory's rows are of. */
  readonly memoryLevel: string;
  readonly numClasses: number;
  readonly seed: number;
  readonly onLevel?: (name: string) => void;
}

export function analyze(meter: RepresentationMeter, options: AnalysisOptions): Analysis {
  const memory = options.memory && analyzeMemory(options.memory.rows, options.memory.slotsPerClass);
  const levels = [...meter.levels].map(([name, { scatter, sampler, channels }]) => {
    options.onLevel?.(name);
    const sample = sampler.sample();
    const slots = memory && name === options.memoryLevel ? filledSlots(options.memory!.rows, memory) : null;
    return {
      ...{ name, channels, scatter: scatter.summary(), sampled: sample.labels.length },
      silhouette: silhouette(sample.points, sample.labels, options.numClasses),
      ...projections(name, sample, slots, options.seed),
    };
  });
  return { levels, entropy: meter.entropy?.summary() ?? null, memory };
}

/** Rows of the memory of which no slot is empty. */
function filledSlots(rows: Points, { labels, emptySlots }: MemoryAnalysis): Sample {
  const filled = labels.map((_, slot) => slot).filter((slot) => !emptySlots.includes(slot));
  const data = new Float64Array(filled.length * rows.channels);
  filled.forEach((slot, i) => data.set(row(rows, slot), i * rows.channels));
  const points = { count: filled.length, channels: rows.channels, data };
  return { points, labels: filled.map((slot) => labels[slot]) };
}

/** The axes are those of the pixels; the map is one of pixels and slots together. */
function projections(name: string, { points, labels }: Sample, slots: Sample | null, seed: number) {
  const isEmpty = points.count === 0;
  const axes = isEmpty ? { mean: new Float64Array(points.channels), axes: [], explained: [] } : pca(points, 2);
  const all = slots ? stacked(points, slots.points) : points;
  const allLabels = [...labels, ...(slots?.labels ?? [])];
  const split = (placed: readonly Placed[]) => {
    return { points: placed.slice(0, labels.length), memory: placed.slice(labels.length) };
  };
  const perplexity = Math.max(1, Math.min(TSNE_DEFAULTS.perplexity, (all.count - 1) / 3));
  const embedding = tsne(all, { perplexity, seed });
  const percent = (share: number): string => `${(100 * share).toFixed(0)} % of the variance`;
  return {
    pca: {
      title: `${name}: principal components`,
      axes: axes.explained.map((share, i) => `component ${i + 1}, ${percent(share)}`),
      ...split(placed(project(all, axes), allLabels)),
      explained: axes.explained,
    },
    tsne: {
      title: `${name}: t-SNE`,
      axes: [],
      ...split(placed(embedding.points, allLabels)),
      perplexity,
      divergence: embedding.divergence,
    },
  };
}

/** Coordinates to six digits; one that there is no axis for is 0. */
function placed(points: Points, labels: readonly number[]): Placed[] {
  const round = (value: number | undefined): number => Number((value ?? 0).toPrecision(6));
  return labels.map((label, i) => {
    const [x, y] = row(points, i);
    return { label, x: round(x), y: round(y) };
  });
}

function analyzeMemory(rows: Points, slotsPerClass: number): MemoryAnalysis {
  const cosines = cosineMatrix(rows);
  const labels = cosines.map((_, slot) => Math.floor(slot / slotsPerClass));
  const pairs = labels.flatMap((label, i) =>
    labels.slice(0, i).flatMap((other, j) => {
      const cosine = cosines[i][j];
      return label === other || cosine === null ? [] : [{ slots: [j, i] as const, cosine }];
    }),
  );
  const sum = pairs.reduce((all, { cosine }) => all + cosine, 0);
  return {
    ...{ slotsPerClass, labels, cosines },
    emptySlots: labels.map((_, slot) => slot).filter((slot) => row(rows, slot).every((value) => value === 0)),
    meanOffClass: pairs.length > 0 ? sum / pairs.length : null,
    closest: pairs.reduce<(typeof pairs)[number] | null>((best, pair) => {
      return best === null || pair.cosine > best.cosine ? pair : best;
    }, null),
  };
}
