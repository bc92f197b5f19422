/** Bicycles and motorcycles, parked or ridden, from the side or from an end. */
import type { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { BLACK, RUBBER, STEEL, scale, vary, type Colour } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { bar, cosTurn, ellipse, rectangle, sinTurn, type Point } from "../shapes.ts";
import type { Stage } from "../stage.ts";
import { drawRiderFromEnd, drawRiderFromSide, pen, randomClothes, type Seat } from "./people.ts";

const FRAMES: readonly Colour[] = [
  [170, 40, 44], [40, 76, 150], [60, 120, 84], [210, 210, 206], [36, 36, 40], [214, 150, 40],
];
const TANKS: readonly Colour[] = [
  [178, 30, 34], [30, 32, 36], [36, 70, 160], [206, 208, 210], [60, 130, 70], [220, 110, 30],
];

export interface Cycle {
  readonly x: number;
  readonly z: number;
  readonly ridden: boolean;
  /** "side": across the view; "end": towards or away from the camera. */
  readonly view: "side" | "end";
}

const BICYCLE_SEAT: Seat = {
  hip: [-0.2, 1], shoulder: [0.16, 1.46], hand: [0.42, 1.08], knee: [0.18, 0.72], foot: [0, 0.26],
};
const MOTORCYCLE_SEAT: Seat = {
  hip: [-0.22, 0.9], shoulder: [0.05, 1.4], hand: [0.42, 1.02], knee: [0.22, 0.78], foot: [-0.02, 0.38],
};

function pose(stage: Stage, random: SceneRandom, cycle: Cycle): { plane: Plane; facing: 1 | -1 } {
  const turn = cycle.view === "side" ? random.uniform(-0.07, 0.07) : 0;
  const [rx, rz] = cycle.view === "side" ? [0.95, 0.25] : [0.32, 0.7];
  stage.contactShadow(cycle.x, cycle.z, rx, rz);
  return { plane: stage.camera.upright(cycle.x, cycle.z, turn), facing: random.chance(0.5) ? 1 : -1 };
}

export function drawBicycle(stage: Stage, random: SceneRandom, cycle: Cycle): void {
  const { plane, facing } = pose(stage, random, cycle);
  const frame = vary(random.pick(FRAMES), random);
  const clothes = randomClothes(random, true);
  const helmeted = random.chance(0.5);
  const draw = pen(stage, plane, LABEL.bicycle, facing);
  if (cycle.view === "end") {
    draw(ellipse(0, 0.34, 0.055, 0.34), RUBBER);
    draw(bar([0, 0.5], [0, 1.02], 0.06), frame);
    draw(bar([-0.3, 1.06], [0.3, 1.06], 0.06), STEEL);
    draw(ellipse(0, 0.94, 0.12, 0.06), BLACK);
    draw(ellipse(0, 0.7, 0.05, 0.05), [220, 50, 40]);
    if (cycle.ridden) drawRiderFromEnd(stage, plane, clothes, 1, helmeted, facing === 1);
    return;
  }
  for (const a of [-0.54, 0.54]) drawSpokedWheel(stage, plane, a * facing, 0.34);
  const [crank, saddle, head, hub]: readonly Point[] = [[0, 0.32], [-0.18, 0.86], [0.36, 0.86], [-0.54, 0.34]];
  for (const [from, to] of [[crank, saddle], [crank, head], [saddle, head], [crank, hub], [saddle, hub]]) {
    draw(bar(from, to, 0.065), frame);
  }
  draw(bar(head, [0.54, 0.34], 0.06), scale(frame, 0.8));
  draw(bar(saddle, [-0.2, 0.94], 0.05), STEEL);
  draw(bar([-0.34, 0.96], [-0.08, 0.96], 0.08), BLACK);
  draw(bar(head, [0.36, 1.06], 0.05), STEEL);
  draw(bar([0.3, 1.07], [0.5, 1.04], 0.06), BLACK);
  draw(ellipse(0, 0.32, 0.1), BLACK);
  if (random.chance(0.35)) draw(rectangle(-0.75, 0.72, -0.4, 0.78), BLACK);
  if (cycle.ridden) drawRiderFromSide(stage, plane, clothes, BICYCLE_SEAT, facing, helmeted);
}

/** A thin tyre one sees through; its whole disc counts as bicycle. */
function drawSpokedWheel(stage: Stage, plane: Plane, a: number, radius: number): void {
  stage.mask(plane, ellipse(a, radius, radius), LABEL.bicycle);
  const corners = 20;
  for (let i = 0; i < corners; i++) {
    const at = (t: number): Point => [
      a + (radius - 0.03) * cosTurn(t / corners), radius + (radius - 0.03) * sinTurn(t / corners),
    ];
    stage.fill(plane, bar(at(i), at(i + 1.15), 0.07), RUBBER, LABEL.bicycle);
    if (i % 4 === 0) stage.fill(plane, bar([a, radius], at(i), 0.018), STEEL, LABEL.bicycle);
  }
  stage.fill(plane, ellipse(a, radius, 0.045), STEEL, LABEL.bicycle);
}

export function drawMotorcycle(stage: Stage, random: SceneRandom, cycle: Cycle): void {
  const { plane, facing } = pose(stage, random, cycle);
  const tank = vary(random.pick(TANKS), random);
  const clothes = randomClothes(random, true);
  const draw = pen(stage, plane, LABEL.motorcycle, facing);
  if (cycle.view === "end") {
    draw(ellipse(0, 0.32, 0.12, 0.32), RUBBER);
    draw([[-0.2, 0.4], [0.2, 0.4], [0.27, 0.85], [0.14, 1.12], [-0.14, 1.12], [-0.27, 0.85]], tank);
    draw(bar([-0.42, 1.04], [0.42, 1.04], 0.08), BLACK);
    for (const side of [-1, 1]) draw(ellipse(side * 0.42, 1.2, 0.09, 0.06), BLACK);
    draw(ellipse(0, 0.88, 0.11), facing === 1 ? [230, 50, 40] : [250, 248, 226]);
    draw(rectangle(-0.12, 0.52, 0.12, 0.66), [226, 226, 220]);
    if (cycle.ridden) {
      drawRiderFromEnd(stage, plane, clothes, 0.92, true, facing === 1);
      draw([[-0.2, 0.45], [0.2, 0.45], [0.24, 0.85], [-0.24, 0.85]], tank);
    }
    return;
  }
  for (const a of [-0.7, 0.7]) {
    draw(ellipse(a, 0.33, 0.33), RUBBER);
    draw(ellipse(a, 0.33, 0.2), [92, 94, 98]);
    draw(ellipse(a, 0.33, 0.08), BLACK);
  }
  draw([[-0.42, 0.28], [0.34, 0.28], [0.42, 0.68], [-0.3, 0.72]], [66, 68, 72]);
  draw(ellipse(0, 0.45, 0.2, 0.17), [138, 140, 144]);
  draw(bar([0.1, 0.3], [-0.95, 0.36], 0.1, 0.13), [170, 172, 176]);
  draw(bar([0.44, 1], [0.7, 0.33], 0.1), [120, 122, 126]);
  draw([[-1, 0.84], [-0.86, 0.72], [-0.3, 0.66], [0.1, 0.7], [0.1, 0.86], [-0.5, 0.9]], BLACK);
  draw([[-1.02, 0.84], [-0.6, 0.74], [-0.4, 0.62], [-0.55, 0.88]], tank);
  draw([[-0.06, 0.74], [0.38, 0.68], [0.5, 0.86], [0.4, 1.04], [0.06, 1.02]], tank);
  draw([[0.44, 0.72], [0.68, 0.66], [0.74, 0.9], [0.56, 1.12], [0.42, 1.02]], scale(tank, 0.9));
  draw(bar([0.5, 0.68], [0.95, 0.6], 0.07, 0.05), scale(tank, 0.8));
  draw(ellipse(0.72, 0.86, 0.07, 0.1), [246, 240, 214]);
  draw(bar([0.3, 1.08], [0.52, 1.1], 0.07), BLACK);
  if (cycle.ridden) drawRiderFromSide(stage, plane, clothes, MOTORCYCLE_SEAT, facing, true);
}
