/** An analysis as text and as drawings. */
import type { Analysis, LevelAnalysis } from "../analysis/analysis.ts";
import { entropySvg, silhouetteSvg } from "../analysis/bars_svg.ts";
import { cosineSvg } from "../analysis/cosine_svg.ts";
import { projectionSvg } from "../analysis/projection_svg.ts";
import type { DatasetSpec } from "../data/dataset.ts";
import { textTable } from "./text_table.ts";

/** Drawings by file name; `subject` says what they are of. */
export function analysisDrawings(analysis: Analysis, spec: DatasetSpec, subject: string): Map<string, string> {
  const { levels, entropy, memory } = analysis;
  const words = (title: string) => ({ title, subtitle: subject });
  const series = levels.map(({ name, silhouette, scatter }) => ({ name, silhouette, ratio: scatter.balanced.ratio }));
  const drawings = new Map([
    ["separation.svg", silhouetteSvg(series, spec, words("Silhouettes of pixel representations by class"))],
    ["projection.svg", projectionSvg(levels.map(({ pca, tsne }) => [pca, tsne]), spec, words("Pixel representations"))],
  ]);
  const ofMemory = "Cosines between the rows of the memory";
  const ofEntropy = "Entropy of the class weights W, from 0 to 1";
  if (memory) drawings.set("memory-cosine.svg", cosineSvg(memory, spec, words(ofMemory)));
  if (entropy) drawings.set("entropy.svg", entropySvg(entropy, spec, words(ofEntropy)));
  return drawings;
}

const show = (value: number | null): string => (value === null || Number.isNaN(value) ? "-" : value.toFixed(3));

/** The figures in tables; what could not be computed is said by `notes`. */
export function analysisTables(analysis: Analysis, { classNames }: DatasetSpec, notes: readonly string[]): string {
  const { levels, entropy, memory } = analysis;
  const slotName = (slot: number): string => {
    const { labels, slotsPerClass } = memory!;
    return classNames[labels[slot]] + (slotsPerClass === 1 ? "" : ` ${(slot % slotsPerClass) + 1}`);
  };
  const certainty = entropy && `entropy of W: mean ${show(entropy.mean)} of ln K over ${entropy.count} cells`;
  const likeness =
    memory &&
    `memory: ${memory.labels.length - memory.emptySlots.length} of ${memory.labels.length} rows filled, ` +
      `mean cosine between classes ${show(memory.meanOffClass)}` +
      (memory.closest
        ? `, highest ${show(memory.closest.cosine)} (${memory.closest.slots.map(slotName).join(", ")})`
        : "");
  return [
    levelTable(levels),
    "",
    classTable(analysis, classNames),
    "",
    ...[certainty, likeness, ...notes].filter((line) => line !== null),
  ].join("\n");
}

function levelTable(levels: readonly LevelAnalysis[]): string {
  const headings = ["vectors", "channels", "cells", "within", "between", "ratio", "balanced", "silhouette"];
  const rows = levels.map(({ name, channels, scatter, silhouette }) => [
    ...[name, String(channels), String(scatter.count)],
    ...[scatter.within, scatter.between, scatter.ratio, scatter.balanced.ratio, silhouette.mean].map((v) => show(v)),
  ]);
  return textTable([headings, ...rows], 1);
}

/** Per class: cells, silhouettes, of the first kind of vector the spread and the nearest class, and the entropy. */
function classTable({ levels, entropy }: Analysis, classNames: readonly string[]): string {
  const [first] = levels;
  const silhouettes = levels.map(({ name }) => `silhouette ${name}`);
  const headings = ["class", `nearest in ${first.name}`, "cells", "within", "distance", ...silhouettes, "entropy of W"];
  const rows = classNames.map((name, k) => {
    const { count, within, nearest } = first.scatter.classes[k];
    return [
      ...[name, nearest ? classNames[nearest.label] : "-"],
      ...[String(count), show(within), show(nearest?.distance ?? null)],
      ...levels.map(({ silhouette }) => show(silhouette.classes[k])),
      show(entropy?.classes[k] ?? null),
    ];
  });
  return textTable([headings, ...rows], 2);
}
