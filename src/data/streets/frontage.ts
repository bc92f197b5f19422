/** What lines the street behind the sidewalks: rows of houses, walls, fences, hedges and trees. */
import { LABEL } from "./labels.ts";
import { drawFence, drawWall, fenceSurface } from "./objects/barriers.ts";
import { drawFacingHouse, drawHouse } from "./objects/buildings.ts";
import { drawBush, drawHedge, drawTree } from "./objects/plants.ts";
import type { Colour } from "./paint.ts";
import type { SceneRandom } from "./random.ts";
import { rectangle } from "./shapes.ts";
import type { Stage } from "./stage.ts";
import { frontage, type Side, type Street } from "./street.ts";

type Kind = "house" | "wall" | "fence" | "green";

interface Segment {
  readonly kind: Kind;
  readonly z0: number;
  readonly z1: number;
}

const FAR = 130;

/** Draws both sides from far to near, then nothing of them is drawn again: all other objects stand in front of them. */
export function drawFrontages(
  stage: Stage, random: SceneRandom, street: Street, leaves: Colour, wanted: { wall: boolean; fence: boolean },
): void {
  const nearest = random.shuffled<Kind>([wanted.wall ? "wall" : "house", wanted.fence ? "fence" : "house"]);
  if (random.chance(0.4)) drawEndOfStreet(stage, random, street);
  street.sides.forEach((side, i) => {
    for (const segment of plan(random, side, nearest[i], street.junction).reverse()) {
      drawSegment(stage, random, side, segment, leaves);
    }
  });
}

/** Splits a side into segments from near to far; `nearest` is the first that fills a good part of the view. */
function plan(random: SceneRandom, side: Side, nearest: Kind, junction: Street["junction"]): Segment[] {
  const segments: Segment[] = [];
  // What lies nearer than this is outside of the image.
  let z = frontage(side) * 1.1;
  while (z < FAR) {
    if (junction && z >= junction.near - 1 && z < junction.far) {
      z = junction.far + 3;
      continue;
    }
    const first = segments.length === 0;
    const length = first ? random.uniform(12, 24) : random.uniform(8, 18);
    const end = junction && z < junction.near ? Math.min(z + length, junction.near - 2.5) : z + length;
    const kind = first ? nearest : random.pick<Kind>(["house", "house", "house", "wall", "fence", "green"]);
    if (end - z > 2.5) segments.push({ kind, z0: z, z1: end });
    z = end + (end - z > 2.5 ? 0 : 2.6);
  }
  return segments;
}

function drawSegment(stage: Stage, random: SceneRandom, side: Side, { kind, z0, z1 }: Segment, leaves: Colour): void {
  const x = side.sign * frontage(side);
  if (kind === "house") {
    drawHouse(stage, random, { x, z0, z1, height: random.uniform(6.5, 17) });
    return;
  }
  drawBehind(stage, random, side, { kind, z0, z1 }, leaves);
  if (kind === "wall") drawWall(stage, random, { x, z0, z1, height: random.uniform(2, 3) });
  else if (kind === "fence") {
    const height = random.uniform(1.6, 2.4);
    drawFence(stage, fenceSurface(random, height), { x, z0, z1, height });
  }
  else if (random.chance(0.6)) drawHedge(stage, random, { x, z0, z1, height: random.uniform(0.8, 1.8), leaves });
  else for (let z = z1; z > z0; z -= random.uniform(1.2, 2.2)) {
    drawBush(stage, random, { x, z, leaves, size: random.uniform(0.6, 1.2) });
  }
}

/** Gardens behind a low frontage: a house set back, or trees in front of the open sky. */
function drawBehind(stage: Stage, random: SceneRandom, side: Side, { z0, z1 }: Segment, leaves: Colour): void {
  const back = side.sign * (frontage(side) + random.uniform(5, 9));
  if (random.chance(0.55)) drawHouse(stage, random, { x: back, z0, z1, height: random.uniform(5, 11) });
  const density = random.pick([0, 3, 5]);
  for (let z = z1; density > 0 && z > z0; z -= random.uniform(density, density * 2)) {
    const x = side.sign * (frontage(side) + random.uniform(1.5, 4.5));
    if (random.chance(0.6)) drawTree(stage, random, { x, z, leaves, height: random.uniform(4.5, 8) });
    else drawBush(stage, random, { x, z, leaves, size: random.uniform(0.8, 1.6) });
  }
}

/** Houses or open sky across the far end, where the street bends. */
function drawEndOfStreet(stage: Stage, random: SceneRandom, street: Street): void {
  const z = random.uniform(70, 110);
  const [left, right] = street.sides.map(frontage);
  for (let x = -left - 8; x < right + 8;) {
    const width = random.uniform(9, 16);
    drawFacingHouse(stage, random, { x0: x, x1: x + width, z, height: random.uniform(8, 16) });
    x += width;
  }
  const pavement = rectangle(-left, 0, right, 0.6);
  stage.fill(stage.camera.upright(0, z - 0.1), pavement, [168, 162, 156], LABEL.sidewalk);
}
