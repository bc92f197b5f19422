import type { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { BLACK, STEEL, mix, scale, vary, type Colour, type Paint } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { bar, ellipse, rectangle, type Outline } from "../shapes.ts";
import type { Stage } from "../stage.ts";
import { drawHull, drawHullShadow, inset, upwards, type Corner, type Pose } from "./hull.ts";

/** Upper and lower colour: the town's trams are red and cream, old ones darker, with few guests in blue. */
const LIVERIES: readonly (readonly [Colour, Colour])[] = [
  [[234, 224, 196], [190, 34, 40]],
  [[240, 236, 224], [206, 40, 44]],
  [[226, 212, 180], [160, 30, 38]],
  [[234, 226, 204], [198, 48, 40]],
  [[236, 234, 226], [34, 84, 156]],
];

/**
 * A tram: longer and closer to the ground than a bus, no wheels in sight, sloped at both ends, a deep dark band of
 * windows, grey boxes and a pantograph on the roof.
 */
export function drawTram(stage: Stage, random: SceneRandom, pose: Pose): void {
  const length = random.uniform(17, 24);
  const width = 2.4;
  const top = 3.25;
  const [upper, lower] = random.pick(LIVERIES).map((colour) => vary(colour, random, 0.08));
  const glass = vary([30, 36, 44], random, 0.15);
  const lamps: Colour = random.chance(0.5) ? [252, 250, 232] : [214, 36, 30];
  const fill = (plane: Plane, outline: Outline, paint: Paint) => stage.fill(plane, outline, paint, LABEL.train);
  const profile: readonly Corner[] = [
    { at: [0.25, 0.18], face: "apron" },
    { at: [0, 1.25], face: "windscreen" },
    { at: [0.75, 2.85], face: "board" },
    { at: [0.95, top], face: "roof" },
    { at: [length - 0.95, top], face: "board" },
    { at: [length - 0.75, 2.85], face: "windscreen" },
    { at: [length, 1.25], face: "apron" },
    { at: [length - 0.25, 0.18], face: "end" },
  ];
  drawHullShadow(stage, pose, length, width);
  drawPantograph(stage, pose, length, top);
  drawHull(stage, pose, { profile, width }, (plane, outline, face) => {
    switch (face) {
      case "side":
        fill(plane, outline, (a, b) => tramSide(a, b, { upper, lower, glass, length }));
        break;
      case "windscreen":
        fill(plane, outline, lower);
        fill(plane, inset(outline, 0.9), (a, b) => mix(glass, [180, 196, 212], 0.1 + 0.08 * (a + b)));
        break;
      case "board":
        fill(plane, outline, BLACK);
        fill(plane, inset(outline, 0.6), [255, 184, 60]);
        break;
      case "apron":
        fill(plane, outline, lower);
        fill(plane, upwards(plane, outline)(-width / 2, 0, width / 2, 0.16), BLACK);
        for (const side of [-1, 1]) fill(plane, ellipse(side * 0.82, 0.62, 0.17, 0.12), lamps);
        fill(plane, ellipse(0, 0.8, 0.1), lamps);
        break;
      default:
        fill(plane, outline, scale(STEEL, 0.9));
    }
  });
}

function tramSide(
  a: number, b: number, tram: { upper: Colour; lower: Colour; glass: Colour; length: number },
): Colour {
  const fromEnd = Math.min(a, tram.length - a);
  const joint = Math.abs(a - tram.length / 3) < 0.3 || Math.abs(a - (2 * tram.length) / 3) < 0.3;
  if (joint) return [56, 56, 60];
  if (b < 0.42) return scale(tram.lower, 0.55);
  if (b > 2.85) return [150, 152, 156];
  const pane = a - Math.floor(a / 2.1) * 2.1;
  const door = Math.floor(a / 2.1) % 3 === 1 && fromEnd > 2;
  if (door && b < 2.6) return Math.abs(pane - 1.05) < 0.06 || pane < 0.12 ? BLACK : mix(tram.glass, tram.upper, 0.2);
  if (b > 1.25 && b < 2.5) return pane < 0.12 ? BLACK : mix(tram.glass, [170, 186, 202], 0.1 + 0.2 * (b - 1.25));
  return b < 1.25 ? tram.lower : tram.upper;
}

/** Roof boxes and the folded arms that reach for the wire. */
function drawPantograph(stage: Stage, pose: Pose, length: number, top: number): void {
  const sideways = pose.turn !== 0;
  const away = sideways ? 0 : 3;
  const middle = sideways ? (pose.turn > 0 ? 1 : -1) * length * 0.4 : 0;
  const plane = stage.camera.upright(pose.x + middle, pose.z + away);
  const draw = (outline: Outline, colour: Colour) => stage.fill(plane, outline, colour, LABEL.train);
  draw(rectangle(-0.8, top, 0.8, top + 0.3), STEEL);
  draw(bar([-0.5, top + 0.3], [0.4, top + 0.8], 0.12), BLACK);
  draw(bar([0.4, top + 0.8], [-0.3, top + 1.35], 0.12), BLACK);
  draw(bar([-0.9, top + 1.35], [0.9, top + 1.35], 0.13), BLACK);
}
