/** Small helpers over the DOM. */

/** The element of the page with this id, which index.html has. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as E;
}

type Properties<T extends keyof HTMLElementTagNameMap> = Partial<Omit<HTMLElementTagNameMap[T], "style">> & {
  readonly style?: string;
};

/** A new element with properties and children. */
export function element<T extends keyof HTMLElementTagNameMap>(
  tag: T,
  properties: Properties<T> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[T] {
  const made = document.createElement(tag);
  const { style, ...others } = properties;
  if (style !== undefined) made.style.cssText = style;
  Object.assign(made, others);
  made.append(...children);
  return made;
}

export function canvasOf(width: number, height: number): HTMLCanvasElement {
  return element("canvas", { width, height });
}

export function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  return canvas.getContext("2d", { willReadFrequently: true })!;
}

/** What is there, however little, is not said to be nothing. */
export function percent(share: number, digits = 1): string {
  const least = 10 ** -digits;
  return share > 0 && 100 * share < least ? `< ${least} %` : `${(100 * share).toFixed(digits)} %`;
}

/** Has screen readers say something, once they are done with what they say: for results, not for what runs by. */
export function announce(text: string): void {
  byId("spoken").textContent = text;
}

/** Radio buttons of a group: the chosen one's value, now and whenever it changes. */
export function onChoice(name: string, listener: (value: string) => void): void {
  for (const input of document.querySelectorAll<HTMLInputElement>(`input[name="${name}"]`)) {
    input.addEventListener("change", () => listener(input.value));
  }
}

/** Hands bytes over as a file. */
export function download(name: string, bytes: Uint8Array): void {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "application/octet-stream" }));
  element("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
