/** Time of day and weather: sun, skylight, haze and the colours of the sky. */
import { dot, type Vector } from "./camera.ts";
import { mix, scale, vary, type Colour } from "./paint.ts";
import type { SceneRandom } from "./random.ts";

interface Weather {
  readonly zenith: Colour;
  readonly horizon: Colour;
  readonly cloud: Colour;
  /** Share of the sky that clouds cover, 0..1. */
  readonly cloudCover: readonly [number, number];
  /** Light from the sun and from the sky, as factors on a surface's own colour. */
  readonly sunlight: Colour;
  readonly skylight: Colour;
  /** Distance in metres at which haze hides half of a colour. */
  readonly visibility: readonly [number, number];
}

const WEATHERS: readonly Weather[] = [
  {
    // Clear day
    zenith: [74, 128, 196], horizon: [178, 206, 232], cloud: [246, 247, 250], cloudCover: [0.1, 0.5],
    sunlight: [0.72, 0.69, 0.6], skylight: [0.52, 0.55, 0.62], visibility: [180, 400],
  },
  {
    // Overcast
    zenith: [168, 176, 186], horizon: [206, 210, 214], cloud: [228, 230, 233], cloudCover: [0.5, 0.9],
    sunlight: [0.2, 0.2, 0.2], skylight: [0.72, 0.73, 0.76], visibility: [110, 250],
  },
  {
    // Low sun
    zenith: [104, 132, 182], horizon: [240, 206, 160], cloud: [250, 222, 190], cloudCover: [0.2, 0.6],
    sunlight: [0.82, 0.64, 0.4], skylight: [0.44, 0.44, 0.52], visibility: [90, 220],
  },
  {
    // Misty
    zenith: [188, 196, 204], horizon: [220, 224, 226], cloud: [232, 234, 236], cloudCover: [0.2, 0.6],
    sunlight: [0.28, 0.27, 0.25], skylight: [0.64, 0.66, 0.68], visibility: [80, 140],
  },
];

export class Light {
  readonly zenith: Colour;
  readonly horizon: Colour;
  readonly cloud: Colour;
  readonly cloudCover: number;
  readonly visibility: number;
  /** Unit vector towards the sun. */
  readonly sun: Vector;
  readonly #sunlight: Colour;
  readonly #skylight: Colour;

  constructor(random: SceneRandom) {
    const weather = random.pick(WEATHERS);
    this.zenith = vary(weather.zenith, random);
    this.horizon = vary(weather.horizon, random, 0.06);
    this.cloud = vary(weather.cloud, random, 0.04);
    this.cloudCover = random.uniform(...weather.cloudCover);
    this.visibility = random.uniform(...weather.visibility);
    const exposure = random.uniform(0.9, 1.1);
    this.#sunlight = scale(weather.sunlight, exposure);
    this.#skylight = scale(weather.skylight, exposure);
    const side = random.chance(0.5) ? 1 : -1;
    const [x, y, z] = [side * random.uniform(0.3, 1), random.uniform(0.45, 1.1), random.uniform(-0.9, 0.5)];
    const length = Math.sqrt(x * x + y * y + z * z);
    this.sun = [x / length, y / length, z / length];
  }

  /** How strong the sun is beside the sky, 0..1: the darkness of shadows. */
  get contrast(): number {
    return this.#sunlight[1] / (this.#sunlight[1] + this.#skylight[1]);
  }

  /** Factors on the colour of a surface with this unit normal (Lambert's law; the sky lights what looks up more). */
  on(normal: Vector): Colour {
    const facing = Math.max(0, dot(normal, this.sun));
    const open = 0.85 + 0.15 * normal[1];
    const [s, k] = [this.#sunlight, this.#skylight];
    return [s[0] * facing + k[0] * open, s[1] * facing + k[1] * open, s[2] * facing + k[2] * open];
  }

  /** The colour of the sky without clouds; `elevation` 0 at the horizon, 1 at the top of the image. */
  sky(elevation: number): Colour {
    const t = elevation * (2 - elevation);
    return mix(this.horizon, this.zenith, t);
  }
}
