/** The tab "Segment": a picture, its classes, and which network says so. */
import type { Segmentation } from "../network.ts";
import { accuracyOf } from "../training.ts";
import type { App } from "./app.ts";
import { byId, percent } from "./dom.ts";
import { showBars } from "./legend.ts";
import type { Shown } from "./picture.ts";
import type { Place, Stage } from "./stage.ts";

export class SegmentView {
  readonly #app: App;
  readonly #stage: Stage;
  #shown: Shown | null = null;
  #segmentation: Segmentation | null = null;
  #chosen: number | null = null;
  #isOpen = false;
  /** Counts pictures: an answer that comes after the next question is dropped. */
  #asked = 0;

  constructor(app: App, stage: Stage) {
    this.#app = app;
    this.#stage = stage;
    app.on("network", () => {
      this.#chosen = null;
      if (this.#shown) app.attempt(() => this.segment(this.#shown!));
    });
  }

  /** Segments and shows a picture; again, where compiling kernels was in the time. */
  async segment(shown: Shown): Promise<void> {
    const asked = ++this.#asked;
    const segmentation = await this.#app.engine.segment(shown.picture);
    if (asked !== this.#asked) return;
    this.#shown = shown;
    this.#segmentation = segmentation;
    if (this.#isOpen) this.#draw();
    this.#app.tell("segmented", { shown });
    if (!segmentation.compiled) return;
    const again = await this.#app.engine.segment(shown.picture);
    if (asked !== this.#asked) return;
    this.#segmentation = again;
    if (this.#isOpen) this.#drawTiming();
  }

  open(): void {
    this.#isOpen = true;
    this.#draw();
  }

  close(): void {
    this.#isOpen = false;
  }

  /** The class of a pixel is chosen. */
  pick({ x, y }: Place): void {
    if (!this.#segmentation) return;
    const { classes, width, height } = this.#segmentation;
    const id = classes[Math.floor(y * height) * width + Math.floor(x * width)];
    this.#choose(id === this.#chosen ? null : id);
  }

  /** Puts everything on the page that this tab shows. */
  #draw(): void {
    const [shown, segmentation] = [this.#shown, this.#segmentation];
    if (!shown || !segmentation) return;
    const { subject, size } = this.#app.network!;
    const { classes, width, height, shares } = segmentation;
    this.#stage.show(shown.canvas);
    this.#stage.setClasses(classes, subject.palette ?? []);
    byId("caption").textContent = `${shown.name}, ${width} × ${height}`;
    this.#drawTiming();
    const found = shares.filter((share) => share > 0).length;
    const right = shown.label ? ` ${percent(accuracyOf(classes, shown.label), 0)} of the pixels are right.` : "";
    byId("summary").textContent =
      `${found} of ${subject.classNames.length} classes. The network sees ${size.join(" × ")} pixels.${right}`;
    byId("canvas").setAttribute("aria-label", describe(shown, shares, subject.classNames));
    this.#drawLegend();
  }

  #drawTiming(): void {
    const { milliseconds, compiled } = this.#segmentation!;
    byId("timing").textContent = compiled
      ? `${(milliseconds / 1000).toFixed(1)} s, with compiling kernels`
      : `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms per frame`;
  }

  #drawLegend(): void {
    const { shares } = this.#segmentation!;
    const subject = this.#app.network!.subject;
    const options = { subject, shares, chosen: this.#chosen, onChoose: (id: number | null) => this.#choose(id) };
    showBars(byId("legend"), options);
    this.#stage.highlight(this.#chosen);
  }

  #choose(id: number | null): void {
    this.#chosen = id;
    this.#drawLegend();
  }
}

function describe({ name }: Shown, shares: Float64Array, names: readonly string[]): string {
  const all = names.map((label, id) => ({ label, share: shares[id] }));
  const largest = all.sort((a, b) => b.share - a.share).slice(0, 4);
  return `${name}, segmented: ${largest.map(({ label, share }) => `${label} ${percent(share, 0)}`).join(", ")}`;
}
