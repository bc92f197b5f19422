/** What the views of the page share. */
import { UserError } from "../../errors.ts";
import type { EngineEvent, NetworkInfo } from "../engine.ts";
import type { EngineWorker } from "../engine.worker.ts";
import { connect } from "../rpc.ts";
import type { Remote } from "../rpc.ts";
import type { Scenes } from "../scenes.worker.ts";
import { byId } from "./dom.ts";
import type { Shown } from "./picture.ts";

/** Events of the page itself. */
interface Happenings {
  /** Another network is asked from now on. */
  network: NetworkInfo;
  /** There is another picture, of which nothing is known yet. */
  picture: Shown;
  /** It is segmented. */
  segmented: Shown;
}
type Listeners = { readonly [K in keyof Happenings]: ((value: Happenings[K]) => unknown)[] };

/** Errors that speak to people, by name: those of workers have lost their class. */
const EXPECTED = ["UserError", "SafetensorsError", "DeviceLostError"];

export class App {
  readonly engine: Remote<EngineWorker>;
  readonly scenes: Remote<Scenes>;
  network: NetworkInfo | null = null;
  readonly #listeners: Listeners = { network: [], picture: [], segmented: [] };
  readonly #engineListeners: ((event: EngineEvent) => void)[] = [];

  constructor() {
    this.engine = connect<EngineWorker, EngineEvent>(startWorker("engine.js"), (event) => {
      for (const listener of this.#engineListeners) listener(event);
    });
    this.scenes = connect<Scenes>(startWorker("scenes.js"));
  }

  on<K extends keyof Happenings>(name: K, listener: (value: Happenings[K]) => unknown): void {
    this.#listeners[name].push(listener);
  }

  /** Waits for what the listeners do about it, and fails as they do. */
  async tell<K extends keyof Happenings>(name: K, value: Happenings[K]): Promise<void> {
    await Promise.all(this.#listeners[name].map((listener) => listener(value)));
  }

  onEngine(listener: (event: EngineEvent) => void): void {
    this.#engineListeners.push(listener);
  }

  setNetwork(info: NetworkInfo): Promise<void> {
    this.network = info;
    return this.tell("network", info);
  }

  /** Does something that was asked for: what was said of earlier failures goes. */
  attempt(work: () => unknown): Promise<void> {
    byId("alert").hidden = true;
    return this.report(work);
  }

  /** Does something, and says in words where it fails. */
  async report(work: () => unknown): Promise<void> {
    try {
      await work();
    } catch (cause) {
      const { name, message } = cause as Error;
      const isExpected = cause instanceof UserError || EXPECTED.includes(name);
      byId("alert").textContent = isExpected ? message : `Something went wrong: ${message}`;
      byId("alert").hidden = false;
      if (!isExpected) console.error(cause);
    }
  }
}

function startWorker(file: string): Worker {
  return new Worker(new URL(file, document.baseURI), { type: "module" });
}
