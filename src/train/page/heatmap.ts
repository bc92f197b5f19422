/** Matrices of classes as SVG: shares from 0 to 1, or cosines from -1 to 1. */
import { card, escape, jsonScript } from "./html.ts";

export interface Frame {
  /** What the frame is of, such as "epoch 4". */
  readonly name: string;
  /** [K, K], row-major; NaN where there is nothing. */
  readonly values: readonly number[];
}

export interface HeatmapOptions {
  readonly title: string;
  readonly classNames: readonly string[];
  /** Several are looked at one by one, the last one first. */
  readonly frames: readonly Frame[];
  /** Shares are written in percent, and small ones shaded so that they can be seen. */
  readonly kind: "share" | "cosine";
  /** What a cell says, with what belongs in place of the braces: "{row} taken for {column}: {value}". */
  readonly sentence: string;
  /** What rows and columns are. */
  readonly axes?: readonly [rows: string, columns: string];
  /** HTML that says the same in words. */
  readonly words: string;
}

const WIDTH = 360;
/** Space for names, which more classes than that do not have; those of columns lean to the right. */
const NAMES = 78;
const LEAN = 28;
const MOST_NAMED = 40;
/** Shades; cells of one shade are one path, or large matrices would make large pages. */
const SHADES = 24;
/** Exponent of shares: what is 1 % of a class gets 10 % of the colour. */
const GAMMA = 0.5;
/** Cells in all frames together. */
const MOST_CELLS = 150_000;

export function heatmap({ title, classNames, frames: all, kind, sentence, axes, words }: HeatmapOptions): string {
  const count = classNames.length;
  const frames = spread(all, Math.max(1, Math.floor(MOST_CELLS / count ** 2)));
  if (frames.length === 0) return "";
  const hasNames = count <= MOST_NAMED;
  const margin = hasNames ? NAMES : 14;
  const side = WIDTH - margin - (hasNames ? LEAN : 2);
  const cell = side / count;
  const names = hasNames ? classNames.map((name, i) => nameOf(name, margin, margin + (i + 0.5) * cell)) : [];
  const sides = axes ? [`rows: ${axes[0]}`, `columns: ${axes[1]}`] : [];
  const axisNames = hasNames ? sides.map((name, i) => `<text y="${10 + 12 * i}">${escape(name)}</text>`) : [];
  const drawn = frames.map(({ values }, i) => {
    const shown = i === frames.length - 1 ? " shown" : "";
    const place = `transform="translate(${margin} ${margin}) scale(${cell})"`;
    return `<g class="frame${shown}" ${place}>${cells(values, count, kind)}</g>`;
  });
  const label = `aria-label="${escape(title)}, in words below"`;
  const svg =
    `<svg viewBox="0 0 ${WIDTH} ${margin + side + 2}" role="img" tabindex="0" ${label}>` +
    `<rect class="ground" x="${margin}" y="${margin}" width="${side}" height="${side}"/>` +
    `${[...axisNames, ...names, ...drawn].join("")}<rect class="cursor" width="${cell}" height="${cell}"/></svg>`;
  const data = {
    ...{ margin, cell, kind, sentence, names: classNames, frames: frames.map(({ name }) => name) },
    values: frames.map(({ values }) => values.map((value) => (Number.isNaN(value) ? null : Math.round(1000 * value)))),
  };
  const last = frames.length - 1;
  const text = escape(frames[last].name);
  const slider =
    last === 0
      ? ""
      : `<label class="slider">${escape(title)}: <b>${text}</b>` +
        `<input type="range" min="0" max="${last}" value="${last}" aria-valuetext="${text}"></label>`;
  return card(title, `${svg}${slider}<output aria-live="polite"></output>${jsonScript(data)}${words}`, "heatmap");
}

function nameOf(name: string, margin: number, at: number): string {
  const place = at.toFixed(1);
  const short = escape(name.length > 14 ? `${name.slice(0, 13)}…` : name);
  const above = `transform="translate(${place} ${margin - 4}) rotate(-60)"`;
  return `<text class="row" x="${margin - 4}" y="${place}">${short}</text><text ${above}>${short}</text>`;
}

/** Shading by opacity, so that it fits light and dark pages; negative values have a colour of their own. */
function cells(values: readonly number[], count: number, kind: HeatmapOptions["kind"]): string {
  const paths = new Map<number, string>();
  values.forEach((value, i) => {
    const shade = Math.round(SHADES * (kind === "share" ? value ** GAMMA : Math.max(-1, Math.min(1, value))));
    if (Number.isNaN(value) || shade === 0) return;
    paths.set(shade, `${paths.get(shade) ?? ""}M${i % count} ${Math.floor(i / count)}h1v1h-1z`);
  });
  return [...paths]
    .map(([shade, d]) => {
      const opacity = (Math.abs(shade) / SHADES).toFixed(2);
      return `<path class="${shade > 0 ? "plus" : "minus"}" opacity="${opacity}" d="${d}"/>`;
    })
    .join("");
}

/** At most so many, evenly, with the first and the last. */
function spread<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  if (most === 1) return items.slice(-1);
  return Array.from({ length: most }, (_, i) => items[Math.round((i * (items.length - 1)) / (most - 1))]);
}
