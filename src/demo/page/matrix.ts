/** The table of cosines between the classes' vectors: a grid whose cells are read by pointer or arrow keys. */
import type { Subject } from "../../train/checkpoint.ts";
import type { MemoryView } from "../network.ts";
import { byId, element } from "./dom.ts";
import { cssColor } from "./legend.ts";

export function showMatrix({ classNames, palette }: Subject, { cosine, lengths }: MemoryView): void {
  const count = classNames.length;
  const value = (a: number, b: number): string =>
    lengths[a] === 0 || lengths[b] === 0 ? "never seen" : cosine[a * count + b].toFixed(2);
  const head = element("tr", {}, element("td"), ...classNames.map((name, id) => {
    const swatch = element("i", { style: `background: ${cssColor(palette?.[id])}` });
    return element("th", { scope: "col", title: name, ariaLabel: name }, swatch);
  }));
  const cells = classNames.map((name, a) => classNames.map((other, b) => {
    const style = `background: ${heat(cosine[a * count + b])}`;
    const cell = element("td", { style, tabIndex: -1 }, value(a, b));
    const read = (): void => void (byId("pair").textContent = `${name} and ${other}: ${value(a, b)}`);
    cell.addEventListener("pointerenter", read);
    cell.addEventListener("focus", read);
    return cell;
  }));
  const body = element("tbody", {}, ...classNames.map((name, a) =>
    element("tr", {}, element("th", { scope: "row", title: name }, name), ...cells[a])));
  moveByKeys(body, cells);
  byId("matrix").replaceChildren(element("thead", {}, head), body);
  byId("pair").textContent = mostAlike(cosine, lengths, classNames);
}

/** One cell at a time is in the order of the tab key; arrow keys, Home and End move on from it. */
function moveByKeys(body: HTMLElement, cells: readonly (readonly HTMLElement[])[]): void {
  let [row, column] = [0, 0];
  cells[0][0].tabIndex = 0;
  body.addEventListener("focusin", ({ target }) => {
    cells[row][column].tabIndex = -1;
    row = cells.findIndex((each) => each.includes(target as HTMLElement));
    column = cells[row].indexOf(target as HTMLElement);
    cells[row][column].tabIndex = 0;
  });
  body.addEventListener("keydown", (event) => {
    const last = cells.length - 1;
    const moves: Readonly<Record<string, readonly [number, number]>> = {
      ...{ ArrowUp: [row - 1, column], ArrowDown: [row + 1, column] },
      ...{ ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], Home: [row, 0], End: [row, last] },
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [r, c] = moves[event.key];
    cells[r]?.[c]?.focus();
  });
}

/** Warm for 1, cool for -1, the page's own grey for 0. */
function heat(cosine: number): string {
  const share = Math.round(100 * Math.min(1, Math.abs(cosine)));
  return `color-mix(in oklab, rgb(var(--${cosine < 0 ? "cool" : "warm"})) ${share}%, var(--fill))`;
}

function mostAlike(cosine: Float32Array, lengths: Float32Array, names: readonly string[]): string {
  let best: { a: number; b: number; value: number } | null = null;
  for (let a = 0; a < names.length; a++) {
    for (let b = 0; b < a; b++) {
      const value = cosine[a * names.length + b];
      if (lengths[a] > 0 && lengths[b] > 0 && value > (best?.value ?? -Infinity)) best = { a, b, value };
    }
  }
  return best ? `Most alike: ${names[best.a]} and ${names[best.b]}, ${best.value.toFixed(2)}` : "M is still empty.";
}
