/** Road, markings, tram track, kerbs, sidewalks and grass. */
import { LABEL } from "../labels.ts";
import { masonry, mix, mottled, scale, vary, type Colour, type Material } from "../paint.ts";
import { smoothNoise, type SceneRandom } from "../random.ts";
import { rectangle } from "../shapes.ts";
import type { Stage } from "../stage.ts";
import { KERB_HEIGHT, frontage, type Side, type Street } from "../street.ts";

/** The ground is drawn from just before the lower image edge to where it is a pixel high. */
const NEAR = 1.2;
const FAR = 220;

const ASPHALTS: readonly Colour[] = [[100, 101, 106], [84, 85, 92], [108, 106, 108], [94, 92, 98]];
const SLABS: readonly Colour[] = [[204, 164, 144], [196, 152, 136], [206, 178, 154], [190, 178, 168]];
const GRASSES: readonly Colour[] = [[118, 160, 66], [136, 166, 78], [108, 152, 62], [154, 160, 86]];
const MARKING: Colour = [226, 226, 220];

/** Short grass, with bare earth showing through in places. */
function grass(random: SceneRandom): Material {
  const green = vary(random.pick(GRASSES), random, 0.08);
  const earth = vary([150, 128, 96], random);
  const seed = random.word();
  const bareness = random.uniform(0.62, 0.9);
  return (a, b) => {
    const patch = smoothNoise(a * 0.7, b * 0.35, seed);
    const blade = 0.85 + 0.3 * smoothNoise(a * 9, b * 6, seed + 1);
    return scale(mix(green, earth, Math.max(0, Math.min(1, (patch - bareness) * 6))), blade);
  };
}

/** Worn in broad patches and finely grained. */
function asphaltSurface(random: SceneRandom, colour: Colour): Material {
  const seed = random.word();
  return (a, b) => {
    const patch = smoothNoise(a * 0.35, b * 0.35, seed);
    const grain = smoothNoise(a * 5, b * 5, seed + 1);
    return scale(colour, 0.8 + 0.2 * patch + 0.2 * grain);
  };
}

export function drawGround(stage: Stage, random: SceneRandom, street: Street): void {
  const ground = stage.camera.ground();
  const [left, right] = street.sides;
  const lawn = grass(random);
  stage.fill(ground, rectangle(-160, NEAR, -left.kerb, FAR), lawn, LABEL.terrain);
  stage.fill(ground, rectangle(right.kerb, NEAR, 160, FAR), lawn, LABEL.terrain);

  const asphalt = vary(random.pick(ASPHALTS), random, 0.08);
  const road = asphaltSurface(random, asphalt);
  stage.fill(ground, rectangle(-left.kerb, NEAR, right.kerb, FAR), road, LABEL.road);
  if (street.junction) {
    stage.fill(ground, rectangle(-160, street.junction.near, 160, street.junction.far), road, LABEL.road);
  }
  drawPatches(stage, random, asphalt, street);
  if (street.parked !== undefined && random.chance(0.4)) {
    const bay = mottled(vary([134, 126, 124], random), random, 0.12, 3);
    stage.fill(ground, rectangle(right.kerb - 2.1, random.uniform(9, 14), right.kerb, 60), bay, LABEL.parking);
  }
  drawMarkings(stage, random, street);
  if (street.track !== undefined) drawTrack(stage, random, street.track, street.ownBed);
  const slab = vary(random.pick(SLABS), random, 0.08);
  for (const side of street.sides) drawSide(stage, random, side, slab, street.junction);
}

/** Repaired asphalt and manhole covers. */
function drawPatches(stage: Stage, random: SceneRandom, asphalt: Colour, street: Street): void {
  const ground = stage.camera.ground();
  const [left, right] = street.sides;
  for (let i = random.integer(0, 5); i > 0; i--) {
    const x = random.uniform(-left.kerb + 0.5, right.kerb - 2);
    const z = random.uniform(5, 18);
    const tone = scale(asphalt, random.uniform(0.75, 1.15));
    stage.fill(ground, rectangle(x, z, x + random.uniform(0.5, 1.5), z + random.uniform(0.6, 5)), tone, LABEL.road);
  }
}

function drawMarkings(stage: Stage, random: SceneRandom, street: Street): void {
  const ground = stage.camera.ground();
  const [left, right] = street.sides;
  const worn = mottled(scale(MARKING, random.uniform(0.8, 1)), random, 0.14, 4);
  const middle = street.oncoming + 1.75;
  const line = (x: number, z0: number, z1: number, width: number) =>
    stage.fill(ground, rectangle(x - width / 2, z0, x + width / 2, z1), worn, LABEL.road);
  if (random.chance(0.75)) {
    const period = random.uniform(5, 8);
    for (let z = NEAR + random.uniform(0, period); z < 90; z += period) line(middle, z, z + period * 0.55, 0.16);
  } else {
    line(middle, NEAR, 110, 0.16);
  }
  if (street.parked !== undefined && random.chance(0.6)) line(right.kerb - 2.15, NEAR, 110, 0.12);
  if (street.junction || random.chance(0.3)) {
    const z = street.junction ? street.junction.near - 4.2 : random.uniform(9, 18);
    for (let x = -left.kerb + 0.3; x < right.kerb - 0.4; x += 1) line(x + 0.25, z, z + 2.8, 0.5);
  }
}

function drawTrack(stage: Stage, random: SceneRandom, middle: number, ownBed: boolean): void {
  const ground = stage.camera.ground();
  if (ownBed) {
    const ballast = mottled(vary([134, 120, 104], random), random, 0.3, 6);
    stage.fill(ground, rectangle(middle - 1.5, NEAR, middle + 1.4, FAR), ballast, LABEL.railTrack);
  }
  const label = ownBed ? LABEL.railTrack : LABEL.road;
  for (const x of [middle - 0.72, middle + 0.72]) {
    stage.fill(ground, rectangle(x - 0.09, NEAR, x + 0.09, FAR), [66, 64, 64], label);
    stage.fill(ground, rectangle(x - 0.03, NEAR, x + 0.04, FAR), [184, 184, 188], label);
  }
}

/** Kerb, verge, sidewalk and garden of one side, interrupted by the crossing street. */
function drawSide(stage: Stage, random: SceneRandom, side: Side, slab: Colour, junction: Street["junction"]): void {
  const raised = stage.camera.ground(KERB_HEIGHT);
  const kerbFace = stage.camera.wall(side.sign * side.kerb);
  const paving = masonry(slab, random, {
    width: random.uniform(0.5, 1), height: random.uniform(0.5, 1), joint: 0.035, contrast: 0.1,
  });
  const lawn = grass(random);
  const kerbstone = scale(slab, 1.12);
  const runs = junction ? [[NEAR, junction.near], [junction.far, FAR]] : [[NEAR, FAR]];
  for (const [z0, z1] of runs.reverse()) {
    const strip = (from: number, width: number, paint: Material | Colour, label: 8 | 22) => {
      if (width > 0) stage.fill(raised, rectangle(side.sign * from, z0, side.sign * (from + width), z1), paint, label);
    };
    strip(side.kerb + side.verge, side.sidewalk, paving, LABEL.sidewalk);
    strip(frontage(side) - side.garden, side.garden, lawn, LABEL.terrain);
    strip(side.kerb, side.verge, lawn, LABEL.terrain);
    strip(side.kerb, 0.2, kerbstone, LABEL.sidewalk);
    stage.fill(kerbFace, rectangle(z0, 0, z1, KERB_HEIGHT), scale(kerbstone, 0.85), LABEL.sidewalk);
  }
}
