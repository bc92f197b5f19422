/** What the drawings share: colours on light and dark ground, the page, and labels. */
import { element, text } from "../io/svg.ts";

type Rgb = readonly [r: number, g: number, b: number];

/** Classes as they are shown. */
export interface Legend {
  readonly classNames: readonly string[];
  readonly palette: readonly Rgb[];
}

const GROUND: Readonly<Record<"light" | "dark", Rgb>> = { light: [255, 255, 255], dark: [13, 17, 23] };
/** Of colours against the ground. */
const LEAST_CONTRAST = 2.2;
const MIXTURES = 20;

/** Colours of things that are no classes. */
export const SERIES = [
  { light: "#57606a", dark: "#8b949e" },
  { light: "#e16f24", dark: "#f0883e" },
  { light: "#0969da", dark: "#58a6ff" },
] as const;

/** With more classes than that, names would cover each other: they are in the tooltips alone. */
export const MOST_NAMED = 30;

const BASE = `
text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
.page { fill: #ffffff; }
.head { font-size: 19px; font-weight: 600; }
.panel-head { font-size: 14px; font-weight: 600; }
.faint { fill: #59636e; font-size: 12px; }
.small { font-size: 11px; }
.ground { fill: #f6f8fa; stroke: #d1d9e0; }
.grid { stroke: #d1d9e0; }
.line { stroke: #8c959f; }
.halo { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round; }
.ink { stroke: #1f2328; stroke-width: 1.5; stroke-linejoin: round; }
.void { fill: #eaeef2; }
.dot { fill-opacity: 0.72; }
`;

const BASE_DARK = `
text { fill: #e6edf3; }
.page { fill: #0d1117; }
.faint { fill: #9198a1; }
.ground { fill: #151b23; stroke: #30363d; }
.grid { stroke: #30363d; }
.line { stroke: #656c76; }
.halo { stroke: #0d1117; }
.ink { stroke: #e6edf3; }
.void { fill: #21262d; }
`;

export interface Page {
  readonly width: number;
  readonly height: number;
  readonly title: string;
  readonly subtitle: string;
  readonly parts: readonly string[];
  /** Gives every class k the style `.k<k>`. */
  readonly legend: Legend;
}

export const MARGIN = 28;
/** Where the drawing may begin below title and subtitle. */
export const BODY = 84;

/** A drawing that needs nothing besides itself. */
export function page({ width, height, title, subtitle, parts, legend }: Page): string {
  const colours = (ground: "light" | "dark"): string =>
    [
      ...legend.palette.map((rgb, k) => `.k${k} { fill: ${hex(legible(rgb, GROUND[ground]))}; }`),
      ...SERIES.map((colour, i) => `.s${i} { fill: ${colour[ground]}; }`),
    ].join("\n");
  const dark = `@media (prefers-color-scheme: dark) {${BASE_DARK}${colours("dark")}\n}`;
  const size = { width: Math.ceil(width), height: Math.ceil(height) };
  const viewBox = `0 0 ${size.width} ${size.height}`;
  const root = { xmlns: "http://www.w3.org/2000/svg", viewBox, ...size, role: "img" };
  const content = [
    element("style", {}, `${BASE}${colours("light")}\n${dark}\n`),
    element("rect", { class: "page", ...size }),
    text(title, { class: "head", x: MARGIN, y: 36 }),
    text(subtitle, { class: "faint", x: MARGIN, y: 58 }),
    ...parts,
  ];
  return `${element("svg", { ...root, "aria-label": title }, `\n${content.join("\n")}\n`)}\n`;
}

/** The colour, moved towards black or white as far as it takes to stand out from the ground. */
export function legible(rgb: Rgb, ground: Rgb): Rgb {
  const ink = luminance(ground) > 0.5 ? 0 : 255;
  for (let step = 0; step < MIXTURES; step++) {
    const share = step / MIXTURES;
    const mixed = rgb.map((value) => value + share * (ink - value)) as unknown as Rgb;
    if (contrast(mixed, ground) >= LEAST_CONTRAST) return mixed;
  }
  return [ink, ink, ink];
}

/** Contrast ratio of WCAG 2.1, from 1 to 21. */
export function contrast(a: Rgb, b: Rgb): number {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** Relative luminance of WCAG 2.1, from 0 to 1. */
function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

export function hex(rgb: Rgb): string {
  return `#${rgb.map((value) => Math.round(value).toString(16).padStart(2, "0")).join("")}`;
}
