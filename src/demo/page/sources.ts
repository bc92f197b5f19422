/** Where pictures come from: generated scenes, files that are chosen or dropped, the camera. */
import { UserError } from "../../errors.ts";
import type { App } from "./app.ts";
import { byId, canvasOf, contextOf, element } from "./dom.ts";
import { fromFile, fromSample, fromSource } from "./picture.ts";
import type { Shown } from "./picture.ts";

/** Scenes that the shipped network was not trained on. */
const SAMPLES = [3, 11, 17, 24, 30];
const SAMPLE_SIZE = [256, 512] as const;
/** The camera's pictures: the network looks at fewer pixels than that. */
const CAMERA_SIZE = { width: { ideal: 640 }, height: { ideal: 360 } };

export class Sources {
  readonly #app: App;
  readonly #show: (shown: Shown) => Promise<void>;
  readonly #camera = byId<HTMLButtonElement>("camera");
  #stream: MediaStream | null = null;

  constructor(app: App, show: (shown: Shown) => Promise<void>) {
    this.#app = app;
    this.#show = show;
    byId<HTMLInputElement>("file").addEventListener("change", ({ target }) => {
      const input = target as HTMLInputElement;
      if (input.files![0]) this.#open(input.files![0]);
      input.value = "";
    });
    this.#acceptDrops(byId("frame"));
    this.#camera.addEventListener("click", () => app.attempt(() => (this.#stream ? this.#stop() : this.#film())));
    document.addEventListener("visibilitychange", () => document.hidden && this.#stop());
  }

  /** Shows the first sample, and makes buttons of all. */
  async openSamples(): Promise<void> {
    for (const [i, index] of SAMPLES.entries()) {
      const shown = fromSample(`Generated scene ${i + 1}`, await this.#app.scenes.scene("val", index, SAMPLE_SIZE));
      const small = canvasOf(SAMPLE_SIZE[1] / 2, SAMPLE_SIZE[0] / 2);
      contextOf(small).drawImage(shown.canvas, 0, 0, small.width, small.height);
      const button = element("button", { type: "button", ariaLabel: shown.name }, small);
      const choose = (): Promise<void> => this.#app.attempt(() => {
        this.#stop();
        this.#mark(button);
        return this.#show(shown);
      });
      button.addEventListener("click", choose);
      byId("samples").append(button);
      if (i === 0) await choose();
    }
  }

  #open(file: File): void {
    this.#app.attempt(async () => {
      const shown = await fromFile(file);
      this.#stop();
      this.#mark(null);
      await this.#show(shown);
    });
  }

  #mark(chosen: HTMLElement | null): void {
    for (const button of byId("samples").children) button.setAttribute("aria-pressed", String(button === chosen));
  }

  #acceptDrops(frame: HTMLElement): void {
    const isFile = ({ dataTransfer }: DragEvent): boolean => dataTransfer!.types.includes("Files");
    addEventListener("dragover", (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      frame.classList.add("dragging");
    });
    addEventListener("dragleave", ({ relatedTarget }) => {
      if (relatedTarget === null) frame.classList.remove("dragging");
    });
    addEventListener("drop", (event) => {
      event.preventDefault();
      frame.classList.remove("dragging");
      const file = event.dataTransfer!.files[0];
      if (file) this.#open(file);
    });
  }

  /** Segments the camera's picture, and the next one when that is done, until stopped. */
  async #film(): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA_SIZE }).catch((cause: Error) => {
      const advice = "The browser asks for permission once.";
      throw new UserError(`The camera cannot be used: ${cause.message}. ${advice}`, { cause });
    });
    this.#stream = stream;
    this.#camera.setAttribute("aria-pressed", "true");
    this.#mark(null);
    const video = element("video", { srcObject: stream, muted: true, playsInline: true });
    try {
      await video.play();
      while (this.#stream === stream) {
        await this.#show(fromSource("Camera", video, video.videoWidth, video.videoHeight));
        await new Promise(requestAnimationFrame);
      }
    } finally {
      if (this.#stream === stream) this.#stop();
    }
  }

  #stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#camera.setAttribute("aria-pressed", "false");
  }
}
