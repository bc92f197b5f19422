/** The tab "Train": a training that can be watched, paused, gone on with, downloaded and used. */
import { STREETS_SPEC } from "../../data/cityscapes_spec.ts";
import type { Preview, TrainingStep } from "../training.ts";
import type { App } from "./app.ts";
import { drawCurves } from "./chart.ts";
import { byId, download, onChoice, percent } from "./dom.ts";
import { fromSample } from "./picture.ts";
import type { Shown } from "./picture.ts";
import type { Stage } from "./stage.ts";

/** A scene of the evaluation split. */
const SCENE = { index: 3, size: [256, 512] } as const;
const PREVIEW_EVERY = 10;
/** What can lie over the scene, in words. */
const OVER = {
  prediction: (after: string) => `prediction ${after}`,
  truth: () => "its labels",
  none: () => "as it is",
};
type Over = keyof typeof OVER;

export class TrainView {
  readonly #app: App;
  readonly #stage: Stage;
  #scene: Shown | null = null;
  #preview: Preview | null = null;
  #losses: [number, number][] = [];
  #accuracies: [number, number][] = [];
  #iterations = 1;
  #over: Over = "prediction";
  #isOpen = false;
  #isRunning = false;
  readonly #pause = byId<HTMLButtonElement>("pause");
  readonly #start = byId<HTMLButtonElement>("train");

  constructor(app: App, stage: Stage, addTrained: () => void) {
    this.#app = app;
    this.#stage = stage;
    app.onEngine((event) => {
      if (event.kind === "step") this.#onStep(event.step);
      if (event.kind === "preview") this.#onPreview(event.preview);
    });
    byId("train-form").addEventListener("submit", (event) => {
      event.preventDefault();
      app.attempt(() => this.#train());
    });
    this.#pause.addEventListener("click", () => app.attempt(() => (this.#isRunning ? this.#rest() : this.#resume())));
    byId("download").addEventListener("click", () => app.attempt(() => this.#download()));
    byId("use-trained").addEventListener("click", addTrained);
    onChoice("preview", (over) => {
      this.#over = over as Over;
      this.#draw();
    });
    drawCurves(this.#curve, { iterations: 640, losses: [], accuracies: [] });
  }

  open(): Promise<void> {
    this.#isOpen = true;
    return this.#app.attempt(async () => {
      await this.#loadScene();
      this.#draw();
    });
  }

  close(): void {
    this.#isOpen = false;
  }

  get #curve(): SVGElement {
    return byId("curve") as unknown as SVGElement;
  }

  async #loadScene(): Promise<Shown> {
    if (this.#scene) return this.#scene;
    const scene = await this.#app.scenes.scene("val", SCENE.index, SCENE.size);
    return (this.#scene = fromSample("A scene that is not trained on", scene));
  }

  async #train(): Promise<void> {
    const { picture, label } = await this.#loadScene();
    const [epochs, seed] = ["epochs", "seed"].map((id) => byId<HTMLInputElement>(id).valueAsNumber);
    [this.#losses, this.#accuracies, this.#preview] = [[], [], null];
    const preview = { ...picture, label: label! };
    this.#say("Preparing …");
    await this.#run(this.#app.engine.train({ epochs, seed, preview, previewEvery: PREVIEW_EVERY }));
  }

  #resume(): Promise<void> {
    return this.#run(this.#app.engine.resume());
  }

  async #rest(): Promise<void> {
    await this.#app.engine.pause();
  }

  /** Waits for a training that runs: to its pause, its end or its failure. */
  async #run(training: Promise<boolean>): Promise<void> {
    this.#show(true);
    this.#start.textContent = "Start again";
    for (const id of ["download", "use-trained"]) byId<HTMLButtonElement>(id).disabled = false;
    let isFinished = true;
    try {
      isFinished = await training;
      this.#say(isFinished ? `Finished. ${this.#summary()}` : `Paused. ${this.#summary()}`);
    } catch (cause) {
      this.#say("Failed.");
      throw cause;
    } finally {
      this.#show(false, isFinished);
    }
  }

  #show(isRunning: boolean, isFinished = false): void {
    this.#isRunning = isRunning;
    this.#start.disabled = isRunning;
    this.#pause.disabled = !isRunning && isFinished;
    this.#pause.textContent = isRunning ? "Pause" : "Resume";
  }

  #onStep({ iteration, iterations, losses, lr, secondsPerIteration: seconds }: TrainingStep): void {
    this.#losses.push([iteration, losses.total]);
    this.#iterations = iterations;
    byId<HTMLProgressElement>("progress").value = iteration / iterations;
    const left = seconds === null ? "" : `, ${remaining((iterations - iteration) * seconds)} left`;
    const speed = seconds === null ? "" : ` · ${(1 / seconds).toFixed(1)} per second${left}`;
    const place = `Iteration ${iteration} of ${iterations}`;
    this.#say(`${place} · loss ${losses.total.toFixed(2)} · rate ${lr.toFixed(4)}${speed}`);
    this.#drawCurves();
  }

  #onPreview(preview: Preview): void {
    this.#preview = preview;
    this.#accuracies.push([preview.iteration, preview.accuracy]);
    this.#draw();
    this.#drawCurves();
  }

  #drawCurves(): void {
    drawCurves(this.#curve, { iterations: this.#iterations, losses: this.#losses, accuracies: this.#accuracies });
  }

  #draw(): void {
    if (!this.#isOpen || !this.#scene) return;
    const { canvas, label, name } = this.#scene;
    this.#stage.show(canvas);
    this.#stage.highlight(null);
    const predicted = this.#preview?.segmentation.classes;
    const classes = { truth: label, prediction: predicted, none: null }[this.#over];
    if (classes) this.#stage.setClasses(classes, STREETS_SPEC.palette);
    const after = this.#preview ? `after ${this.#preview.iteration} iterations` : "before training";
    byId("caption").textContent = `${name}: ${OVER[this.#over](after)}`;
    byId("timing").textContent = this.#preview ? `${percent(this.#preview.accuracy, 0)} of its pixels right` : "";
    byId("canvas").setAttribute("aria-label", byId("caption").textContent!);
  }

  #summary(): string {
    const [iteration, loss] = this.#losses.at(-1) ?? [0, NaN];
    return `${iteration} iterations, loss ${loss.toFixed(2)}.`;
  }

  #say(text: string): void {
    byId("train-status").textContent = text;
  }

  async #download(): Promise<void> {
    const bytes = await this.#app.engine.checkpoint();
    download(`mcibi-iteration-${this.#losses.at(-1)?.[0] ?? 0}.safetensors`, bytes);
  }
}

function remaining(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
