/** Trees, bushes and hedges: everything labelled vegetation. */
import { LABEL } from "../labels.ts";
import { mix, scale, vary, type Colour, type Material } from "../paint.ts";
import { smoothNoise, type SceneRandom } from "../random.ts";
import { bar, blob, type Outline, type Point } from "../shapes.ts";
import type { Stage } from "../stage.ts";

const LEAVES: readonly Colour[] = [[70, 100, 44], [58, 86, 46], [84, 110, 48], [64, 94, 58]];
const AUTUMN: readonly Colour[] = [[150, 112, 42], [140, 84, 40]];
const BARK: Colour = [84, 70, 56];

/** The leaves of one scene: trees of a street resemble each other. */
export function randomLeaves(random: SceneRandom): Colour {
  return vary(random.pick(random.chance(0.88) ? LEAVES : AUTUMN), random);
}

/** Clumps of leaves, lighter towards the top of the plant. */
function foliage(random: SceneRandom, leaves: Colour, bottom: number, top: number): Material {
  const seed = random.word();
  const sunny = mix(leaves, [196, 206, 110], 0.4);
  const shady = scale(leaves, 0.42);
  return (a, b) => {
    const clump = smoothNoise(a * 1.6, b * 1.9, seed) * 0.6 + smoothNoise(a * 6, b * 6, seed + 1) * 0.65;
    const height = (b - bottom) / (top - bottom);
    const t = Math.max(0, Math.min(1, clump * 1.1 - 0.42 + height * 0.5));
    return t < 0.5 ? mix(shady, leaves, t * 2) : mix(leaves, sunny, t * 2 - 1);
  };
}

export function drawTree(
  stage: Stage, random: SceneRandom, tree: { x: number; z: number; leaves: Colour; height: number },
): void {
  const { x, z, height } = tree;
  const plane = stage.camera.upright(x, z);
  const leaves = vary(tree.leaves, random, 0.1);
  const bark = vary(BARK, random, 0.2);
  const crownBottom = height * random.uniform(0.28, 0.38);
  const middle = (crownBottom + height) / 2;
  const radius = (height - crownBottom) / 2;
  stage.contactShadow(x, z, radius * 0.8, radius * 0.5);
  const trunk = 0.1 + height * 0.022;
  stage.fill(plane, bar([0, 0], [0, middle], trunk * 2, trunk), bark, LABEL.vegetation);
  for (const side of [-1, 1]) {
    const limb = bar([0, crownBottom * 0.95], [side * radius * 0.5, middle], trunk, trunk / 3);
    stage.fill(plane, limb, bark, LABEL.vegetation);
  }
  const paint = foliage(random, leaves, crownBottom, height);
  if (random.chance(0.15)) {
    stage.fill(plane, conifer(random, height, radius), paint, LABEL.vegetation);
    return;
  }
  const parts = random.integer(5, 8);
  for (let i = 0; i < parts; i++) {
    const a = random.uniform(-0.55, 0.55) * radius;
    const b = middle + random.uniform(-0.5, 0.5) * radius;
    const size = radius * random.uniform(0.45, 0.65);
    stage.fill(plane, blob(a, b, size, size * 0.9, 0.28, random.word()), paint, LABEL.vegetation);
  }
}

/** A jagged triangle from the ground to the tip. */
function conifer(random: SceneRandom, height: number, radius: number): Outline {
  const tiers = 7;
  const right: Point[] = [];
  for (let i = 0; i < tiers; i++) {
    const b = height * (0.1 + (0.9 * i) / tiers);
    const reach = radius * (1 - i / tiers) * random.uniform(0.85, 1.1);
    right.push([reach, b], [reach * 0.62, b + (height * 0.9) / tiers]);
  }
  const left = right.map(([a, b]): Point => [-a, b]).reverse();
  return [...right, [0, height], ...left];
}

export function drawBush(
  stage: Stage, random: SceneRandom, bush: { x: number; z: number; leaves: Colour; size: number },
): void {
  const { x, z, size } = bush;
  const plane = stage.camera.upright(x, z);
  stage.contactShadow(x, z, size, size * 0.6);
  const paint = foliage(random, vary(bush.leaves, random, 0.15), 0, size);
  for (let i = 0; i < 3; i++) {
    const a = random.uniform(-0.4, 0.4) * size;
    const radius = size * random.uniform(0.5, 0.7);
    stage.fill(plane, blob(a, radius * 0.75, radius, radius * 0.85, 0.25, random.word()), paint, LABEL.vegetation);
  }
}

/** A clipped hedge along the street with an uneven top. */
export function drawHedge(
  stage: Stage, random: SceneRandom, hedge: { x: number; z0: number; z1: number; height: number; leaves: Colour },
): void {
  const { x, z0, z1, height } = hedge;
  const seed = random.word();
  const steps = 24;
  const top = Array.from({ length: steps + 1 }, (_, i): Point => {
    const z = z1 + ((z0 - z1) * i) / steps;
    return [z, height * (0.88 + 0.24 * smoothNoise(z * 1.5, 0.5, seed))];
  });
  const paint = foliage(random, vary(hedge.leaves, random, 0.1), 0, height);
  const outwards = x < 0 ? -1 : 1;
  const end: Outline = [[0, 0], [0, height], [outwards, height], [outwards, 0]];
  stage.fill(stage.camera.upright(x, z0), end, paint, LABEL.vegetation);
  stage.fill(stage.camera.wall(x), [[z0, 0], [z1, 0], ...top], paint, LABEL.vegetation);
}
