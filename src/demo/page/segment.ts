/** The tab "Segment": a picture, its classes, and which network says so. */
import { STREETS_SPEC } from "../../data/cityscapes_spec.ts";
import type { Segmentation } from "../network.ts";
import { accuracyOf } from "../training.ts";
import type { App } from "./app.ts";
import { announce, byId, percent } from "./dom.ts";
import { showBars } from "./legend.ts";
import type { Shown } from "./picture.ts";
import type { Picked, Stage } from "./stage.ts";

/** How many classes are named in what stands for the picture. */
const NAMED = 4;

export class SegmentView {
  readonly #app: App;
  readonly #stage: Stage;
  #shown: Shown | null = null;
  /** Of the picture that is shown, once it is there. */
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
      return this.#shown && this.segment(this.#shown);
    });
  }

  /** Shows a picture and segments it; again, where compiling kernels was in the time. */
  async segment(shown: Shown): Promise<void> {
    const { engine } = this.#app;
    const asked = ++this.#asked;
    if (!shown.isLive) await this.#begin(shown);
    const segmentation = await engine.segment(shown.picture).catch((cause: unknown) => {
      if (asked === this.#asked) byId("timing").textContent = "not segmented";
      throw cause;
    });
    if (asked !== this.#asked) return;
    [this.#shown, this.#segmentation] = [shown, segmentation];
    if (this.#isOpen) this.#draw();
    if (this.#isOpen && !shown.isLive) announce(this.#describe());
    await this.#app.tell("segmented", shown);
    if (!segmentation.compiled || shown.isLive) return;
    const again = await engine.segment(shown.picture);
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

  /** The class of a pixel is chosen; pressing on the chosen one lets it go. */
  pick({ place, isMove }: Picked): void {
    if (!this.#segmentation) return;
    const { classes, width, height, subject, shares } = this.#segmentation;
    const id = classes[Math.floor(place.y * height) * width + Math.floor(place.x * width)];
    this.#choose(!isMove && id === this.#chosen ? null : id);
    announce(`${percent(place.x, 0)} from the left, ${percent(place.y, 0)} from the top: ` +
      `${subject.classNames[id]}, ${percent(shares[id])} of the picture`);
  }

  /** Another picture, before anything is known of it. */
  async #begin(shown: Shown): Promise<void> {
    [this.#shown, this.#segmentation] = [shown, null];
    this.#stage.mark(null);
    if (this.#isOpen) this.#draw();
    await this.#app.tell("picture", shown);
  }

  /** Puts everything on the page that this tab shows. */
  #draw(): void {
    if (!this.#shown) return;
    const { name, canvas, picture } = this.#shown;
    this.#stage.show(canvas);
    byId("caption").textContent = `${name}, ${picture.width} × ${picture.height}`;
    this.#stage.describe(this.#describe());
    this.#drawTiming();
    if (this.#segmentation) this.#drawClasses(this.#segmentation);
  }

  #drawClasses({ classes, shares, subject }: Segmentation): void {
    this.#stage.setClasses(classes, subject.palette ?? []);
    const found = shares.filter((share) => share > 0).length;
    const { label } = this.#shown!;
    const isLabelled = label && String(subject.classNames) === String(STREETS_SPEC.classNames);
    const right = isLabelled ? ` ${percent(accuracyOf(classes, label), 0)} of the pixels are right.` : "";
    byId("summary").textContent =
      `${found} of ${subject.classNames.length} classes. ` +
      `The network sees ${this.#app.network!.size.join(" × ")} pixels.${right}`;
    this.#drawLegend();
  }

  #drawTiming(): void {
    byId("timing").textContent = this.#segmentation ? timing(this.#segmentation) : "segmenting …";
  }

  #drawLegend(): void {
    const { shares, subject } = this.#segmentation!;
    const options = { subject, shares, chosen: this.#chosen, onChoose: (id: number | null) => this.#choose(id) };
    showBars(byId("legend"), options);
    this.#stage.highlight(this.#chosen);
  }

  #choose(id: number | null): void {
    this.#chosen = id;
    this.#drawLegend();
  }

  #describe(): string {
    const { name } = this.#shown!;
    if (!this.#segmentation) return name;
    const { shares, subject } = this.#segmentation;
    const all = subject.classNames.map((label, id) => ({ label, share: shares[id] }));
    const largest = all.sort((a, b) => b.share - a.share).slice(0, NAMED).filter(({ share }) => share > 0);
    return `${name}, segmented: ${largest.map(({ label, share }) => `${label} ${percent(share, 0)}`).join(", ")}`;
  }
}

function timing({ milliseconds, compiled }: Segmentation): string {
  return compiled
    ? `${(milliseconds / 1000).toFixed(1)} s, with compiling kernels`
    : `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms per frame`;
}
