/** The tab "Train": a training that can be watched, paused, gone on with, downloaded and used. */
import { STREETS_SPEC } from "../../data/cityscapes_spec.ts";
import type { Preview, TrainingStep } from "../training.ts";
import type { App } from "./app.ts";
import { drawCurves } from "./chart.ts";
import { announce, byId, download, onChoice, percent } from "./dom.ts";
import type { Networks } from "./networks.ts";
import { fromSample } from "./picture.ts";
import type { Shown } from "./picture.ts";
import type { Stage } from "./stage.ts";

/** A scene of the evaluation split. */
const SCENE = { index: 3, size: [256, 512] } as const;
const PREVIEW_EVERY = 10;
/** How many times a training is told of to those who do not see it. */
const ANNOUNCEMENTS = 10;
/** What can lie over the scene, in words. */
const OVER = {
  prediction: (after?: number) => (after === undefined ? "no prediction yet" : `prediction after ${iterations(after)}`),
  truth: () => "its labels",
  none: () => "as it is",
};
type Over = keyof typeof OVER;

export class TrainView {
  readonly #app: App;
  readonly #stage: Stage;
  readonly #networks: Networks;
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

  constructor(app: App, stage: Stage, networks: Networks) {
    this.#app = app;
    this.#stage = stage;
    this.#networks = networks;
    app.onEngine((event) => {
      if (event.kind === "step") this.#onStep(event.step);
      if (event.kind === "preview") this.#onPreview(event.preview);
    });
    byId("train-form").addEventListener("submit", (event) => {
      event.preventDefault();
      app.attempt(() => this.#train());
    });
    this.#pause.addEventListener("click", () => {
      app.attempt(() => (this.#isRunning ? app.engine.pause() : this.#run()));
    });
    byId("download").addEventListener("click", () => app.attempt(() => this.#download()));
    onChoice("preview", (over) => {
      this.#over = over as Over;
      this.#draw();
    });
    drawCurves(this.#curve, { iterations: 640, losses: [], accuracies: [] });
  }

  open(): Promise<void> {
    this.#isOpen = true;
    return this.#app.report(async () => {
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
    const preview = { ...picture, label: label! };
    this.#start.disabled = true;
    try {
      await this.#app.engine.begin({ epochs, seed, preview, previewEvery: PREVIEW_EVERY });
    } finally {
      this.#start.disabled = false;
    }
    [this.#losses, this.#accuracies, this.#preview] = [[], [], null];
    byId<HTMLProgressElement>("progress").value = 0;
    this.#drawCurves();
    this.#start.textContent = "Start again";
    for (const id of ["download", "use-trained"]) byId<HTMLButtonElement>(id).disabled = false;
    await Promise.all([this.#run(), this.#networks.renewTrained()]);
  }

  /** Trains until paused or finished. */
  async #run(): Promise<void> {
    this.#show(true);
    this.#tell("Training.");
    let isFinished = true;
    try {
      isFinished = await this.#app.engine.run();
      this.#tell(`${isFinished ? "Finished" : "Paused"}. ${this.#summary()}`);
    } catch (cause) {
      this.#tell("Failed.");
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
    const loss = `loss ${losses.total.toFixed(2)}`;
    this.#say(`${place} · ${loss} · rate ${lr.toFixed(4)}${speed}`);
    const told = (after: number): number => Math.floor((ANNOUNCEMENTS * after) / iterations);
    if (told(iteration) > told(iteration - 1) && iteration < iterations) announce(`${place}, ${loss}`);
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
    const caption = `${name}: ${OVER[this.#over](this.#preview?.iteration)}`;
    const right = this.#preview ? `${percent(this.#preview.accuracy, 0)} of its pixels are predicted right` : "";
    byId("caption").textContent = caption;
    byId("timing").textContent = right;
    this.#stage.describe(right ? `${caption}; ${right}` : caption);
  }

  #summary(): string {
    const last = this.#losses.at(-1);
    return last ? `${iterations(last[0])}, loss ${last[1].toFixed(2)}.` : "No iterations yet.";
  }

  #say(text: string): void {
    byId("train-status").textContent = text;
  }

  /** Says it to everybody. */
  #tell(text: string): void {
    this.#say(text);
    announce(text);
  }

  async #download(): Promise<void> {
    const bytes = await this.#app.engine.checkpoint();
    download(`mcibi-iteration-${this.#losses.at(-1)?.[0] ?? 0}.safetensors`, bytes);
  }
}

const iterations = (count: number): string => `${count} iteration${count === 1 ? "" : "s"}`;

function remaining(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
