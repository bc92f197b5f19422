import type { Plane } from "../camera.ts";
import { LABEL } from "../labels.ts";
import { BLACK, GLASS, RUBBER, mix, scale, vary, type Colour } from "../paint.ts";
import type { SceneRandom } from "../random.ts";
import { ellipse, rectangle, type Outline } from "../shapes.ts";
import type { Stage } from "../stage.ts";
import { drawHull, drawHullShadow, inset, turned, upwards, type Corner, type Pose } from "./hull.ts";

const PAINTS: readonly Colour[] = [
  [40, 42, 46], [52, 56, 62], [196, 198, 200], [226, 226, 224], [120, 124, 128], [72, 80, 88], [92, 98, 106],
  [30, 52, 104], [42, 66, 112], [46, 84, 66], [120, 30, 36],
];

const PLATE: Colour = [232, 232, 228];

/** Lengths in metres, the front first. */
interface Build {
  readonly length: number;
  readonly width: number;
  readonly shoulder: number;
  readonly roof: number;
  /** Where the bonnet ends, the windscreen ends, the roof ends and the rear window ends. */
  readonly stations: readonly [number, number, number, number];
}

const BUILDS: readonly Build[] = [
  { length: 3.9, width: 1.75, shoulder: 0.95, roof: 1.48, stations: [0.95, 1.7, 3.2, 3.8] },
  { length: 4.5, width: 1.8, shoulder: 0.92, roof: 1.43, stations: [1.2, 2, 3.1, 3.8] },
  { length: 4.5, width: 1.8, shoulder: 0.94, roof: 1.47, stations: [1.1, 1.85, 3.9, 4.4] },
  { length: 4.5, width: 1.9, shoulder: 1.08, roof: 1.7, stations: [1.05, 1.7, 3.8, 4.4] },
  { length: 4.6, width: 1.85, shoulder: 1.05, roof: 1.85, stations: [0.7, 1.45, 4.3, 4.55] },
];

function profileOf({ length, shoulder, roof, stations }: Build): Corner[] {
  const [bonnet, windscreen, roofEnd, rearWindow] = stations;
  const bottom = 0.3;
  return [
    { at: [0, bottom], face: "front" },
    { at: [0.02, shoulder * 0.78], face: "bonnet" },
    { at: [bonnet, shoulder], face: "windscreen" },
    { at: [windscreen, roof], face: "roof" },
    { at: [roofEnd, roof - 0.02], face: "rear window" },
    { at: [rearWindow, shoulder], face: "boot" },
    { at: [length - 0.02, shoulder * 0.93], face: "rear" },
    { at: [length, bottom], face: "end" },
  ];
}

/** `towards`: whether the front is at the pose's origin (an oncoming car) or the rear. */
export function drawCar(stage: Stage, random: SceneRandom, pose: Pose, towards: boolean): void {
  const build = random.pick(BUILDS);
  const paint = vary(random.pick(PAINTS), random, 0.1);
  const glass = vary(GLASS, random, 0.2);
  const sheen = mix(glass, [190, 204, 220], 0.45);
  const front = profileOf(build);
  const fill = (plane: Plane, outline: Outline, colour: Colour | ((a: number, b: number) => Colour)) =>
    stage.fill(plane, outline, colour, LABEL.car);
  drawHullShadow(stage, pose, build.length, build.width);
  const wheels = [0.78, build.length - 0.8].map((a) => (towards ? a : build.length - a));
  const { width, shoulder, roof } = build;
  const height = shoulder * 0.78 - 0.3;

  const hull = { profile: towards ? front : turned(front), width, shoulder, lean: 0.22 };
  drawHull(stage, pose, hull, (plane, outline, face) => {
    const at = upwards(plane, outline);
    switch (face) {
      case "side":
        fill(plane, rectangle(wheels[0], 0.17, wheels[1], 0.34), BLACK);
        fill(plane, outline, (_, b) => scale(paint, b < 0.45 ? 0.75 : 1));
        fill(plane, rectangle(wheels[0], shoulder * 0.72, wheels[1], shoulder * 0.76), scale(paint, 0.8));
        for (const a of wheels) {
          fill(plane, ellipse(a, 0.34, 0.38), BLACK);
          fill(plane, ellipse(a, 0.32, 0.32), RUBBER);
          fill(plane, ellipse(a, 0.32, 0.2), [158, 160, 164]);
        }
        break;
      case "cabin":
        fill(plane, outline, paint);
        fill(plane, inset(outline, 0.86), glass);
        break;
      case "windscreen":
      case "rear window":
        fill(plane, outline, paint);
        fill(plane, inset(outline, 0.88), (_, b) => mix(glass, sheen, Math.min(1, b / (roof - shoulder))));
        break;
      case "front":
        fill(plane, outline, scale(paint, 0.95));
        fill(plane, at(-width * 0.3, height * 0.35, width * 0.3, height * 0.75), BLACK);
        fill(plane, at(-width * 0.42, 0, width * 0.42, height * 0.16), scale(paint, 0.5));
        fill(plane, at(-0.26, height * 0.2, 0.26, height * 0.45), PLATE);
        for (const side of [-1, 1]) {
          fill(plane, ellipse(side * width * 0.38, height * 0.82, 0.2, 0.09), [250, 250, 238]);
          fill(plane, at(side * width * 0.47, -0.3, side * width * 0.36, 0.02), RUBBER);
        }
        break;
      case "rear":
        fill(plane, outline, paint);
        fill(plane, at(-0.26, height * 0.5, 0.26, height * 0.75), PLATE);
        fill(plane, at(-width * 0.45, 0, width * 0.45, 0.12), scale(paint, 0.45));
        for (const side of [-1, 1]) {
          fill(plane, at(side * width * 0.49, height * 0.66, side * width * 0.34, height), [206, 26, 28]);
          fill(plane, at(side * width * 0.47, -0.3, side * width * 0.36, 0.02), RUBBER);
        }
        break;
      default:
        fill(plane, outline, face === "roof" ? scale(paint, 0.95) : paint);
    }
  });
}
