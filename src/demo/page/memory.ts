/** The tab "Memory": what a pixel draws from M, where it looks, and how alike the vectors in M are. */
import type { Look, MemoryView } from "../network.ts";
import type { App } from "./app.ts";
import { byId, element, onChoice, percent } from "./dom.ts";
import { cssColor, showBars } from "./legend.ts";
import type { Shown } from "./picture.ts";
import type { Place, Stage } from "./stage.ts";

/** Classes that a pixel draws less from are not listed. */
const LEAST_SHARE = 0.005;
const CENTRE: Place = { x: 0.5, y: 0.6 };

export class MemoryTab {
  readonly #app: App;
  readonly #stage: Stage;
  #shown: Shown | null = null;
  #place: Place = CENTRE;
  #look: Look | null = null;
  #chosen: number | null = null;
  #mode = "attention";
  #isOpen = false;

  constructor(app: App, stage: Stage) {
    this.#app = app;
    this.#stage = stage;
    app.on("segmented", ({ shown }) => {
      this.#shown = shown;
      this.#look = null;
      if (this.#isOpen) app.attempt(() => this.#update());
    });
    onChoice("heat", (mode) => {
      this.#mode = mode;
      this.#drawHeat();
    });
  }

  open(): Promise<void> {
    this.#isOpen = true;
    return this.#app.attempt(() => this.#update());
  }

  close(): void {
    this.#isOpen = false;
    this.#stage.setHeat(null, null);
  }

  pick(place: Place): void {
    this.#place = place;
    this.#chosen = null;
    this.#app.attempt(() => this.#ask());
  }

  async #update(): Promise<void> {
    if (!this.#app.network) return; // it tells when it is there
    if (!this.#app.network.hasMemory) {
      byId("pixel").textContent = "This network was trained without memory: there is nothing to watch.";
      for (const id of ["draws", "matrix"]) byId(id).replaceChildren();
      return this.#stage.setHeat(null, null);
    }
    if (this.#shown) await this.#ask();
    this.#showMatrix(await this.#app.engine.memoryView());
  }

  async #ask(): Promise<void> {
    const { x, y } = this.#place;
    const look = await this.#app.engine.look(this.#shown!.picture, x, y);
    if (!this.#isOpen || this.#place.x !== x || this.#place.y !== y) return;
    this.#look = look;
    this.#draw();
  }

  #draw(): void {
    const { subject } = this.#app.network!;
    const { weights, row, column, columns, rows } = this.#look!;
    const classes = subject.classNames.length;
    const start = (row * columns + column) * classes;
    const shares = weights.subarray(start, start + classes);
    const first = shares.indexOf(Math.max(...shares));
    byId("pixel").textContent =
      `Row ${row + 1} of ${rows}, column ${column + 1} of ${columns}: draws ${percent(shares[first], 0)} on ` +
      `${subject.classNames[first]}.`;
    showBars(byId("draws"), {
      ...{ subject, shares, least: LEAST_SHARE, chosen: this.#chosen },
      onChoose: (id) => {
        this.#chosen = id;
        this.#setMode(id === null ? "attention" : "class");
        this.#draw();
      },
    });
    this.#drawHeat();
  }

  #setMode(mode: string): void {
    this.#mode = mode;
    document.querySelector<HTMLInputElement>(`input[name="heat"][value="${mode}"]`)!.checked = true;
  }

  #drawHeat(): void {
    if (!this.#look || !this.#isOpen) return;
    const { rows, columns, attention, weights } = this.#look;
    if (this.#mode === "none") return this.#stage.setHeat(null, this.#place);
    if (this.#mode === "attention") return this.#stage.setHeat({ rows, columns, values: attention }, this.#place);
    const classes = weights.length / (rows * columns);
    const id = this.#chosen ?? this.#strongest();
    const values = attention.map((_, i) => weights[i * classes + id]);
    this.#stage.setHeat({ rows, columns, values }, this.#place);
  }

  /** The class that the pixel draws most on. */
  #strongest(): number {
    const { weights, row, column, columns, rows } = this.#look!;
    const classes = weights.length / (rows * columns);
    const own = weights.subarray((row * columns + column) * classes, (row * columns + column + 1) * classes);
    return own.indexOf(Math.max(...own));
  }

  #showMatrix({ cosine, lengths }: MemoryView): void {
    const { classNames, palette } = this.#app.network!.subject;
    const value = (a: number, b: number): string => {
      const isEmpty = lengths[a] === 0 || lengths[b] === 0;
      return isEmpty ? "never seen" : cosine[a * classNames.length + b].toFixed(2);
    };
    const head = element("tr", {}, element("td"), ...classNames.map((name, id) => {
      const swatch = element("i", { style: `background: ${cssColor(palette?.[id])}` });
      return element("th", { scope: "col", title: name, ariaLabel: name }, swatch);
    }));
    const body = classNames.map((name, a) => {
      const cells = classNames.map((_, b) => {
        const cell = element("td", { style: `background: ${heat(cosine[a * classNames.length + b])}` }, value(a, b));
        cell.addEventListener("pointerenter", () => {
          byId("pair").textContent = `${name} and ${classNames[b]}: ${value(a, b)}`;
        });
        return cell;
      });
      return element("tr", {}, element("th", { scope: "row", title: name }, name), ...cells);
    });
    byId("matrix").replaceChildren(element("thead", {}, head), element("tbody", {}, ...body));
    byId("pair").textContent = mostAlike(cosine, lengths, classNames);
  }
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
