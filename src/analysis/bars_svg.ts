/** Drawings of one number per class: how certain the class weights are, and how well classes keep apart. */
import { element, text } from "../io/svg.ts";
import type { EntropySummary } from "./entropy.ts";
import type { Silhouette } from "./silhouette.ts";
import { BODY, MARGIN, page } from "./style.ts";
import type { Legend } from "./style.ts";

interface Words {
  readonly title: string;
  readonly subtitle: string;
}

const ROW = 24;
const SERIES_STEP = 4.5;
const LETTER = 7.2;
const PLOT = { width: 420, gap: 70 } as const;

/** Room for the names of classes in front of a plot. */
const nameRoom = (classNames: readonly string[]): number =>
  Math.ceil(LETTER * Math.max(...classNames.map((name) => name.length))) + 14;

/** Mean entropy of every class, and how many pixels have which. */
export function entropySvg({ classes, histogram, mean, count }: EntropySummary, legend: Legend, words: Words): string {
  const { classNames } = legend;
  const left = MARGIN + nameRoom(classNames);
  const top = BODY + 24;
  const bottom = top + ROW * classNames.length;
  const at = (value: number): number => left + PLOT.width * value;
  const bars = classNames.flatMap((name, k) => {
    const y = top + ROW * k;
    const value = classes[k];
    const label = text(name, { x: left - 10, y: y + 16, "text-anchor": "end" });
    if (value === null) return [label, text("no pixels", { class: "faint", x: left + 6, y: y + 16 })];
    const bar = { class: `k${k}`, x: left, y: y + 4, width: Math.max(1, PLOT.width * value), height: ROW - 8, rx: 2 };
    return [label, element("rect", bar), text(value.toFixed(3), { class: "faint", x: at(value) + 6, y: y + 16 })];
  });
  const start = left + PLOT.width + PLOT.gap;
  const height = Math.max(200, bottom - top);
  return page({
    ...{ ...words, legend, width: start + PLOT.width + MARGIN, height: top + height + 52 },
    parts: [
      text("mean of a class's pixels", { class: "panel-head", x: left, y: top - 10 }),
      ...axis([0, 0.25, 0.5, 0.75, 1], at, top, bottom),
      ...bars,
      ...(mean === null ? [] : [marker(at(mean), top, bottom, `all ${mean.toFixed(3)}`)]),
      text("share of the pixels", { class: "panel-head", x: start, y: top - 10 }),
      ...histogramBars({ histogram, count }, start, top, height),
    ],
  });
}

function histogramBars(
  { histogram, count }: Pick<EntropySummary, "histogram" | "count">,
  left: number,
  top: number,
  height: number,
): string[] {
  const shares = histogram.map((n) => (count > 0 ? n / count : 0));
  const most = Math.max(...shares) || 1;
  const width = PLOT.width / histogram.length;
  const at = (value: number): number => left + PLOT.width * value;
  const bars = shares.flatMap((share, i) => {
    const tall = ((height - 18) * share) / most;
    const x = left + i * width;
    const words = text(`${(i / histogram.length).toFixed(2)} and above: ${(100 * share).toFixed(1)} %`, {}, "title");
    const place = { x: x + 1, y: top + height - tall, width: width - 2, height: tall };
    const bar = element("rect", { class: "s2", ...place }, words);
    const isWorthIt = share >= 0.005;
    const number = text((100 * share).toFixed(0), {
      ...{ class: "faint small", x: x + width / 2, y: top + height - tall - 5, "text-anchor": "middle" },
    });
    return isWorthIt ? [bar, number] : [bar];
  });
  return [
    ...axis([0, 0.25, 0.5, 0.75, 1], at, top + height, top + height),
    element("line", { class: "line", x1: left, x2: left + PLOT.width, y1: top + height, y2: top + height }),
    ...bars,
    text("entropy / ln K, percent of the pixels", {
      ...{ class: "faint", x: left + PLOT.width / 2, y: top + height + 36, "text-anchor": "middle" },
    }),
  ];
}

export interface SilhouetteSeries {
  readonly name: string;
  readonly silhouette: Silhouette;
  /** Between-class over within-class scatter, classes alike. */
  readonly ratio: number | null;
}

/** Silhouettes of every class by kind of vector, of which there are up to three. */
export function silhouetteSvg(series: readonly SilhouetteSeries[], legend: Legend, words: Words): string {
  const names = [...legend.classNames, "all"];
  const left = MARGIN + nameRoom(names);
  const top = BODY + 12;
  const bottom = top + ROW * names.length;
  const plot = 1.4 * PLOT.width;
  const at = (value: number): number => left + (plot * (value + 1)) / 2;
  const rows = names.flatMap((name, k) => {
    const y = top + ROW * (k + 0.5);
    const isClass = k < legend.classNames.length;
    const values = series.map(({ silhouette }) => (isClass ? silhouette.classes[k] : silhouette.mean));
    const known = values.filter((value) => value !== null);
    const range = { class: "line", "stroke-width": 2, y1: y, y2: y };
    return [
      text(name, { class: isClass ? "" : "panel-head", x: left - 10, y: y + 4, "text-anchor": "end" }),
      ...(known.length > 1
        ? [element("line", { ...range, x1: at(Math.min(...known)), x2: at(Math.max(...known)) })]
        : []),
      ...(known.length === 0 ? [text("no pixels", { class: "faint", x: at(0) + 8, y: y + 4 })] : []),
      ...values.flatMap((value, i) => {
        if (value === null) return [];
        const words = text(`${name}, ${series[i].name}: ${value.toFixed(3)}`, {}, "title");
        const cy = y + SERIES_STEP * (i - (series.length - 1) / 2); // none hides another
        return [element("circle", { class: `s${i}`, cx: at(value), cy, r: 4.5 }, words)];
      }),
    ];
  });
  const keyX = left + plot + 34;
  const key = series.flatMap(({ name, silhouette, ratio }, i) => {
    const y = top + 14 + 56 * i;
    return [
      element("circle", { class: `s${i}`, cx: keyX + 6, cy: y - 4, r: 5.5 }),
      text(name, { class: "panel-head", x: keyX + 20, y }),
      text(`silhouette ${showNumber(silhouette.mean)}`, { class: "faint", x: keyX + 20, y: y + 17 }),
      text(`between / within ${showNumber(ratio)}`, { class: "faint", x: keyX + 20, y: y + 33 }),
    ];
  });
  const ruler = element("line", { class: "line", x1: left, x2: left + plot, y1: bottom - ROW, y2: bottom - ROW });
  const parts = [...axis([-1, -0.5, 0, 0.5, 1], at, top, bottom), ruler, ...rows, ...key];
  const height = Math.max(bottom, top + 56 * series.length) + 44;
  return page({ ...words, legend, width: keyX + 210, height, parts });
}

const showNumber = (value: number | null): string => (value === null ? "undefined" : value.toFixed(3));

function axis(ticks: readonly number[], at: (value: number) => number, top: number, bottom: number): string[] {
  return ticks.flatMap((tick) => [
    element("line", { class: "grid", x1: at(tick), x2: at(tick), y1: top, y2: bottom }),
    text(String(tick), { class: "faint", x: at(tick), y: bottom + 17, "text-anchor": "middle" }),
  ]);
}

function marker(x: number, top: number, bottom: number, words: string): string {
  const line = element("line", { class: "ink", "stroke-dasharray": "4 3", x1: x, x2: x, y1: top, y2: bottom });
  return line + text(words, { class: "faint", x, y: bottom + 34, "text-anchor": "middle" });
}
