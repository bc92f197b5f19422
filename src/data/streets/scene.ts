/** One street scene from its random numbers: the picture and its labels. */
import { Camera } from "./camera.ts";
import { Canvas } from "./canvas.ts";
import { drawFrontages } from "./frontage.ts";
import { LABEL } from "./labels.ts";
import { Light } from "./light.ts";
import { drawGround } from "./objects/ground.ts";
import { randomLeaves } from "./objects/plants.ts";
import { drawSky } from "./objects/sky.ts";
import { Placement } from "./placement.ts";
import type { SceneRandom } from "./random.ts";
import { develop, type Frame } from "./sensor.ts";
import { ellipse } from "./shapes.ts";
import { Stage } from "./stage.ts";
import { randomStreet } from "./street.ts";
import { populate } from "./traffic.ts";

/** Draws the scene that belongs to `random` at [height, width] pixels. */
export function renderScene(random: SceneRandom, size: readonly [number, number]): Frame {
  const [height, width] = size;
  const camera = new Camera({
    height: random.uniform(1.45, 1.85),
    focal: width * random.uniform(0.78, 0.9),
    centreU: width * random.uniform(0.42, 0.58),
    horizonV: height * random.uniform(0.47, 0.56),
  });
  const stage = new Stage(new Canvas(height, width), camera, new Light(random));
  const cast = { tram: random.chance(0.55), bus: random.chance(0.6), truck: random.chance(0.6) };
  const junction = random.chance(0.4);
  const street = randomStreet(random, { track: cast.tram && !(junction && random.chance(0.4)), junction });
  const leaves = randomLeaves(random);

  drawSky(stage, random);
  drawGround(stage, random, street);
  drawFrontages(stage, random, street, leaves, { wall: random.chance(0.8), fence: random.chance(0.8) });
  for (const actor of populate(random, street, new Placement(camera, stage.canvas), cast, leaves)) actor.draw(stage);
  if (random.chance(0.25)) drawBonnet(stage, random);
  return develop(stage.canvas, random);
}

/** The bonnet of the car that carries the camera. */
function drawBonnet(stage: Stage, random: SceneRandom): void {
  const { camera, canvas } = stage;
  const distance = 1.5;
  const imageHeight = canvas.height / 2;
  const lowest = camera.height - ((imageHeight - camera.horizonV) * distance) / camera.focal;
  const plane = camera.upright(0, distance);
  const rise = random.uniform(0.05, 0.1);
  const colour = random.uniform(40, 120);
  stage.fill(plane, ellipse(0, lowest - 0.2, 0.85, 0.2 + rise, 32), (_, b) => {
    const shine = 0.7 + 4 * Math.max(0, b - lowest);
    return [colour * shine, colour * shine, colour * shine * 1.05];
  }, LABEL.egoVehicle);
}
