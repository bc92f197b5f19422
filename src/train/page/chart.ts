/** Lines over iterations, as SVG that reads well at the width of a phone. */
import { card, details, escape, jsonScript, show, table } from "./html.ts";
import type { Point } from "./record.ts";

export interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface ChartOptions {
  readonly title: string;
  readonly lines: readonly Line[];
  /** How values are written. */
  readonly format?: (value: number) => string;
  /** Least end of the axis of values, which begins at 0. */
  readonly atLeast?: number;
}

const SIZE = { width: 360, height: 210, left: 44, right: 16, top: 8, bottom: 24 } as const;
const PLOT = {
  width: SIZE.width - SIZE.left - SIZE.right,
  height: SIZE.height - SIZE.top - SIZE.bottom,
} as const;
/** Points of a line; more than that many neighbours are averaged. */
const MOST_POINTS = 240;
/** So few points are marked. */
const MARKED = 40;
/** Colours in the style sheet; after them lines are dashed. */
const COLORS = 8;
const ROWS = 24;

/** A line keeps its colour wherever others have no points. */
type Drawn = Line & { readonly color: number };

/** Empty where no line has a point. */
export function lineChart({ title, lines: all, format = show, atLeast = 0 }: ChartOptions): string {
  const drawn = all.map(({ name, points }, color): Drawn => ({ name, color, points: thin(points) }));
  const lines = drawn.filter(({ points }) => points.length > 0);
  if (lines.length === 0) return "";
  const points = lines.flatMap((line) => line.points);
  const [first, end] = [Math.min(...points.map(([x]) => x), 1), Math.max(...points.map(([x]) => x), 2)];
  const values = points.map(([, value]) => value);
  const bottom = Math.min(0, ...values);
  const ticks = niceTicks(bottom, Math.max(...values, atLeast, bottom + Number.MIN_VALUE));
  const [low, high] = [ticks[0], ticks[ticks.length - 1]];
  const x = (iteration: number): number => SIZE.left + ((iteration - first) / (end - first)) * PLOT.width;
  const y = (value: number): number => SIZE.top + (1 - (value - low) / (high - low)) * PLOT.height;

  const grid = ticks.map((value) => {
    const at = y(value).toFixed(1);
    const line = `<line x1="${SIZE.left}" x2="${SIZE.width - SIZE.right}" y1="${at}" y2="${at}"/>`;
    return `${line}<text x="${SIZE.left - 5}" y="${at}" class="y">${escape(format(value))}</text>`;
  });
  const below = niceTicks(first, end).filter((value) => value >= first && value <= end && Number.isInteger(value));
  const labels = below.map((value) => {
    return `<text x="${x(value).toFixed(1)}" y="${SIZE.height - 8}" class="x">${escape(show(value))}</text>`;
  });
  const paths = lines.map(({ points, color }) => {
    const at = points.map(([iteration, value]) => `${x(iteration).toFixed(1)} ${y(value).toFixed(1)}`);
    const dots = points.length > MARKED ? "" : `<path class="dots" d="${at.map((p) => `M${p}h0`).join("")}"/>`;
    return `<g class="${lineClass(color)}"><path d="M${at.join("L")}"/>${dots}</g>`;
  });
  const label = `${title}. ${lines.map((line) => describe(line, format)).join("; ")}.`;
  const svg =
    `<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" tabindex="0" aria-label="${escape(label)}">` +
    `<g class="grid">${grid.join("")}${labels.join("")}</g>${paths.join("")}<line class="cursor"/></svg>`;
  const data = {
    ...{ left: SIZE.left, width: PLOT.width, top: SIZE.top, bottom: SIZE.top + PLOT.height, first, end },
    lines: lines.map(({ name, points }) => ({ name, points: points.map(([at, value]) => [at, format(value)]) })),
  };
  const legend = all.length === 1 ? "" : `<ul class="legend">${lines.map(legendItem).join("")}</ul>`;
  const output = '<output aria-live="polite"></output>';
  return card(title, `${svg}${legend}${output}${jsonScript(data)}${numbers(title, lines, format)}`, "chart");
}

/** A small line without axes, for a cell of a table: values from 0 to 1 over the given iterations. */
export function sparkline(points: readonly Point[], end: number): string {
  const [width, height] = [96, 22];
  const at = thin(points).map(([iteration, value]) => {
    return `${(3 + (iteration / end) * (width - 6)).toFixed(1)} ${(height - 2 - value * (height - 4)).toFixed(1)}`;
  });
  const dots = at.length > MARKED ? "" : `<path class="dots" d="${at.map((p) => `M${p}h0`).join("")}"/>`;
  const line = at.length === 0 ? "" : `<path d="M${at.join("L")}"/>${dots}`;
  return `<svg class="spark" viewBox="0 0 ${width} ${height}" aria-hidden="true"><g class="l0">${line}</g></svg>`;
}

const lineClass = (color: number): string => `l${color % COLORS}${color >= COLORS ? " dashed" : ""}`;

function legendItem({ name, color }: Drawn): string {
  const sample = `<g class="${lineClass(color)}"><path d="M1 4H21"/></g>`;
  return `<li><svg viewBox="0 0 22 8" aria-hidden="true">${sample}</svg>${escape(name)}</li>`;
}

function describe({ name, points }: Line, format: (value: number) => string): string {
  const [[from, begin], [to, end]] = [points[0], points[points.length - 1]];
  return points.length === 1
    ? `${name} ${format(begin)} at iteration ${from}`
    : `${name} from ${format(begin)} at iteration ${from} to ${format(end)} at ${to}`;
}

function numbers(title: string, lines: readonly Line[], format: (value: number) => string): string {
  const all = [...new Set(lines.flatMap(({ points }) => points.map(([at]) => at)))].sort((a, b) => a - b);
  const step = Math.max(1, (all.length - 1) / (ROWS - 1));
  const chosen = new Set(Array.from({ length: Math.min(all.length, ROWS) }, (_, i) => all[Math.round(i * step)]));
  const values = lines.map(({ points }) => new Map(points));
  const rows = [...chosen].map((at) => {
    return [at.toLocaleString("en"), ...values.map((line) => (line.has(at) ? escape(format(line.get(at)!)) : ""))];
  });
  return details("Numbers", table(title, ["iteration", ...lines.map(({ name }) => name)], rows));
}

/** Averages neighbours where there are too many of them. */
function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= MOST_POINTS) return points;
  return Array.from({ length: MOST_POINTS }, (_, i) => {
    const [start, end] = [i, i + 1].map((k) => Math.floor((k * points.length) / MOST_POINTS));
    const group = points.slice(start, end);
    return [group[group.length - 1][0], group.reduce((sum, [, value]) => sum + value, 0) / group.length];
  });
}

/** Three to six round numbers that hold both. */
function niceTicks(low: number, high: number): number[] {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999)!;
  const start = Math.floor(low / step + 1e-9);
  const count = Math.ceil(high / step - 1e-9) - start + 1;
  return Array.from({ length: count }, (_, i) => Number(((start + i) * step).toPrecision(12)));
}
