/** Walls and fences along the sidewalk. */
import { LABEL } from "../labels.ts";
import { masonry, mottled, scale, vary, type Colour, type Material, type Paint } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { rectangle } from "../shapes.ts";
import type { Stage } from "../stage.ts";

const CONCRETES: readonly Colour[] = [[168, 168, 168], [148, 150, 152], [180, 178, 172]];
const STONES: readonly Colour[] = [[140, 140, 142], [152, 146, 140], [122, 124, 128]];
const WOODS: readonly Colour[] = [[150, 104, 64], [168, 126, 82], [122, 86, 58]];

/** A run of wall or fence along the street. */
export interface Barrier {
  readonly x: number;
  readonly z0: number;
  readonly z1: number;
  readonly height: number;
}

function wallSurface(random: SceneRandom): Paint {
  if (random.chance(0.6)) {
    const panel = random.uniform(2, 3.5);
    const concrete = mottled(vary(random.pick(CONCRETES), random), random, 0.12, 0.9);
    return (a, b) => {
      const colour = concrete(a, b);
      return colour && a - Math.floor(a / panel) * panel < 0.07 ? scale(colour, 0.7) : colour;
    };
  }
  return masonry(vary(random.pick(STONES), random), random, {
    width: random.uniform(0.5, 0.9), height: random.uniform(0.28, 0.45), joint: 0.04, contrast: 0.2,
  });
}

export function drawWall(stage: Stage, random: SceneRandom, { x, z0, z1, height }: Barrier): void {
  const surface = wallSurface(random);
  const coping = vary([186, 182, 174], random);
  const outwards = x < 0 ? -1 : 1;
  stage.fill(stage.camera.upright(x, z0), rectangle(0, 0, outwards * 0.35, height), surface, LABEL.wall);
  stage.fill(stage.camera.wall(x), rectangle(z0, 0, z1, height), surface, LABEL.wall);
  stage.fill(stage.camera.wall(x - outwards * 0.05), rectangle(z0, height - 0.14, z1, height), coping, LABEL.wall);
}

/** Posts, rails and bars; one sees through between them. */
export function railings(random: SceneRandom, height: number): Material {
  const paint = random.pick<Colour>([[36, 40, 44], [44, 74, 56], [52, 86, 62]]);
  const spacing = random.uniform(0.24, 0.34);
  const thickness = spacing * random.uniform(0.26, 0.36);
  const post = random.uniform(2, 2.8);
  return (a, b) => {
    if (a - Math.floor(a / post) * post < 0.14) return scale(paint, 0.85);
    if (Math.abs(b - 0.22) < 0.05 || Math.abs(b - height + 0.12) < 0.06) return paint;
    return a - Math.floor(a / spacing) * spacing < thickness ? paint : null;
  };
}

/** Upright boards with narrow gaps between two posts. */
function boards(random: SceneRandom, height: number): Material {
  const wood = mottled(vary(random.pick(WOODS), random), random, 0.15, 3);
  const width = random.uniform(0.2, 0.3);
  return (a, b) => {
    const within = a - Math.floor(a / width) * width;
    const onRail = Math.abs(b - height * 0.25) < 0.06 || Math.abs(b - height * 0.75) < 0.06;
    if (within < 0.05) return onRail ? wood(a, b) : null;
    const colour = wood(a, b);
    return colour && within < 0.08 ? scale(colour, 0.75) : colour;
  };
}

/** Wire mesh in a frame of posts. */
function mesh(random: SceneRandom, height: number): Material {
  const wire = random.pick<Colour>([[70, 112, 84], [60, 96, 76]]);
  const pitch = 0.26;
  const post = random.uniform(2.2, 3);
  return (a, b) => {
    if (a - Math.floor(a / post) * post < 0.12 || b > height - 0.1) return wire;
    const p = (a + b) / pitch;
    const q = (a - b) / pitch;
    return p - Math.floor(p) < 0.24 || q - Math.floor(q) < 0.24 ? wire : null;
  };
}

export function fenceSurface(random: SceneRandom, height: number): Material {
  return random.pick([railings, boards, boards, mesh])(random, height);
}

export function drawFence(stage: Stage, surface: Material, { x, z0, z1, height }: Barrier): void {
  stage.fill(stage.camera.wall(x), rectangle(z0, 0, z1, height), surface, LABEL.fence);
}
