/** A list of classes with a bar each; one of them can be chosen. */
import type { Subject } from "../../train/checkpoint.ts";
import type { Rgb } from "../../data/dataset.ts";
import { element, percent } from "./dom.ts";

const GREY: Rgb = [128, 128, 128];

export const cssColor = (color: Rgb = GREY): string => `rgb(${color.join(" ")})`;

export interface BarsOptions {
  readonly subject: Subject;
  /** In 0..1, by class. */
  readonly shares: ArrayLike<number>;
  /** Leaves out what is less. */
  readonly least?: number;
  readonly chosen: number | null;
  /** The class that was clicked; null where it was the chosen one. */
  readonly onChoose: (id: number | null) => void;
}

/** Fills the list, the largest share first. The class that has the focus keeps it. */
export function showBars(list: HTMLElement, { subject, shares, least = 0, chosen, onChoose }: BarsOptions): void {
  const active = document.activeElement as HTMLElement | null;
  const focused = list.contains(active) ? active!.dataset.id : undefined;
  const ids = subject.classNames.map((_, id) => id).filter((id) => shares[id] >= least);
  ids.sort((a, b) => shares[b] - shares[a]);
  const most = Math.max(shares[ids[0]] ?? 0, 1e-9);
  list.replaceChildren(...ids.map((id) => {
    const button = element(
      "button",
      { type: "button", className: shares[id] > 0 ? "" : "absent", onclick: () => onChoose(id === chosen ? null : id) },
      element("span", { className: "swatch", style: `background: ${cssColor(subject.palette?.[id])}` }),
      element("span", {}, subject.classNames[id]),
      element("span", { className: "bar" }, element("i", { style: `width: ${(100 * shares[id]) / most}%` })),
      element("span", { className: "share" }, shares[id] > 0 ? percent(shares[id]) : "none"),
    );
    button.dataset.id = String(id);
    button.setAttribute("aria-pressed", String(id === chosen));
    return element("li", {}, button);
  }));
  if (focused !== undefined) list.querySelector<HTMLElement>(`[data-id="${focused}"]`)?.focus();
}
