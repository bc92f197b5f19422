/** Vectors in two dimensions, one panel per kind of vector and method, with memory rows on top. */
import { element, text } from "../io/svg.ts";
import { BODY, MARGIN, MOST_NAMED, page } from "./style.ts";
import type { Legend } from "./style.ts";

export interface Placed {
  readonly label: number;
  readonly x: number;
  readonly y: number;
}

export interface Projection {
  readonly title: string;
  /** Of the two axes; none where they mean nothing. */
  readonly axes: readonly string[];
  readonly points: readonly Placed[];
  /** Rows of the memory. */
  readonly memory: readonly Placed[];
}

/** Room for the name of an axis beside the first panel. */
const LEFT = MARGIN + 14;
const PANEL = 430;
const GAP = { x: 34, y: 62 } as const;
const LEGEND_WIDTH = 170;
const RADIUS = 2.8;
const DIAMOND = 7;
/** Of the panel's side, left free around everything in it. */
const PADDING = 0.05;

/** @param rows of panels, at least one, each with the same number of them */
export function projectionSvg(
  rows: readonly (readonly Projection[])[],
  legend: Legend,
  words: { readonly title: string; readonly subtitle: string },
): string {
  const across = Math.max(...rows.map((row) => row.length));
  const legendX = LEFT + across * (PANEL + GAP.x);
  const panels = rows.flatMap((row, r) =>
    row.flatMap((projection, c) => {
      return panel(projection, legend, LEFT + c * (PANEL + GAP.x), BODY + 22 + r * (PANEL + GAP.y));
    }),
  );
  const present = labelsOf(rows.flat().flatMap(({ points, memory }) => [...points, ...memory]));
  const hasMemory = rows.flat().some(({ memory }) => memory.length > 0);
  const key = classKey(present, legend, legendX, hasMemory);
  const width = legendX + LEGEND_WIDTH;
  const height = BODY + 22 + rows.length * (PANEL + GAP.y) - GAP.y + 44;
  return page({ ...words, width, height, legend, parts: [...panels, ...key] });
}

function panel({ title, axes, points, memory }: Projection, legend: Legend, left: number, top: number): string[] {
  const at = scaling([...points, ...memory], left, top);
  const isNamed = labelsOf([...points, ...memory]).length <= MOST_NAMED;
  const labelled = memory.length > 0 ? memory : middles(points);
  const [horizontal, vertical] = axes;
  const middle = top + PANEL / 2;
  const faint = { class: "faint", "text-anchor": "middle" };
  return [
    element("rect", { class: "ground", x: left, y: top, width: PANEL, height: PANEL, rx: 4 }),
    text(title, { class: "panel-head", x: left, y: top - 9 }),
    ...interleaved(points).map((point) => {
      const [cx, cy] = at(point);
      const tooltip = isNamed ? "" : text(legend.classNames[point.label], {}, "title");
      return element("circle", { class: `dot k${point.label}`, cx, cy, r: RADIUS }, tooltip);
    }),
    ...memory.map((point) => {
      const [x, y] = at(point);
      const corners = [[x, y - DIAMOND], [x + DIAMOND, y], [x, y + DIAMOND], [x - DIAMOND, y]];
      const outline = corners.map((corner) => corner.map(round).join()).join(" ");
      const shape = { class: `ink k${point.label}`, points: outline };
      return element("polygon", shape, text(`memory: ${legend.classNames[point.label]}`, {}, "title"));
    }),
    ...(isNamed ? labels(labelled.map((point) => ({ point, at: at(point) })), legend, left, top) : []),
    ...(horizontal ? [text(horizontal, { ...faint, x: left + PANEL / 2, y: top + PANEL + 17 })] : []),
    ...(vertical
      ? [text(vertical, { ...faint, x: left - 8, y: middle, transform: `rotate(-90 ${left - 8} ${middle})` })]
      : []),
  ];
}

/** Without repetitions, in ascending order. */
function labelsOf(points: readonly Placed[]): number[] {
  return [...new Set(points.map(({ label }) => label))].sort((a, b) => a - b);
}

/** One scale for both axes: distances on paper are those of the map. */
function scaling(points: readonly Placed[], left: number, top: number): (point: Placed) => readonly [number, number] {
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const range = (values: readonly number[]) => {
    const [low, high] = values.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
    return { middle: (low + high) / 2, extent: high - low };
  };
  const [across, down] = [range(xs), range(ys)];
  const factor = (PANEL * (1 - 2 * PADDING)) / (Math.max(across.extent, down.extent) || 1);
  const [centreX, centreY] = [left + PANEL / 2, top + PANEL / 2];
  return ({ x, y }) => [centreX + factor * (x - across.middle), centreY - factor * (y - down.middle)];
}

/** The first of every class, then the second of every class: no class lies on top of the others. */
function interleaved(points: readonly Placed[]): Placed[] {
  const seen = new Map<number, number>();
  const ranked = points.map((point) => {
    const rank = seen.get(point.label) ?? 0;
    seen.set(point.label, rank + 1);
    return { point, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank).map(({ point }) => point);
}

/** Of every class the point nearest to the medians of its coordinates. */
function middles(points: readonly Placed[]): Placed[] {
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1];
  return labelsOf(points).map((label) => {
    const own = points.filter((point) => point.label === label);
    const [mx, my] = [median(own.map(({ x }) => x)), median(own.map(({ y }) => y))];
    const distance = ({ x, y }: Placed): number => (x - mx) ** 2 + (y - my) ** 2;
    return own.reduce((best, point) => (distance(point) < distance(best) ? point : best));
  });
}

const LINE = 14;
const LETTER = 6.6;
/** Steps up and down that a name may be moved by. */
const SHIFTS = [0, ...Array.from({ length: 16 }, (_, i) => (i % 2 ? -1 : 1) * 9 * ((i >> 1) + 1))];

interface Item {
  readonly point: Placed;
  readonly at: readonly [number, number];
}

/** A rectangle by its left end, its middle line and half its height. */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly half: number;
}

/** Class names beside their points, moved to where they cover neither each other nor points; a line leads there. */
function labels(items: readonly Item[], { classNames }: Legend, left: number, top: number): string[] {
  const taken: Box[] = items.map(({ at: [x, y] }) => ({ x: x - DIAMOND, y, width: 2 * DIAMOND, half: DIAMOND }));
  return [...items].sort((a, b) => a.at[1] - b.at[1]).map(({ point, at: [px, py] }) => {
    const name = classNames[point.label];
    const width = LETTER * name.length;
    const boxes = SHIFTS.flatMap((shift) =>
      [px + DIAMOND + 3, px - DIAMOND - 3 - width].map((x) => ({ x, y: py + shift, width, half: LINE / 2 })),
    );
    const isInside = ({ x, y }: Box): boolean =>
      x > left && x + width < left + PANEL && y > top + LINE / 2 && y < top + PANEL - LINE / 2;
    const box = boxes.find((place) => isInside(place) && !taken.some((other) => overlap(place, other))) ?? boxes[0];
    taken.push(box);
    const [anchor, x] = box.x < px ? ["end", box.x + width] : ["start", box.x];
    const line = { class: "line", x1: px, y1: py, x2: x, y2: box.y };
    const words = { class: "halo", "text-anchor": anchor, x, y: box.y + 4 };
    return (box.y === py ? "" : element("line", line)) + text(name, words);
  });
}

function overlap(a: Box, b: Box): boolean {
  return Math.abs(a.y - b.y) < a.half + b.half && a.x < b.x + b.width && b.x < a.x + a.width;
}

function classKey(present: readonly number[], { classNames }: Legend, x: number, hasMemory: boolean): string[] {
  const named = present.slice(0, MOST_NAMED);
  const entries = named.flatMap((label, i) => {
    const y = BODY + 34 + 21 * i;
    return [
      element("circle", { class: `k${label}`, cx: x + 6, cy: y - 4, r: 5.5 }),
      text(classNames[label], { x: x + 20, y }),
    ];
  });
  const notes = [
    ...(present.length > named.length ? [`and ${present.length - named.length} more classes`] : []),
    ...(hasMemory ? ["diamonds: rows of the", "memory"] : []),
  ];
  const below = BODY + 34 + 21 * named.length + 10;
  return [...entries, ...notes.map((note, i) => text(note, { class: "faint", x, y: below + 17 * i }))];
}

const round = (value: number): number => Number(value.toFixed(2));
