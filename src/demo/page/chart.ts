/** The curves of a training: loss, its running mean, and the accuracy on the scene that is shown. */
const [LEFT, RIGHT, TOP, BOTTOM] = [26, 358, 10, 185];
/** Weight of the past in the running mean. */
const INERTIA = 0.9;
const SVG = "http://www.w3.org/2000/svg";

export interface Curves {
  readonly iterations: number;
  readonly losses: readonly (readonly [iteration: number, loss: number])[];
  readonly accuracies: readonly (readonly [iteration: number, share: number])[];
}

export function drawCurves(svg: SVGElement, { iterations, losses, accuracies }: Curves): void {
  const top = niceAbove(Math.max(...losses.map(([, loss]) => loss), 1e-3));
  const x = (iteration: number): number => LEFT + ((RIGHT - LEFT) * iteration) / iterations;
  const y = (share: number): number => BOTTOM - (BOTTOM - TOP) * share;
  let mean = losses[0]?.[1] ?? 0;
  const smooth = losses.map(([iteration, loss]) => {
    mean = INERTIA * mean + (1 - INERTIA) * loss;
    return [iteration, mean] as const;
  });
  const path = (points: Curves["losses"], most: number): string => {
    const places = points.map(([i, value]) => `${x(i).toFixed(1)} ${y(value / most).toFixed(1)}`);
    return places.length === 0 ? "" : `M${places.join("L")}`;
  };
  svg.replaceChildren(
    ...[0, 0.5, 1].flatMap((share) => [
      shape("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(share), y2: y(share) }),
      label(LEFT - 5, y(share) + 4, "end", losses.length > 0 ? String(Number((share * top).toPrecision(2))) : ""),
      label(RIGHT + 5, y(share) + 4, "start", `${100 * share} %`),
    ]),
    label(LEFT, BOTTOM + 17, "start", "0"),
    label(RIGHT, BOTTOM + 17, "end", `${iterations} iterations`),
    shape("path", { class: "raw", d: path(losses, top) }),
    shape("path", { class: "loss", d: path(smooth, top) }),
    shape("path", { class: "accuracy", d: path(accuracies, 1) }),
  );
  const [first, last] = [smooth[0]?.[1], smooth.at(-1)?.[1]];
  const accuracy = accuracies.at(-1)?.[1];
  const words = [
    first === undefined ? "" : `the loss went from ${first.toFixed(2)} to ${last!.toFixed(2)}`,
    accuracy === undefined ? "" : `${Math.round(100 * accuracy)} % of the scene's pixels are right`,
  ];
  const said = words.filter((text) => text !== "").join("; ");
  svg.setAttribute("aria-label", `Loss and accuracy: ${said || "nothing yet"}`);
}

/** The next number of one digit that halves well, times a power of ten. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 3, 4, 6, 8, 10].find((step) => step * power >= value)!;
}

function shape(name: string, attributes: Readonly<Record<string, string | number>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

function label(x: number, y: number, anchor: string, text: string): SVGElement {
  const made = shape("text", { x, y, "text-anchor": anchor });
  made.textContent = text;
  return made;
}
