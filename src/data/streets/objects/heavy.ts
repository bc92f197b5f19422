/** Trucks and buses. */
import type { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { BLACK, GLASS, RUBBER, WHITE, mix, scale, vary, type Colour, type Paint } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { ellipse, rectangle, type Outline } from "../shapes.ts";
import type { Stage } from "../stage.ts";
import { drawHull, drawHullShadow, inset, turned, upwards, type Corner, type Pose } from "./hull.ts";

const CABS: readonly Colour[] = [
  [230, 230, 226], [36, 70, 140], [44, 96, 160], [52, 110, 72], [70, 84, 100], [190, 44, 40],
];
const BOXES: readonly Colour[] = [
  [232, 232, 228], [222, 224, 226], [206, 208, 210], [190, 198, 206], [60, 96, 150], [74, 120, 96],
];
/** The town's own buses are yellow; every few there is one of another company. */
const TOWN_BUSES: readonly Colour[] = [[238, 202, 52], [240, 186, 44], [230, 196, 70]];
const OTHER_BUSES: readonly Colour[] = [[60, 140, 84], [236, 140, 50], [226, 226, 222]];
const TAIL_LIGHT: Colour = [210, 28, 28];
const HEADLIGHT: Colour = [250, 250, 236];

/** `towards`: whether the front is at the pose's origin or the rear. */
export function drawTruck(stage: Stage, random: SceneRandom, pose: Pose, towards: boolean): void {
  const length = random.uniform(6.5, 8.5);
  const width = 2.35;
  const top = random.uniform(2.9, 3.5);
  const cabLength = random.uniform(1.7, 2.1);
  const cabTop = top - random.uniform(0.35, 0.7);
  const cab = vary(random.pick(CABS), random);
  const box = vary(random.pick(BOXES), random, 0.08);
  const stripe = random.chance(0.6) ? vary(random.pick(CABS), random) : box;
  const glass = vary(GLASS, random, 0.2);
  const fill = (plane: Plane, outline: Outline, paint: Paint) => stage.fill(plane, outline, paint, LABEL.truck);
  drawHullShadow(stage, pose, length, width);

  const cabHull: readonly Corner[] = [
    { at: [0, 0.5], face: "grille" },
    { at: [0, 1.35], face: "windscreen" },
    { at: [0.25, cabTop], face: "roof" },
    { at: [cabLength, cabTop], face: "cab back" },
    { at: [cabLength, 0.5], face: "end" },
  ];
  const boxHull: readonly Corner[] = [
    { at: [0, 0.85], face: "box front" },
    { at: [0, top], face: "roof" },
    { at: [length - cabLength - 0.25, top], face: "doors" },
    { at: [length - cabLength - 0.25, 0.85], face: "end" },
  ];
  const shifted = (metres: number): Pose => moveAlong(pose, metres);
  const boxLength = length - cabLength - 0.25;
  const wheelsOf = (plane: Plane, positions: readonly number[]) => {
    for (const a of positions) {
      fill(plane, ellipse(a, 0.48, 0.48), RUBBER);
      fill(plane, ellipse(a, 0.48, 0.24), [150, 150, 152]);
    }
  };

  const drawCab = () => drawHull(
    stage, towards ? pose : shifted(boxLength + 0.25),
    { profile: towards ? cabHull : turned(cabHull), width: width - 0.1 },
    (plane, outline, face) => {
      const at = upwards(plane, outline);
      fill(plane, outline, face === "roof" ? scale(cab, 0.9) : cab);
      if (face === "side") {
        const nose = towards ? 0.35 : cabLength - 0.35;
        const back = towards ? 1.3 : cabLength - 1.3;
        fill(plane, rectangle(nose, 1.45, back, cabTop - 0.3), glass);
        wheelsOf(plane, [towards ? 0.95 : cabLength - 0.95]);
      } else if (face === "windscreen") {
        fill(plane, inset(outline, 0.88), (_, b) => mix(glass, [180, 196, 212], 0.15 + 0.2 * Math.max(0, b)));
      } else if (face === "grille") {
        fill(plane, at(-0.75, 0.3, 0.75, 0.75), BLACK);
        fill(plane, at(-width / 2, 0, width / 2, 0.2), [60, 60, 64]);
        for (const side of [-1, 1]) {
          fill(plane, at(side * 1.05, 0.06, side * 0.72, 0.22), HEADLIGHT);
          fill(plane, at(side * 1.1, -0.5, side * 0.75, 0), RUBBER);
        }
      }
    },
  );
  const drawBox = () => drawHull(
    stage, towards ? shifted(cabLength + 0.25) : pose,
    { profile: towards ? boxHull : turned(boxHull), width },
    (plane, outline, face) => {
      const at = upwards(plane, outline);
      fill(plane, outline, box);
      if (face === "side") {
        fill(plane, rectangle(0, 0.45, boxLength, 0.85), [44, 44, 48]);
        fill(plane, rectangle(boxLength * 0.12, top * 0.5, boxLength * 0.88, top * 0.72), stripe);
        fill(plane, rectangle(0, 0.85, boxLength, 0.97), scale(box, 0.6));
        wheelsOf(plane, towards ? [boxLength - 1.1, boxLength - 2.15] : [1.1, 2.15]);
      } else if (face === "doors") {
        const height = top - 0.85;
        fill(plane, at(-0.03, 0.1, 0.03, height - 0.1), scale(box, 0.5));
        for (const side of [-1, 1]) {
          fill(plane, at(side * 0.45, 0.1, side * 0.39, height - 0.1), scale(box, 0.65));
          fill(plane, at(side * width * 0.48, height * 0.3, side * width * 0.44, height * 0.95), scale(box, 0.7));
        }
        fill(plane, at(-width * 0.4, height * 0.55, width * 0.4, height * 0.75), stripe);
        fill(plane, at(-width / 2, -0.45, width / 2, 0), [48, 48, 52]);
        for (const side of [-1, 1]) {
          fill(plane, at(side * 1.12, -0.35, side * 0.75, -0.12), TAIL_LIGHT);
          fill(plane, at(side * 1.1, -0.85, side * 0.65, -0.4), RUBBER);
        }
        fill(plane, at(-0.28, -0.36, 0.28, -0.14), [236, 206, 60]);
      }
    },
  );
  if (pose.turn === 0 && !towards) {
    drawCab();
    drawBox();
  } else {
    drawBox();
    drawCab();
  }
}

/** The pose moved along the vehicle's long axis, which must be square to the view or along it. */
function moveAlong(pose: Pose, metres: number): Pose {
  if (pose.turn === 0) return { ...pose, z: pose.z + metres };
  return { ...pose, x: pose.x + (pose.turn > 0 ? metres : -metres) };
}

export function drawBus(stage: Stage, random: SceneRandom, pose: Pose, towards: boolean): void {
  const length = random.uniform(10, 12);
  const width = 2.5;
  const top = random.uniform(2.95, 3.2);
  const colour = vary(random.pick(random.chance(0.85) ? TOWN_BUSES : OTHER_BUSES), random, 0.08);
  const skirt = random.chance(0.3) ? vary(WHITE, random) : scale(colour, 0.85);
  const glass = vary([34, 42, 52], random, 0.15);
  const fill = (plane: Plane, outline: Outline, paint: Paint) => stage.fill(plane, outline, paint, LABEL.bus);
  const hull: readonly Corner[] = [
    { at: [0, 0.32], face: "front" },
    { at: [0.12, top - 0.1], face: "edge" },
    { at: [0.3, top], face: "roof" },
    { at: [length, top], face: "rear" },
    { at: [length, 0.32], face: "end" },
  ];
  const wheels = [2.4, length - 3].map((a) => (towards ? a : length - a));
  drawHullShadow(stage, pose, length, width);
  drawHull(stage, pose, { profile: towards ? hull : turned(hull), width }, (plane, outline, face) => {
    const at = upwards(plane, outline);
    fill(plane, outline, colour);
    if (face === "side") {
      fill(plane, rectangle(0.05, 0.32, length - 0.05, 0.85), skirt);
      fill(plane, rectangle(0.3, 1.3, length - 0.3, top - 0.45), (a, b) => busWindow(a, b, glass));
      for (const share of [0.07, 0.45]) {
        const door = towards ? share * length : (1 - share) * length - 1.2;
        fill(plane, rectangle(door, 0.45, door + 1.2, top - 0.5), (a) =>
          Math.abs(a - door - 0.6) < 0.05 ? BLACK : mix(glass, WHITE, 0.12));
      }
      for (const a of wheels) {
        fill(plane, ellipse(a, 0.5, 0.52), BLACK);
        fill(plane, ellipse(a, 0.48, 0.44), RUBBER);
        fill(plane, ellipse(a, 0.48, 0.24), [150, 150, 154]);
      }
    } else if (face === "front") {
      const height = top - 0.42;
      fill(plane, at(-width * 0.46, height * 0.3, width * 0.46, height * 0.82), (a, b) =>
        Math.abs(a) < 0.03 ? BLACK : mix(glass, [180, 196, 212], 0.1 + 0.12 * Math.abs(b)));
      fill(plane, at(-width * 0.42, height * 0.85, width * 0.42, height * 0.98), BLACK);
      fill(plane, at(-width * 0.3, height * 0.88, width * 0.2, height * 0.95), [255, 176, 48]);
      fill(plane, at(-width / 2, 0, width / 2, 0.16), scale(skirt, 0.7));
      drawBusEnd(width, HEADLIGHT, (a0, b0, a1, b1, paint) => fill(plane, at(a0, b0, a1, b1), paint));
    } else if (face === "rear") {
      const height = top - 0.32;
      fill(plane, at(-width * 0.42, height * 0.52, width * 0.42, height * 0.86), glass);
      fill(plane, at(-width * 0.3, height * 0.9, width * 0.1, height * 0.97), [255, 176, 48]);
      fill(plane, at(-width * 0.36, height * 0.16, width * 0.36, height * 0.42), scale(colour, 0.6));
      drawBusEnd(width, TAIL_LIGHT, (a0, b0, a1, b1, paint) => fill(plane, at(a0, b0, a1, b1), paint));
    }
  });
}

function busWindow(a: number, b: number, glass: Colour): Colour {
  const pane = a - Math.floor(a / 1.5) * 1.5;
  return pane < 0.09 ? BLACK : mix(glass, [170, 186, 202], 0.12 + 0.2 * (b - 1.3));
}

/** Lamps, number plate and tyres of a bus's front or rear. */
function drawBusEnd(
  width: number, lamp: Colour, draw: (a0: number, b0: number, a1: number, b1: number, colour: Colour) => void,
): void {
  draw(-0.27, 0.04, 0.27, 0.16, [234, 234, 228]);
  for (const side of [-1, 1]) {
    draw(side * width * 0.47, 0.22, side * width * 0.33, 0.42, lamp);
    draw(side * width * 0.46, -0.32, side * width * 0.33, 0.02, RUBBER);
  }
}
