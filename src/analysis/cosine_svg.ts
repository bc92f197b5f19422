/** Cosines between the rows of the memory. */
import { element, text } from "../io/svg.ts";
import { BODY, MARGIN, hex, page } from "./style.ts";
import type { Legend } from "./style.ts";

export interface SlotMatrix {
  /** Class of each row of the memory. */
  readonly labels: readonly number[];
  readonly slotsPerClass: number;
  /** Null where a slot is empty. */
  readonly cosines: readonly (readonly (number | null)[])[];
}

/** Pixels per cell: numbers fit into the largest ones. */
const CELL = { most: 40, least: 9, total: 640, forNumbers: 30 } as const;
/** From -1 over 0 to 1; of lightness that reads alike on light and dark ground. */
const STOPS = [[33, 102, 172], [247, 247, 247], [178, 24, 43]] as const;
const INK = ["#1f2328", "#ffffff"] as const;
const LETTER = 6.8;
const SCALE = { steps: 40, height: 200, width: 14 } as const;

export function cosineSvg(matrix: SlotMatrix, legend: Legend, words: { title: string; subtitle: string }): string {
  const { labels, cosines } = matrix;
  const size = labels.length;
  const cell = Math.max(CELL.least, Math.min(CELL.most, Math.floor(CELL.total / size)));
  const names = labels.map((label, i) => slotName(matrix, legend, label, i));
  const room = Math.ceil(LETTER * Math.max(...names.map((name) => name.length))) + 10;
  const font = Math.min(13, cell - 1);
  const left = MARGIN + room;
  const top = BODY + room * 0.75;
  const style = `font-size:${font}px`;
  const parts = cosines.flatMap((row, i) => {
    const middle = (i + 0.5) * cell + font * 0.36; // of the letters
    const turn = `rotate(-48 ${left + middle} ${top - 8})`;
    return [
      text(names[i], { x: left - 8, y: top + middle, "text-anchor": "end", style }),
      text(names[i], { x: left + middle, y: top - 8, transform: turn, style }),
      ...row.flatMap((value, j) => square(value, left + j * cell, top + i * cell, cell, `${names[i]}, ${names[j]}`)),
    ];
  });
  const side = size * cell;
  const width = Math.max(left + side + 110, 560);
  const height = top + Math.max(side, SCALE.height + 30) + MARGIN;
  return page({ ...words, legend, width, height, parts: [...parts, ...scale(left + side + 28, top)] });
}

function slotName({ slotsPerClass }: SlotMatrix, { classNames }: Legend, label: number, index: number): string {
  return slotsPerClass === 1 ? classNames[label] : `${classNames[label]} ${(index % slotsPerClass) + 1}`;
}

function square(value: number | null, x: number, y: number, cell: number, pair: string): string[] {
  const place = { x, y, width: cell - 1, height: cell - 1 };
  if (value === null) return [element("rect", { class: "void", ...place }, text(`${pair}: empty`, {}, "title"))];
  const words = text(`${pair}: ${value.toFixed(3)}`, {}, "title");
  const rect = element("rect", { ...place, fill: colour(value) }, words);
  if (cell < CELL.forNumbers) return [rect];
  const ink = INK[Math.abs(value) > 0.62 ? 1 : 0];
  const style = { "text-anchor": "middle", class: "small", style: `fill:${ink};pointer-events:none` };
  return [rect, text(value.toFixed(2), { ...style, x: x + (cell - 1) / 2, y: y + cell / 2 + 4 })];
}

/** From blue over white to red. */
function colour(value: number): string {
  const [from, to] = value < 0 ? [STOPS[1], STOPS[0]] : [STOPS[1], STOPS[2]];
  const share = Math.abs(value);
  const mix = (channel: number): number => from[channel] + share * (to[channel] - from[channel]);
  return hex([mix(0), mix(1), mix(2)]);
}

function scale(x: number, top: number): string[] {
  const step = SCALE.height / SCALE.steps;
  const bars = Array.from({ length: SCALE.steps }, (_, i) => {
    const value = 1 - (2 * (i + 0.5)) / SCALE.steps;
    return element("rect", { x, y: top + i * step, width: SCALE.width, height: step + 0.5, fill: colour(value) });
  });
  const numbers = [1, 0.5, 0, -0.5, -1].map((value) => {
    const y = top + ((1 - value) / 2) * SCALE.height + 4;
    return text(String(value), { class: "faint", x: x + SCALE.width + 6, y });
  });
  return [...bars, ...numbers, text("cosine", { class: "faint", x, y: top + SCALE.height + 22 })];
}
