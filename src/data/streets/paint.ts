/** Colours (sRGB, 0..255) and materials: colours that depend on the place on a surface. */
import { cellNoise, smoothNoise, type SceneRandom } from "./random.ts";

export type Colour = readonly [number, number, number];

/** The colour at (a, b) metres on a surface, or null where one sees through (the label is written all the same). */
export type Material = (a: number, b: number) => Colour | null;
export type Paint = Colour | Material;

export function toMaterial(paint: Paint): Material {
  return typeof paint === "function" ? paint : () => paint;
}

export function scale(colour: Colour, factor: number): Colour {
  return [colour[0] * factor, colour[1] * factor, colour[2] * factor];
}

export function mix(from: Colour, to: Colour, t: number): Colour {
  return [
    from[0] + (to[0] - from[0]) * t,
    from[1] + (to[1] - from[1]) * t,
    from[2] + (to[2] - from[2]) * t,
  ];
}

/** The same colour, a little lighter or darker and a little off in hue. */
export function vary(colour: Colour, random: SceneRandom, amount = 0.12): Colour {
  const light = 1 + random.uniform(-amount, amount);
  const hue = amount / 3;
  return [
    colour[0] * light * (1 + random.uniform(-hue, hue)),
    colour[1] * light * (1 + random.uniform(-hue, hue)),
    colour[2] * light * (1 + random.uniform(-hue, hue)),
  ];
}

/** Soft lighter and darker patches of about 1/frequency metres. */
export function mottled(paint: Paint, random: SceneRandom, amount: number, frequency: number): Material {
  const base = toMaterial(paint);
  const seed = random.word();
  return (a, b) => {
    const colour = base(a, b);
    return colour && scale(colour, 1 + amount * (2 * smoothNoise(a * frequency, b * frequency, seed) - 1));
  };
}

/** Rectangular stones or slabs of slightly different tone with darker joints; every other row is shifted by half. */
export function masonry(
  colour: Colour, random: SceneRandom, stone: { width: number; height: number; joint: number; contrast: number },
): Material {
  const seed = random.word();
  const jointColour = scale(colour, 0.72);
  return (a, b) => {
    const row = Math.floor(b / stone.height);
    const shifted = a / stone.width + (row & 1) * 0.5;
    const column = Math.floor(shifted);
    if (b - row * stone.height < stone.joint || (shifted - column) * stone.width < stone.joint) return jointColour;
    return scale(colour, 1 + stone.contrast * (2 * cellNoise(column, row, seed) - 1));
  };
}

export const WHITE: Colour = [238, 238, 234];
export const BLACK: Colour = [24, 24, 27];
export const STEEL: Colour = [128, 132, 136];
export const RUBBER: Colour = [34, 34, 36];
export const GLASS: Colour = [46, 58, 70];
