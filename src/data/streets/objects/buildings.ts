/** Houses in rows: facades with windows, doors and shops, gable ends and roofs. */
import { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { GLASS, masonry, mix, mottled, scale, toMaterial, vary, type Colour, type Material } from "../paint.ts";
import { cellNoise, type SceneRandom } from "../random.ts";
import { rectangle, type Outline } from "../shapes.ts";
import type { Stage } from "../stage.ts";

const PLASTERS: readonly Colour[] = [
  [210, 192, 156], [224, 214, 190], [196, 164, 136], [200, 166, 118], [178, 186, 150], [214, 172, 150], [180, 136, 112],
];
const BRICKS: readonly Colour[] = [[158, 92, 74], [140, 84, 70], [172, 116, 88]];
const ROOFS: readonly Colour[] = [[142, 78, 60], [92, 84, 84], [116, 72, 62], [78, 80, 88]];
const SHOPS: readonly Colour[] = [[128, 44, 44], [40, 70, 110], [46, 88, 66], [70, 62, 58], [190, 150, 60]];

interface FacadeStyle {
  readonly storey: number;
  readonly bay: number;
  readonly windowWidth: number;
  readonly windowHeight: number;
  readonly groundFloor: "shops" | "flats";
}

function randomStyle(random: SceneRandom): FacadeStyle {
  const bay = random.uniform(1.7, 3);
  return {
    storey: random.uniform(2.9, 3.6),
    bay,
    windowWidth: bay * random.uniform(0.42, 0.66),
    windowHeight: random.uniform(1.3, 1.9),
    groundFloor: random.chance(0.45) ? "shops" : "flats",
  };
}

/** A front of `length` x `height` metres; a runs along the street from 0, b upwards. */
export function facade(random: SceneRandom, length: number, height: number): Material {
  const style = randomStyle(random);
  const brick = random.chance(0.3);
  const base = vary(random.pick(brick ? BRICKS : PLASTERS), random);
  const surface = brick
    ? masonry(base, random, { width: 0.5, height: 0.16, joint: 0.02, contrast: 0.12 })
    : mottled(base, random, 0.06, 0.8);
  const wall = toMaterial(surface);
  const trim = mix(base, [244, 242, 236], 0.6);
  const cornice = scale(base, 0.72);
  const shop = vary(random.pick(SHOPS), random);
  const door = scale(vary(random.pick(SHOPS), random), 0.7);
  const glass = vary(GLASS, random, 0.2);
  const seed = random.word();
  const bays = Math.max(1, Math.floor(length / style.bay));
  const bay = length / bays;
  const doorBay = random.integer(0, bays);

  const windowAt = (x: number, y: number, column: number, row: number): Colour | undefined => {
    const dx = Math.abs(x - bay / 2);
    const dy = Math.abs(y - 0.55 * style.storey);
    const [w, h] = [style.windowWidth / 2, style.windowHeight / 2];
    if (dx > w + 0.12 || dy > h + 0.12) return undefined;
    if (dx > w || dy > h || dx < 0.035) return trim;
    const chance = cellNoise(column, row, seed);
    if (chance > 0.82 && y > 0.55 * style.storey) return scale(trim, 0.75);
    return mix(glass, stageReflection, 0.1 + 0.4 * chance * (0.4 + dy / h));
  };

  return (a, b) => {
    if (b > height - 0.45) return cornice;
    const column = Math.min(bays - 1, Math.max(0, Math.floor(a / bay)));
    const row = Math.floor(b / style.storey);
    const x = a - column * bay;
    const y = b - row * style.storey;
    if (row > 0) {
      if (b + style.storey - y > height) return wall(a, b);
      return y < 0.12 ? trim : windowAt(x, y, column, row) ?? wall(a, b);
    }
    if (column === doorBay && Math.abs(x - bay / 2) < 0.6 && y < 2.3) return y > 1.95 ? glass : door;
    if (style.groundFloor === "flats") return y < 0.6 ? cornice : windowAt(x, y, column, row) ?? wall(a, b);
    if (y > 2.45) return y < 3.05 ? shop : wall(a, b);
    return y < 0.45 || x < 0.2 ? scale(shop, 0.6) : mix(glass, stageReflection, 0.12 + 0.1 * (y - 0.45));
  };
}

/** What windows mirror: a bright, slightly blue street. */
const stageReflection: Colour = [176, 190, 204];

/** A house whose front lies along the street at `x`, from z0 to z1, with a flat or a steep roof. */
export function drawHouse(
  stage: Stage, random: SceneRandom, house: { x: number; z0: number; z1: number; height: number },
): void {
  const { x, z0, z1, height } = house;
  const { camera } = stage;
  const outwards = x < 0 ? -1 : 1;
  const depth = outwards * 9;
  const material = facade(random, z1 - z0, height);
  const slope = random.chance(0.6) ? random.uniform(2, 3.4) : 0;
  const [run, rise] = [outwards * 0.45 * slope, 0.9 * slope];

  const gable: Outline = [[0, 0], [0, height], [run, height + rise], [depth, height + rise], [depth, 0]];
  stage.fill(camera.upright(x, z0), gable, (a, b) => material(Math.abs(a), b), LABEL.building);
  const roof = new Plane(camera, [x, height, 0], [0, 0, 1], [outwards * 0.45, 0.9, 0]);
  // A roof that falls away more steeply than the line of sight is hidden by its own eaves.
  if (slope > 0 && roof.normal[1] > 0) {
    const tiles = masonry(vary(random.pick(ROOFS), random), random, {
      width: 0.7, height: 0.4, joint: 0.06, contrast: 0.12,
    });
    stage.fill(roof, rectangle(z0, 0, z1, slope), tiles, LABEL.building);
  }
  stage.fill(camera.wall(x), rectangle(z0, 0, z1, height), (a, b) => material(a - z0, b), LABEL.building);
}

/** A house across the end of the street, facing the camera, from x0 to x1. */
export function drawFacingHouse(
  stage: Stage, random: SceneRandom, house: { x0: number; x1: number; z: number; height: number },
): void {
  const { x0, x1, z, height } = house;
  const material = facade(random, x1 - x0, height);
  stage.fill(stage.camera.upright(x0, z), rectangle(0, 0, x1 - x0, height), material, LABEL.building);
}
