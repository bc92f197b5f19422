/** The cross-section of a street: what lies where on the ground, in metres. */
import type { SceneRandom } from "./random.ts";

/** One side of the street; widths run outwards from the carriageway. */
export interface Side {
  /** -1 left, +1 right. */
  readonly sign: -1 | 1;
  /** Distance of the kerb from the camera. */
  readonly kerb: number;
  /** Width of the grass strip between kerb and sidewalk; 0 without one. */
  readonly verge: number;
  readonly sidewalk: number;
  /** Width of the grass between sidewalk and frontage; 0 without one. */
  readonly garden: number;
}

export interface Street {
  readonly sides: readonly [Side, Side];
  /** Middle line of the oncoming lane. */
  readonly oncoming: number;
  /** Middle line of the cars parked at the right kerb, or undefined where nobody may park. */
  readonly parked: number | undefined;
  /** Middle of the tram track, or undefined without one. */
  readonly track: number | undefined;
  /** Whether the track has a bed of its own (grass and ballast) instead of lying in the road. */
  readonly ownBed: boolean;
  /** Where another street crosses, or undefined. */
  readonly junction: { readonly near: number; readonly far: number } | undefined;
}

/** Distance from the camera to the line of house fronts, walls and fences. */
export function frontage(side: Side): number {
  return side.kerb + side.verge + side.sidewalk + side.garden;
}

/** Distance from the camera to the middle of the sidewalk. */
export function sidewalkMiddle(side: Side): number {
  return side.kerb + side.verge + side.sidewalk / 2;
}

export const KERB_HEIGHT = 0.13;

/** `wanted.track`, `wanted.junction`: whether the scene needs a tram track or a crossing street. */
export function randomStreet(random: SceneRandom, wanted: { track: boolean; junction: boolean }): Street {
  const ownBed = wanted.track && random.chance(0.4);
  const leftKerb = (wanted.track ? 5.4 : 4.2) + random.uniform(0, 0.7);
  const parking = random.chance(0.6);
  const rightKerb = parking ? random.uniform(3, 3.5) : random.uniform(2, 2.5);
  const lawnSide = random.pick([-1, -1, 1, 1, 0]);
  const side = (sign: -1 | 1, kerb: number): Side => ({
    sign,
    kerb,
    verge: random.chance(0.6) ? random.uniform(1.2, 2.4) : 0,
    sidewalk: random.uniform(2.1, 3.2),
    garden: sign === lawnSide ? random.uniform(3, 6.5) : 0,
  });
  const near = random.uniform(19, 25);
  return {
    sides: [side(-1, leftKerb), side(1, rightKerb)],
    oncoming: -leftKerb + 1.7,
    parked: parking ? rightKerb - 1.05 : undefined,
    track: wanted.track ? -leftKerb + 1.9 : undefined,
    ownBed,
    junction: wanted.junction ? { near, far: near + random.uniform(8, 11) } : undefined,
  };
}
