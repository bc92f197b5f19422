/** What stands at the kerb: lamp posts, traffic lights, traffic signs, bins. */
import type { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { BLACK, STEEL, WHITE, scale, vary, type Colour } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { bar, ellipse, rectangle, regular, type Outline } from "../shapes.ts";
import type { Stage } from "../stage.ts";

const RED: Colour = [196, 34, 36];
const BLUE: Colour = [34, 84, 172];
const YELLOW: Colour = [240, 196, 40];
const GREEN: Colour = [40, 120, 78];
const POLE_COLOURS: readonly Colour[] = [STEEL, [104, 108, 110], [72, 78, 76], [150, 152, 150]];

interface Spot {
  readonly x: number;
  readonly z: number;
}

function drawPole(stage: Stage, random: SceneRandom, { x, z }: Spot, height: number, width: number): Plane {
  const plane = stage.camera.upright(x, z);
  const colour = vary(random.pick(POLE_COLOURS), random);
  const lit = stage.light.sun[0] < 0 ? -1 : 1;
  stage.contactShadow(x, z, width * 1.5, width);
  stage.fill(plane, rectangle(-width / 2, 0, width / 2, height), colour, LABEL.pole);
  stage.fill(plane, rectangle(lit * width * 0.15, 0, lit * width * 0.5, height), scale(colour, 1.25), LABEL.pole);
  return plane;
}

/** A lamp post whose arm reaches over the road; the lamp itself is `static`, as in the official labels. */
export function drawLampPost(stage: Stage, random: SceneRandom, spot: Spot): void {
  const height = random.uniform(6, 8.5);
  const plane = drawPole(stage, random, spot, height, random.uniform(0.24, 0.32));
  const towardsRoad = spot.x < 0 ? 1 : -1;
  const reach = towardsRoad * random.uniform(1.2, 2);
  stage.fill(plane, bar([0, height - 0.1], [reach, height + 0.25], 0.16, 0.1), STEEL, LABEL.pole);
  stage.fill(plane, bar([reach * 0.85, height + 0.2], [reach * 1.3, height + 0.24], 0.16, 0.22), BLACK, LABEL.static);
}

/** Three lamps, one of them lit; the bottom edge at height `b`. */
function drawSignalHead(stage: Stage, random: SceneRandom, plane: Plane, a: number, b: number): void {
  const housing = random.pick<Colour>([[30, 32, 32], [38, 44, 40], [58, 62, 56]]);
  const [width, height] = [0.56, 1.45];
  const phase = random.pick([0, 0, 1, 2, 2]);
  const lamps: readonly Colour[] = [[255, 46, 36], [255, 184, 40], [60, 240, 130]];
  stage.fill(plane, rectangle(a - width / 2, b, a + width / 2, b + height), housing, LABEL.trafficLight);
  lamps.forEach((lamp, i) => {
    const centre = b + height * (0.83 - 0.33 * i);
    // A lamp shines by itself: undo what shade would take from it.
    const lit = scale(lamp, i === phase ? 1.45 : 0.2);
    stage.fill(plane, ellipse(a, centre, 0.2), lit, LABEL.trafficLight);
  });
}

export function drawTrafficLight(stage: Stage, random: SceneRandom, spot: Spot): void {
  const towardsRoad = spot.x < 0 ? 1 : -1;
  // Nearer than this, the arm would be above the image.
  const overhead = spot.z > 9.5 && random.chance(0.7);
  const height = overhead ? 5.2 : 3.5;
  const plane = drawPole(stage, random, spot, height, 0.28);
  drawSignalHead(stage, random, plane, overhead ? -towardsRoad * 0.02 : 0, overhead ? 2.1 : height - 1.3);
  if (overhead) {
    const reach = towardsRoad * random.uniform(2.2, 3.4);
    stage.fill(plane, bar([0, height - 0.15], [reach, height], 0.2, 0.14), STEEL, LABEL.pole);
    drawSignalHead(stage, random, plane, reach, height - 1.25);
  }
}

type Sign = (face: (outline: Outline, colour: Colour) => void, radius: number, b: number) => void;

const SIGNS: readonly Sign[] = [
  // Prohibition
  (face, r, b) => {
    face(ellipse(0, b, r), RED);
    face(ellipse(0, b, r * 0.7), WHITE);
    face(bar([-r * 0.3, b], [r * 0.3, b], r * 0.5), BLACK);
  },
  // Warning
  (face, r, b) => {
    face(regular(0, b - r * 0.2, r * 1.25, 3, 0.25), RED);
    face(regular(0, b - r * 0.2, r * 0.72, 3, 0.25), WHITE);
    face(rectangle(-r * 0.1, b - r * 0.4, r * 0.1, b + r * 0.2), BLACK);
  },
  // Give way
  (face, r, b) => {
    face(regular(0, b + r * 0.2, r * 1.25, 3, 0.75), RED);
    face(regular(0, b + r * 0.2, r * 0.7, 3, 0.75), WHITE);
  },
  // Mandatory direction
  (face, r, b) => {
    face(ellipse(0, b, r), BLUE);
    face(bar([0, b - r * 0.6], [0, b + r * 0.3], r * 0.24), WHITE);
    face(regular(0, b + r * 0.3, r * 0.42, 3, 0.25), WHITE);
  },
  // Pedestrian crossing
  (face, r, b) => {
    face(rectangle(-r, b - r, r, b + r), BLUE);
    face(regular(0, b - r * 0.15, r * 0.85, 3, 0.25), WHITE);
    face(rectangle(-r * 0.12, b - r * 0.4, r * 0.12, b + r * 0.3), BLACK);
  },
  // Priority road
  (face, r, b) => {
    face(regular(0, b, r * 1.25, 4, 0.25), WHITE);
    face(regular(0, b, r * 0.9, 4, 0.25), YELLOW);
  },
  // Stop
  (face, r, b) => {
    face(regular(0, b, r * 1.05, 8, 1 / 16), RED);
    face(rectangle(-r * 0.65, b - r * 0.2, r * 0.65, b + r * 0.2), WHITE);
  },
  // No entry
  (face, r, b) => {
    face(ellipse(0, b, r), RED);
    face(rectangle(-r * 0.7, b - r * 0.2, r * 0.7, b + r * 0.2), WHITE);
  },
];

/** A sign on its post, sometimes a second one below it, or a direction board. */
export function drawTrafficSign(stage: Stage, random: SceneRandom, spot: Spot): void {
  const top = random.uniform(2.6, 3.1);
  const plane = drawPole(stage, random, spot, top, 0.22);
  const face = (outline: Outline, colour: Colour) => stage.fill(plane, outline, colour, LABEL.trafficSign);
  if (random.chance(0.25)) {
    drawDirectionBoard(random, face, top);
    return;
  }
  const radius = random.uniform(0.5, 0.62);
  random.pick(SIGNS)(face, radius, top - radius * 0.6);
  if (random.chance(0.4)) random.pick(SIGNS)(face, radius * 0.9, top - radius * 2.75);
}

function drawDirectionBoard(random: SceneRandom, face: (outline: Outline, colour: Colour) => void, top: number): void {
  const [width, height] = [random.uniform(1.5, 2.2), random.uniform(0.9, 1.2)];
  const [board, text] = random.pick([[BLUE, WHITE], [YELLOW, BLACK], [WHITE, BLACK], [GREEN, WHITE]] as const);
  face(rectangle(-width / 2, top - height, width / 2, top), text);
  face(rectangle(-width / 2 + 0.05, top - height + 0.05, width / 2 - 0.05, top - 0.05), board);
  for (let line = 1; line <= 2; line++) {
    const b = top - (height * line) / 3;
    face(rectangle(-width * 0.38, b - 0.07, width * random.uniform(0, 0.3), b + 0.07), text);
  }
}

export function drawBin(stage: Stage, random: SceneRandom, { x, z }: Spot): void {
  const plane = stage.camera.upright(x, z);
  const colour = vary(random.pick<Colour>([[66, 92, 62], [78, 80, 84], [150, 82, 40]]), random);
  stage.contactShadow(x, z, 0.35, 0.3);
  stage.fill(plane, [[-0.26, 0], [0.26, 0], [0.3, 1], [-0.3, 1]], colour, LABEL.static);
  stage.fill(plane, rectangle(-0.33, 1, 0.33, 1.08), scale(colour, 0.6), LABEL.static);
}
