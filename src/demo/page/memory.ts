/** The tab "Memory": what a pixel draws from M, where it looks, and how alike the vectors in M are. */
import type { Look } from "../network.ts";
import type { App } from "./app.ts";
import { announce, byId, onChoice, percent } from "./dom.ts";
import { showBars } from "./legend.ts";
import { showMatrix } from "./matrix.ts";
import type { Shown } from "./picture.ts";
import type { Place, Stage } from "./stage.ts";

/** Classes that a pixel draws less from are not listed. */
const LEAST_SHARE = 0.005;
/** Asked for where no pixel is chosen. */
const CENTRE: Place = { x: 0.5, y: 0.6 };

export class MemoryTab {
  readonly #app: App;
  readonly #stage: Stage;
  /** Null as long as it is not segmented. */
  #shown: Shown | null = null;
  #look: Look | null = null;
  #asking: Promise<void> | null = null;
  #chosen: number | null = null;
  #mode = "attention";
  #isOpen = false;

  constructor(app: App, stage: Stage) {
    this.#app = app;
    this.#stage = stage;
    app.on("network", () => {
      this.#chosen = null;
      return this.#isOpen && this.#showMemory();
    });
    app.on("picture", () => {
      this.#shown = null;
      stage.setHeat(null);
    });
    app.on("segmented", (shown) => {
      this.#shown = shown;
      return this.#isOpen && this.#ask();
    });
    onChoice("heat", (mode) => {
      this.#mode = mode;
      this.#drawHeat();
    });
  }

  /** Shows the memory, and what the chosen pixel draws from it. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#app.report(() => Promise.all([this.#ask(), this.#showMemory()]));
  }

  close(): void {
    this.#isOpen = false;
    this.#stage.setHeat(null);
  }

  /** The pixel that is marked on the stage is asked for. */
  async pick(): Promise<void> {
    this.#chosen = null;
    await this.#app.attempt(() => this.#ask());
    if (this.#look) announce(sentence(this.#look));
  }

  get #hasMemory(): boolean {
    return this.#app.network?.hasMemory ?? false;
  }

  async #showMemory(): Promise<void> {
    const { network, engine } = this.#app;
    if (!network) return; // it tells when it is there
    if (this.#hasMemory) return showMatrix(network.subject, await engine.memoryView());
    for (const id of ["draws", "matrix", "pair"]) byId(id).replaceChildren();
    byId("pixel").textContent = "This network was trained without memory: there is nothing to watch.";
  }

  #ask(): Promise<void> {
    return (this.#asking ??= this.#answer().finally(() => (this.#asking = null)));
  }

  /** Asks about the marked pixel, and again where that, the picture or the network has become another one meanwhile. */
  async #answer(): Promise<void> {
    let asked: readonly unknown[] = [];
    while (this.#isOpen && this.#shown && this.#hasMemory) {
      if (!this.#stage.place) this.#stage.mark(CENTRE);
      const question = [this.#stage.place, this.#shown, this.#app.network];
      if (question.every((part, i) => part === asked[i])) return this.#draw();
      asked = question;
      const { x, y } = this.#stage.place!;
      this.#look = await this.#app.engine.look(this.#shown.picture, x, y);
    }
    this.#look = null;
  }

  #draw(): void {
    const { subject } = this.#look!;
    byId("pixel").textContent = sentence(this.#look!);
    showBars(byId("draws"), {
      ...{ subject, shares: drawn(this.#look!), least: LEAST_SHARE, chosen: this.#chosen },
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
    if (!this.#look || !this.#shown || !this.#isOpen) return;
    const { rows, columns, attention, weights, subject } = this.#look;
    if (this.#mode === "none") return this.#stage.setHeat(null);
    if (this.#mode === "attention") return this.#stage.setHeat({ rows, columns, values: attention });
    const id = this.#chosen ?? strongest(drawn(this.#look));
    const values = attention.map((_, i) => weights[i * subject.classNames.length + id]);
    this.#stage.setHeat({ rows, columns, values });
  }
}

/** The pixel's row of W. */
function drawn({ weights, row, column, columns, subject }: Look): Float32Array {
  const classes = subject.classNames.length;
  const start = (row * columns + column) * classes;
  return weights.subarray(start, start + classes);
}

const strongest = (shares: Float32Array): number => shares.indexOf(Math.max(...shares));

function sentence(look: Look): string {
  const { row, rows, column, columns, subject } = look;
  const shares = drawn(look);
  const first = strongest(shares);
  const place = `Row ${row + 1} of ${rows}, column ${column + 1} of ${columns}`;
  return `${place}: draws ${percent(shares[first], 0)} on ${subject.classNames[first]}.`;
}
