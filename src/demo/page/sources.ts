/** Where pictures come from: generated scenes, files that are chosen or dropped, the camera. */
import { UserError } from "../../errors.ts";
import type { App } from "./app.ts";
import { byId, canvasOf, contextOf, element } from "./dom.ts";
import { fromFile, fromSample, fromVideo } from "./picture.ts";
import type { Shown } from "./picture.ts";

/** Scenes that the shipped network was not trained on. */
const SAMPLES = [3, 11, 17, 24, 30];
const SAMPLE_SIZE = [256, 512] as const;
/** The camera's pictures: the network looks at fewer pixels than that. */
const CAMERA_SIZE = { width: { ideal: 640 }, height: { ideal: 360 } };
/** What helps, by the name of the browser's error. */
const CAMERA_ADVICE: Readonly<Record<string, string>> = {
  NotAllowedError: "Permit it in the browser's settings for this page, beside its address, and press the button again.",
  NotFoundError: "There is none at this machine: connect one, or open a picture.",
  NotReadableError: "Another program may have it: close that, and press the button again.",
};

export interface Viewer {
  show(shown: Shown): Promise<void>;
  /** Goes where pictures are seen: they can be dropped anywhere. */
  reveal(): void;
}

export class Sources {
  readonly #app: App;
  readonly #viewer: Viewer;
  readonly #camera = byId<HTMLButtonElement>("camera");
  #stream: MediaStream | null = null;

  constructor(app: App, viewer: Viewer) {
    this.#app = app;
    this.#viewer = viewer;
    byId<HTMLInputElement>("file").addEventListener("change", ({ target }) => {
      const input = target as HTMLInputElement;
      if (input.files![0]) this.#open(input.files![0]);
      input.value = "";
    });
    this.#acceptDrops(byId("frame"));
    this.#camera.addEventListener("click", () => app.attempt(() => (this.#stream ? this.stop() : this.#film())));
    document.addEventListener("visibilitychange", () => document.hidden && this.stop());
  }

  /** Makes buttons of the samples, and presses the first. */
  async openSamples(): Promise<void> {
    for (const [i, index] of SAMPLES.entries()) {
      const shown = fromSample(`Generated scene ${i + 1}`, await this.#app.scenes.scene("val", index, SAMPLE_SIZE));
      const small = canvasOf(SAMPLE_SIZE[1] / 2, SAMPLE_SIZE[0] / 2);
      contextOf(small).drawImage(shown.canvas, 0, 0, small.width, small.height);
      const button = element("button", { type: "button", ariaLabel: shown.name }, small);
      button.addEventListener("click", () => this.#app.attempt(() => {
        this.stop();
        this.#mark(button);
        return this.#viewer.show(shown);
      }));
      button.setAttribute("aria-pressed", "false");
      byId("samples").append(button);
      if (i === 0) button.click();
    }
  }

  #open(file: File): void {
    this.#app.attempt(async () => {
      const shown = await fromFile(file);
      this.stop();
      this.#mark(null);
      this.#viewer.reveal();
      await this.#viewer.show(shown);
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
    this.#camera.disabled = true; // until there is an answer: a second question would get a second stream
    const stream = await navigator.mediaDevices.getUserMedia({ video: CAMERA_SIZE }).catch((cause: Error) => {
      const advice = CAMERA_ADVICE[cause.name] ?? "";
      throw new UserError(`The camera cannot be used: ${cause.message}. ${advice}`, { cause });
    }).finally(() => (this.#camera.disabled = false));
    this.#stream = stream;
    this.#camera.setAttribute("aria-pressed", "true");
    this.#mark(null);
    const video = element("video", { srcObject: stream, muted: true, playsInline: true });
    try {
      await video.play();
      while (this.#stream === stream) {
        if (!stream.active) throw new UserError("The camera gives no more pictures: is it still connected?");
        await this.#viewer.show(fromVideo("Camera", video));
        await new Promise(requestAnimationFrame);
      }
    } finally {
      if (this.#stream === stream) this.stop();
    }
  }

  /** Lets the camera go. */
  stop(): void {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#camera.setAttribute("aria-pressed", "false");
  }
}
