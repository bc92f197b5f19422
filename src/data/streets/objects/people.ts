/** Standing and walking people, and the bodies of riders. */
import type { Plane } from "../camera.ts";
import { LABEL, type Label } from "../labels.ts";
import { BLACK, mix, scale, vary, type Colour } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { bar, ellipse, type Outline, type Point } from "../shapes.ts";
import type { Stage } from "../stage.ts";

/** Who walks wears coats and jackets of all kinds; who rides wants to be seen. */
const COATS: readonly Colour[] = [
  [38, 40, 48], [44, 56, 92], [110, 44, 50], [92, 96, 100],
  [60, 96, 136], [130, 84, 112], [66, 84, 60], [150, 128, 100],
];
const RIDING_JACKETS: readonly Colour[] = [
  [226, 70, 44], [240, 132, 36], [222, 214, 60], [206, 44, 48], [228, 226, 220], [60, 64, 72],
];
const TROUSERS: readonly Colour[] = [[40, 44, 60], [52, 66, 100], [34, 34, 38], [96, 88, 76], [130, 120, 104]];
const SKINS: readonly Colour[] = [[222, 178, 150], [198, 148, 116], [136, 92, 66], [92, 62, 48]];
const HAIRS: readonly Colour[] = [[44, 32, 26], [92, 64, 40], [176, 142, 92], [150, 150, 150], [24, 22, 22]];
const HELMETS: readonly Colour[] = [[222, 222, 220], [30, 30, 34], [190, 40, 40], [40, 80, 160], [226, 180, 40]];

export interface Clothes {
  readonly top: Colour;
  readonly legs: Colour;
  readonly skin: Colour;
  readonly hair: Colour;
  readonly helmet: Colour;
}

export function randomClothes(random: SceneRandom, riding: boolean): Clothes {
  return {
    top: vary(random.pick(riding ? RIDING_JACKETS : COATS), random),
    legs: vary(random.pick(TROUSERS), random),
    skin: random.pick(SKINS),
    hair: random.pick(HAIRS),
    helmet: random.pick(HELMETS),
  };
}

/** Draws one person with their feet at (x, z); `ground` is the height of what they stand on. */
export function drawPerson(stage: Stage, random: SceneRandom, spot: { x: number; z: number; ground: number }): void {
  const plane = stage.camera.upright(spot.x, spot.z);
  const clothes = randomClothes(random, false);
  const size = random.chance(0.12) ? random.uniform(1.15, 1.45) : random.uniform(1.6, 1.88);
  const step = random.uniform(-0.13, 0.13);
  const facing = random.chance(0.5) ? 1 : -1;
  const draw = (outline: Outline, colour: Colour) => {
    const placed = outline.map(([a, b]): Point => [a * size * facing, spot.ground + b * size]);
    stage.fill(plane, placed, colour, LABEL.person);
  };
  stage.contactShadow(spot.x, spot.z, 0.36, 0.24);

  const dark = scale(clothes.legs, 0.8);
  draw(bar([-0.045, 0.5], [-0.05 - step, 0.03], 0.1, 0.062), dark);
  draw(bar([-0.06 - step, 0.018], [0.03 - step, 0.018], 0.036), BLACK);
  draw(bar([0.045, 0.5], [0.05 + step, 0.03], 0.105, 0.065), clothes.legs);
  draw(bar([0.03 + step, 0.018], [0.11 + step, 0.018], 0.036), BLACK);
  if (random.chance(0.25)) draw([[-0.1, 0.52], [0.1, 0.52], [0.15, 0.28], [-0.15, 0.28]], clothes.legs);

  const hem = random.chance(0.35) ? 0.36 : 0.47;
  draw(bar([-0.12, 0.8], [-0.15 + step * 0.8, 0.46], 0.07, 0.05), scale(clothes.top, 0.8));
  draw([[-0.1, hem], [0.1, hem], [0.13, 0.8], [0.06, 0.845], [-0.06, 0.845], [-0.13, 0.8]], clothes.top);
  draw(bar([0.125, 0.8], [0.155 - step * 0.8, 0.46], 0.07, 0.05), scale(clothes.top, 1.12));
  draw(ellipse(0.155 - step * 0.8, 0.44, 0.026), clothes.skin);
  if (random.chance(0.3)) {
    const bag = vary(random.pick(COATS), random);
    if (random.chance(0.5)) draw([[-0.09, 0.56], [0.09, 0.56], [0.1, 0.78], [-0.1, 0.78]], bag);
    else draw([[0.1, 0.3], [0.22, 0.3], [0.2, 0.44], [0.12, 0.44]], bag);
  }
  drawHead(draw, clothes, [0.01, 0.915], 0.062, random.chance(0.5));
}

/** A head with hair; `away` shows the back of it. */
function drawHead(
  draw: (outline: Outline, colour: Colour) => void, clothes: Clothes, [a, b]: Point, radius: number, away: boolean,
): void {
  draw(bar([a, b - radius * 1.6], [a, b], radius * 0.9), clothes.skin);
  draw(ellipse(a, b + radius * 0.2, radius * 1.05, radius * 1.2), clothes.hair);
  if (!away) draw(ellipse(a + radius * 0.15, b - radius * 0.15, radius * 0.82, radius * 0.95), clothes.skin);
}

/** Where a rider seen from the side touches the machine, in metres; `facing` +1 rides to the right. */
export interface Seat {
  readonly hip: Point;
  readonly shoulder: Point;
  readonly hand: Point;
  readonly knee: Point;
  readonly foot: Point;
}

export function drawRiderFromSide(
  stage: Stage, plane: Plane, clothes: Clothes, seat: Seat, facing: 1 | -1, helmeted: boolean,
): void {
  const draw = pen(stage, plane, LABEL.rider, facing);
  const { hip, shoulder, hand, knee, foot } = seat;
  draw(bar(hip, [knee[0] - 0.12, knee[1] + 0.04], 0.19, 0.15), scale(clothes.legs, 0.7));
  draw(bar(hip, knee, 0.21, 0.16), clothes.legs);
  draw(bar(knee, foot, 0.15, 0.1), clothes.legs);
  draw(bar([foot[0] - 0.08, foot[1]], [foot[0] + 0.2, foot[1]], 0.1), BLACK);
  draw(bar([hip[0] - 0.02, hip[1] - 0.06], [shoulder[0], shoulder[1] + 0.06], 0.32, 0.3), clothes.top);
  const elbow: Point = [(shoulder[0] + hand[0]) / 2, (shoulder[1] + hand[1]) / 2 - 0.07];
  draw(bar(shoulder, elbow, 0.15, 0.12), scale(clothes.top, 1.12));
  draw(bar(elbow, hand, 0.12, 0.09), mix(clothes.top, clothes.skin, helmeted ? 0 : 0.5));
  drawRiderHead(draw, clothes, [shoulder[0] + 0.09, shoulder[1] + 0.24], helmeted, 0.06);
}

/** A rider seen from the front or from behind, sitting at height `hip`. */
export function drawRiderFromEnd(
  stage: Stage, plane: Plane, clothes: Clothes, hip: number, helmeted: boolean, away: boolean,
): void {
  const draw = pen(stage, plane, LABEL.rider, 1);
  for (const side of [-1, 1]) {
    draw(bar([side * 0.1, hip], [side * 0.2, hip * 0.62], 0.17, 0.15), clothes.legs);
    draw(bar([side * 0.2, hip * 0.64], [side * 0.15, hip * 0.28], 0.14, 0.1), scale(clothes.legs, 0.85));
    draw(bar([side * 0.21, hip + 0.5], [side * 0.3, hip + 0.12], 0.13, 0.1), scale(clothes.top, 0.85));
  }
  const torso: Outline = [
    [-0.17, hip - 0.06], [0.17, hip - 0.06], [0.24, hip + 0.5],
    [0.1, hip + 0.58], [-0.1, hip + 0.58], [-0.24, hip + 0.5],
  ];
  draw(torso, clothes.top);
  drawRiderHead(draw, clothes, [0, hip + 0.74], helmeted, away ? 0.2 : 0);
}

function drawRiderHead(
  draw: (outline: Outline, colour: Colour) => void, clothes: Clothes, [a, b]: Point, helmeted: boolean, turned: number,
): void {
  if (!helmeted) {
    drawHead(draw, clothes, [a, b], 0.115, turned > 0.1);
    return;
  }
  draw(ellipse(a, b - 0.02, 0.12, 0.14), turned > 0.1 ? clothes.helmet : clothes.skin);
  draw(ellipse(a - turned * 0.3, b + 0.05, 0.155, 0.12), clothes.helmet);
}

/** Fills on the plane with one label, mirrored where the rider faces left. */
export function pen(stage: Stage, plane: Plane, label: Label, facing: 1 | -1) {
  return (outline: Outline, colour: Colour): void => {
    stage.fill(plane, outline.map(([a, b]): Point => [a * facing, b]), colour, label);
  };
}
