/** Finds places for objects where they can be seen and do not stand in each other. */
import type { Camera } from "./camera.ts";
import { OVERSAMPLE, type Canvas } from "./canvas.ts";
import type { SceneRandom } from "./random.ts";

/** The space an object takes: x +- width/2 on the ground, from z to z + depth, from `bottom` up to `top`. */
export interface Extent {
  readonly width: number;
  readonly depth: number;
  readonly top: number;
  readonly bottom?: number;
}

/** Where an object may stand, in metres. */
export interface Zone {
  readonly x: readonly [number, number];
  readonly z: readonly [number, number];
}

export interface Spot {
  readonly x: number;
  readonly z: number;
}

interface Box {
  readonly u0: number;
  readonly u1: number;
  readonly v0: number;
  readonly v1: number;
}

interface Taken extends Spot {
  readonly extent: Extent;
  readonly box: Box;
}

const TRIES = 24;
/** The largest share of the smaller of two objects that may be hidden by or hide the other. */
const LARGEST_OVERLAP = 0.4;
const SMALLEST_VISIBLE_SHARE = 0.75;

function area(box: Box): number {
  return Math.max(0, box.u1 - box.u0) * Math.max(0, box.v1 - box.v0);
}

function intersection(p: Box, q: Box): Box {
  return { u0: Math.max(p.u0, q.u0), u1: Math.min(p.u1, q.u1), v0: Math.max(p.v0, q.v0), v1: Math.min(p.v1, q.v1) };
}

export class Placement {
  readonly #camera: Camera;
  readonly #image: Box;
  readonly #taken: Taken[] = [];

  constructor(camera: Camera, canvas: Canvas) {
    this.#camera = camera;
    this.#image = { u0: 0, u1: canvas.width / OVERSAMPLE, v0: 0, v1: canvas.height / OVERSAMPLE };
  }

  /** A free spot in the zone, near ones more often than far ones; undefined where none was found. */
  find(random: SceneRandom, zone: Zone, extent: Extent): Spot | undefined {
    for (let i = 0; i < TRIES; i++) {
      const nearness = random.uniform(0, 1);
      const spot = {
        x: random.uniform(...zone.x),
        z: zone.z[0] + (zone.z[1] - zone.z[0]) * nearness * nearness,
      };
      if (this.#take(spot, extent)) return spot;
    }
    return undefined;
  }

  /** Whether the object can be seen at this very spot; if so the spot is taken. */
  #take(spot: Spot, extent: Extent): boolean {
    const box = this.#boxOf(spot, extent);
    if (area(intersection(box, this.#image)) < SMALLEST_VISIBLE_SHARE * area(box)) return false;
    for (const other of this.#taken) {
      if (this.#collide({ spot, extent }, { spot: other, extent: other.extent })) return false;
      const overlap = area(intersection(box, other.box));
      if (overlap > LARGEST_OVERLAP * Math.min(area(box), area(other.box))) return false;
    }
    this.#taken.push({ ...spot, extent, box });
    return true;
  }

  #collide(p: { spot: Spot; extent: Extent }, q: { spot: Spot; extent: Extent }): boolean {
    return Math.abs(p.spot.x - q.spot.x) < (p.extent.width + q.extent.width) / 2 &&
      p.spot.z < q.spot.z + q.extent.depth && q.spot.z < p.spot.z + p.extent.depth;
  }

  /** The image region of the object's near end. */
  #boxOf({ x, z }: Spot, { width, top, bottom = 0 }: Extent): Box {
    const [u0, v0] = this.#camera.project([x - width / 2, top, z]);
    const [u1, v1] = this.#camera.project([x + width / 2, bottom, z]);
    return { u0, u1, v0, v1 };
  }
}
