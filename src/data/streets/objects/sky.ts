import { LABEL } from "../labels.ts";
import { mix, scale } from "../paint.ts";
import { cloudNoise, smoothNoise, type SceneRandom } from "../random.ts";
import { rectangle } from "../shapes.ts";
import type { Stage } from "../stage.ts";

/** Gradient, clouds that flatten towards the horizon, and the hazy skyline at the end of the street. */
export function drawSky(stage: Stage, random: SceneRandom): void {
  const { light } = stage;
  const seed = random.word();
  const drift = random.uniform(0, 40);
  const threshold = 0.78 - 0.5 * light.cloudCover;
  stage.sky((u, v) => {
    const base = light.sky(1 - v);
    const depth = 1 / (1.35 - v);
    const density = (cloudNoise(drift + (u - 0.5) * 5 * depth, depth * 6, seed) - threshold) * 5;
    if (density <= 0) return base;
    return mix(base, scale(light.cloud, 0.92 + 0.08 * (1 - v)), Math.min(0.92, density));
  }, LABEL.sky);
  drawSkyline(stage, random);
}

function drawSkyline(stage: Stage, random: SceneRandom): void {
  const distance = 130;
  const plane = stage.camera.upright(0, distance);
  for (let x = -130; x < 130;) {
    const width = random.uniform(8, 20);
    const height = random.uniform(5, 16);
    if (random.chance(0.5)) {
      const seed = random.word();
      const crowns = Array.from({ length: 12 }, (_, i) => [
        x + (width * i) / 11, height * (0.45 + 0.25 * smoothNoise(i * 0.9, 0.5, seed)),
      ] as const);
      stage.fill(plane, [[x, 0], ...crowns, [x + width, 0]], [84, 102, 62], LABEL.vegetation);
    } else {
      stage.fill(plane, rectangle(x, 0, x + width, height), [146, 138, 132], LABEL.building);
    }
    x += width;
  }
}
