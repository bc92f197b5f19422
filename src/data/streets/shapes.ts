/** Outlines in the coordinates of the plane they are drawn on, in metres. */
import { smoothNoise } from "./random.ts";

export type Point = readonly [number, number];
export type Outline = readonly Point[];

/** Sine of an angle in turns, by its series on a quarter turn (error below 2e-4): engines may differ in `Math.sin`. */
export function sinTurn(turns: number): number {
  let t = turns - Math.floor(turns + 0.5);
  if (t > 0.25) t = 0.5 - t;
  if (t < -0.25) t = -0.5 - t;
  const r = t * 6.283185307179586;
  const r2 = r * r;
  return r * (1 - (r2 / 6) * (1 - (r2 / 20) * (1 - r2 / 42)));
}

export function cosTurn(turns: number): number {
  return sinTurn(turns + 0.25);
}

export function rectangle(a0: number, b0: number, a1: number, b1: number): Outline {
  return [[a0, b0], [a1, b0], [a1, b1], [a0, b1]];
}

export function ellipse(a: number, b: number, radiusA: number, radiusB = radiusA, corners = 18): Outline {
  return Array.from({ length: corners }, (_, i) => [
    a + radiusA * cosTurn(i / corners),
    b + radiusB * sinTurn(i / corners),
  ]);
}

/** A regular polygon whose first corner stands at `turn` (0 = right, 0.25 = top). */
export function regular(a: number, b: number, radius: number, corners: number, turn: number): Outline {
  return Array.from({ length: corners }, (_, i) => [
    a + radius * cosTurn(turn + i / corners),
    b + radius * sinTurn(turn + i / corners),
  ]);
}

/** An ellipse with a ragged edge; `roughness` is the largest relative change of the radius. */
export function blob(
  a: number, b: number, radiusA: number, radiusB: number, roughness: number, seed: number,
): Outline {
  const corners = 40;
  return Array.from({ length: corners }, (_, i) => {
    const bumps = smoothNoise((i / corners) * 9, 0.5, seed) * 0.6 + smoothNoise((i / corners) * 20, 7.5, seed) * 0.4;
    const radius = 1 + roughness * (2 * bumps - 1);
    return [a + radiusA * radius * cosTurn(i / corners), b + radiusB * radius * sinTurn(i / corners)];
  });
}

/** A straight bar from one point to another whose width may change along the way. */
export function bar(from: Point, to: Point, widthFrom: number, widthTo = widthFrom): Outline {
  const da = to[0] - from[0];
  const db = to[1] - from[1];
  const length = Math.sqrt(da * da + db * db) || 1;
  const na = -db / length / 2;
  const nb = da / length / 2;
  return [
    [from[0] + na * widthFrom, from[1] + nb * widthFrom],
    [to[0] + na * widthTo, to[1] + nb * widthTo],
    [to[0] - na * widthTo, to[1] - nb * widthTo],
    [from[0] - na * widthFrom, from[1] - nb * widthFrom],
  ];
}
