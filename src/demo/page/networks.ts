/** Choosing the network that is asked: the one that comes with the page, one from a file, or the one trained here. */
import type { NetworkInfo } from "../engine.ts";
import type { App } from "./app.ts";
import { byId, element } from "./dom.ts";

const SHIPPED = "tiny.safetensors";
const TRAINED = "trained";

export class Networks {
  readonly #app: App;
  readonly #select = byId<HTMLSelectElement>("network");
  /** How to ask each of the networks on the list. */
  readonly #ways = new Map<string, () => Promise<NetworkInfo>>();

  constructor(app: App) {
    this.#app = app;
    this.#select.addEventListener("change", () => app.attempt(() => this.#choose(this.#select.value)));
    byId<HTMLInputElement>("checkpoint").addEventListener("change", ({ target }) => {
      const input = target as HTMLInputElement;
      const file = input.files![0];
      input.value = "";
      if (file) app.attempt(() => this.#open(file));
    });
    app.on("network", ({ subject, parameters, hasMemory }) => {
      const { classNames, dataset } = subject;
      byId("network-note").textContent =
        `${classNames.length} classes of ${dataset}, ${(parameters / 1e6).toFixed(2)} million parameters, ` +
        `${hasMemory ? "with" : "without"} memory. ` +
        (dataset === "streets" ? "It knows generated street scenes and is no network for photographs." : "");
    });
  }

  async loadShipped(): Promise<void> {
    const response = await fetch(SHIPPED);
    if (!response.ok) throw new Error(`${SHIPPED}: the server says ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    await this.#add("shipped", "Network that comes with this page", () => this.#app.engine.load(bytes, SHIPPED));
  }

  addTrained(): Promise<void> {
    return this.#add(TRAINED, "Network trained here", () => this.#app.engine.useTrained());
  }

  /** Another training has taken the place of the one before. */
  async renewTrained(): Promise<void> {
    if (this.#select.value === TRAINED) await this.addTrained();
  }

  async #open(file: File): Promise<void> {
    const bytes = new Uint8Array(await file.arrayBuffer());
    await this.#add("opened", file.name, () => this.#app.engine.load(bytes, file.name));
  }

  /** Puts a network on the list, once it is there, and asks it from now on. */
  async #add(value: string, text: string, way: () => Promise<NetworkInfo>): Promise<void> {
    const info = await way();
    this.#ways.set(value, way);
    this.#select.querySelector(`option[value="${value}"]`)?.remove();
    this.#select.append(element("option", { value, textContent: text }));
    this.#select.value = value;
    await this.#app.setNetwork(info);
  }

  async #choose(value: string): Promise<void> {
    await this.#app.setNetwork(await this.#ways.get(value)!());
  }
}
