/**
 * The roofline of a run (Williams, Waterman, Patterson, "Roofline", CACM 2009) as SVG: every row by its arithmetic
 * intensity and its rate, below what the adapter's bandwidth and arithmetic allow. It needs nothing besides itself.
 */
import { LogScale } from "./log_scale.ts";
import { short } from "./report.ts";
import type { Row } from "./report.ts";
import { title as nameOf } from "./measured.ts";
import type { Results } from "./results.ts";
import { element, text } from "../src/io/svg.ts";

interface Family {
  readonly label: string;
  /** On light and on dark ground. */
  readonly colours: readonly [light: string, dark: string];
  readonly has: (row: Pick<Row, "op" | "pass">) => boolean;
}

const among =
  (...ops: readonly string[]) =>
  ({ op }: Pick<Row, "op">): boolean =>
    ops.includes(op);
const convolution =
  (wanted: Row["pass"]) =>
  ({ op, pass }: Pick<Row, "op" | "pass">): boolean =>
    op === "conv2d" && pass === wanted;

/** The first one that has a row gives it its colour. */
export const FAMILIES: readonly Family[] = [
  { label: "convolution", colours: ["#0969da", "#58a6ff"], has: convolution("forward") },
  { label: "its input gradient", colours: ["#8250df", "#bc8cff"], has: convolution("backwardInput") },
  { label: "its weight gradient", colours: ["#cf222e", "#ff7b72"], has: convolution("backwardWeight") },
  { label: "matrix product", colours: ["#1a7f37", "#3fb950"], has: among("matmul") },
  { label: "attention, memory", colours: ["#bf3989", "#f778ba"], has: among("attention", "update_memory") },
  { label: "normalisation", colours: ["#9a6700", "#e3b341"], has: among("batch_norm", "layer_norm", "normalize") },
  {
    label: "scores and losses",
    colours: ["#e16f24", "#f0883e"],
    has: among(
      ...["softmax", "interpolate_bilinear", "upsampled_cross_entropy", "cross_entropy", "hard_pixels"],
      ...["argmax", "confusion"],
    ),
  },
  { label: "optimiser", colours: ["#0e8a8a", "#39c5cf"], has: among("sgd", "adam", "clip_grad_norm") },
  { label: "other passes", colours: ["#57606a", "#8b949e"], has: () => true },
];

const SIZE = { width: 1000, height: 720 } as const;
/** Of the plot itself; below it lies the strip of the rows without arithmetic. */
const PLOT = { left: 72, right: 776, top: 84, bottom: 532 } as const;
const STRIP = { top: 588, bottom: 618 } as const;
const LEGEND_X = 800;
const RADIUS = 4.5;
/** Decades below the peak that are drawn; what is slower still is mostly the cost of a dispatch. */
const DECADES = 4;

const STYLE = `
text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.page { fill: #ffffff; }
.head { font-size: 19px; font-weight: 600; }
.faint { fill: #59636e; font-size: 12px; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.ground { fill: #f6f8fa; }
.roof { stroke: #1f2328; stroke-width: 2; fill: none; stroke-linejoin: round; }
.dot { fill-opacity: 0.75; stroke: #ffffff; stroke-width: 0.75; }
.dot:hover { fill-opacity: 1; stroke: #1f2328; stroke-width: 2; }
${FAMILIES.map(({ colours }, i) => `.f${i} { fill: ${colours[0]}; }`).join("\n")}
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.page { fill: #0d1117; }
.faint { fill: #9198a1; }
.grid { stroke: #30363d; }
.ground { fill: #151b23; }
.roof { stroke: #e6edf3; }
.dot { stroke: #0d1117; }
.dot:hover { stroke: #e6edf3; }
${FAMILIES.map(({ colours }, i) => `.f${i} { fill: ${colours[1]}; }`).join("\n")}
}
`;

/** The drawing of at least one row. */
export function rooflineSvg({ adapter, peak, rows }: Pick<Results, "adapter" | "peak" | "rows">): string {
  const counting = rows.filter(({ gflops }) => gflops > 0);
  const moving = rows.filter(({ gflops }) => gflops === 0);
  const ridge = peak.gflops / peak.gbps;
  const intensities = [ridge, ...counting.map(intensity)];
  const x = new LogScale([Math.min(...intensities) / 2, Math.max(...intensities) * 2], [PLOT.left, PLOT.right]);
  const fastest = Math.max(peak.gflops, ...counting.map(({ gflops }) => gflops));
  const slowest = Math.min(peak.gflops / 10, ...counting.map(({ gflops }) => gflops / 1.5));
  const floor = Math.max(slowest, peak.gflops / 10 ** DECADES);
  const y = new LogScale([floor, 2 * fastest], [PLOT.bottom, PLOT.top]);
  const below = counting.filter(({ gflops }) => gflops < floor).length;
  const name = adapter.description || adapter.device || "unnamed adapter";
  const parts = [
    element("style", {}, STYLE),
    element("rect", { class: "page", width: SIZE.width, height: SIZE.height }),
    text("Roofline of the training kernels", { class: "head", x: PLOT.left, y: 36 }),
    text(`${rows.length} rows; the roof is measured: multiply-adds out of registers, and a copy through memory`, {
      ...{ class: "faint", x: PLOT.left, y: 58 },
    }),
    ...axes(x, y),
    ...roof(x, y, peak),
    ...counting.map((row) => dot(row, x.at(intensity(row)), Math.min(y.at(row.gflops), PLOT.bottom))),
    ...legend(rows, below),
    ...(moving.length > 0 ? strip(moving, peak.gbps) : []),
    text(name, { class: "faint", x: PLOT.left, y: 674 }),
    ...(adapter.processor ? [text(`on ${adapter.processor}`, { class: "faint", x: PLOT.left, y: 692 })] : []),
  ];
  const { width, height } = SIZE;
  const root = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" };
  return `${element("svg", { ...root, "aria-label": `Roofline of ${name}` }, `\n${parts.join("\n")}\n`)}\n`;
}

/** Floating-point operations per byte, both as the row counts them. */
function intensity({ gflops, gbps }: Row): number {
  return gflops / gbps;
}

function axes(x: LogScale, y: LogScale): string[] {
  const vertical = x.ticks().flatMap((value) => {
    const at = x.at(value);
    return [line(at, PLOT.top, at, PLOT.bottom), number(value, at, PLOT.bottom + 18, "middle")];
  });
  const horizontal = y.ticks().flatMap((value) => {
    const at = y.at(value);
    return [line(PLOT.left, at, PLOT.right, at), number(value, PLOT.left - 8, at + 4, "end")];
  });
  const middle = (PLOT.top + PLOT.bottom) / 2;
  const centred = { class: "faint", "text-anchor": "middle" };
  return [
    ...vertical,
    ...horizontal,
    text("arithmetic intensity, flop per byte", { ...centred, x: (PLOT.left + PLOT.right) / 2, y: PLOT.bottom + 34 }),
    text("GFLOP/s", { ...centred, x: 20, y: middle, transform: `rotate(-90 20 ${middle})` }),
  ];
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return element("line", { class: "grid", x1, y1, x2, y2 });
}

function number(value: number, x: number, y: number, anchor: "middle" | "end"): string {
  return text(String(value), { class: "faint", x, y, "text-anchor": anchor });
}

/** The slope of the bandwidth up to the ridge, the ceiling of the arithmetic from there on. */
function roof(x: LogScale, y: LogScale, { gflops, gbps }: Results["peak"]): string[] {
  const ridge = gflops / gbps;
  const [low, high] = x.domain;
  const start = Math.max(low, y.domain[0] / gbps);
  const corners = ([[start, start * gbps], [ridge, gflops], [high, gflops]] as const).map(([at, rate]) => {
    return `${round(x.at(at))},${round(y.at(rate))}`;
  });
  const ground = [...corners, `${PLOT.right},${PLOT.bottom}`, `${round(x.at(start))},${PLOT.bottom}`];
  const slope = start ** 0.3 * ridge ** 0.7; // where few dots come so high
  const [atX, atY] = [x.at(slope), y.at(slope * gbps)].map(round);
  const angle = (180 / Math.PI) * Math.atan2(y.at(gflops) - y.at(start * gbps), x.at(ridge) - x.at(start));
  return [
    element("polygon", { class: "ground", "fill-opacity": 0.6, points: ground.join(" ") }),
    element("polyline", { class: "roof", points: corners.join(" ") }),
    text(`${short(gbps)} GB/s copied`, {
      ...{ x: atX, y: atY - 9, "text-anchor": "middle", transform: `rotate(${round(angle)} ${atX} ${atY})` },
    }),
    text(`${short(gflops)} GFLOP/s of multiply-adds`, { x: PLOT.right - 6, y: y.at(gflops) - 9, "text-anchor": "end" }),
  ];
}

/** What does not calculate has no place above: it is drawn by the bytes that it moves. */
function strip(rows: readonly Row[], gbps: number): string[] {
  const rates = rows.map((row) => row.gbps);
  const ends = [Math.min(gbps / 10, ...rates) / 1.5, Math.max(gbps, ...rates) * 1.5] as const;
  const x = new LogScale(ends, [PLOT.left, PLOT.right]);
  const middle = (STRIP.top + STRIP.bottom) / 2;
  const height = STRIP.bottom - STRIP.top;
  const roofAt = x.at(gbps);
  return [
    text("without arithmetic, by GB/s", { class: "faint", x: PLOT.left, y: STRIP.top - 8 }),
    element("rect", { class: "ground", x: PLOT.left, y: STRIP.top, width: PLOT.right - PLOT.left, height }),
    ...x.ticks().flatMap((value) => {
      const at = x.at(value);
      return [line(at, STRIP.top, at, STRIP.bottom), number(value, at, STRIP.bottom + 16, "middle")];
    }),
    element("line", { class: "roof", x1: roofAt, y1: STRIP.top, x2: roofAt, y2: STRIP.bottom }),
    ...rows.map((row) => dot(row, x.at(row.gbps), middle)),
  ];
}

function dot(row: Row, cx: number, cy: number): string {
  const family = FAMILIES.findIndex(({ has }) => has(row));
  const show = (value: unknown): string => (Array.isArray(value) ? value.join("x") : String(value));
  const shape = Object.entries(row.shape).map(([key, value]) => `${key} ${show(value)}`);
  const rates = `${short(row.gflops)} GFLOP/s, ${short(row.gbps)} GB/s, ${short(row.percentOfPeak)} % of the roof`;
  const words = [nameOf(row), shape.join(", "), `variant ${row.variant}: ${rates}`].join("\n");
  return element("circle", { class: `dot f${family}`, cx, cy, r: RADIUS }, text(words, {}, "title"));
}

function legend(rows: readonly Row[], below: number): string[] {
  const counts = FAMILIES.map(() => 0);
  for (const row of rows) counts[FAMILIES.findIndex(({ has }) => has(row))]++;
  const present = FAMILIES.flatMap(({ label }, i) => (counts[i] > 0 ? [{ label, i }] : []));
  const entries = present.flatMap(({ label, i }, place) => {
    const y = PLOT.top + 12 + 24 * place;
    const key = element("rect", { class: `f${i}`, x: LEGEND_X, y: y - 9, width: 10, height: 10, rx: 5 });
    return [key, text(`${label} (${counts[i]})`, { x: LEGEND_X + 18, y })];
  });
  const notes = ["above the slope: operands", "that fit into caches"];
  if (below > 0) notes.push("", `on the lower edge: ${below} ${below === 1 ? "row" : "rows"}`, "slower than the axis goes");
  const start = PLOT.top + 12 + 24 * present.length + 12;
  return [...entries, ...notes.map((note, i) => text(note, { class: "faint", x: LEGEND_X, y: start + 17 * i }))];
}

const round = (value: number): number => Number(value.toFixed(2));
