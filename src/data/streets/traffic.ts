/** Which vehicles, people and street furniture a scene has, and where they stand. */
import { drawFence, railings } from "./objects/barriers.ts";
import { drawBicycle, drawMotorcycle } from "./objects/cycles.ts";
import { drawCar } from "./objects/cars.ts";
import { drawBin, drawLampPost, drawTrafficLight, drawTrafficSign } from "./objects/furniture.ts";
import { drawBus, drawTruck } from "./objects/heavy.ts";
import type { Pose } from "./objects/hull.ts";
import { drawPerson } from "./objects/people.ts";
import { drawTree } from "./objects/plants.ts";
import { drawTram } from "./objects/trams.ts";
import type { Colour } from "./paint.ts";
import type { Extent, Placement, Spot, Zone } from "./placement.ts";
import { SceneRandom } from "./random.ts";
import type { Stage } from "./stage.ts";
import { KERB_HEIGHT, sidewalkMiddle, type Street } from "./street.ts";

/** An object waiting to be drawn. */
export interface Actor {
  /** Its distance; actors are drawn from far to near. */
  readonly z: number;
  readonly draw: (stage: Stage) => void;
}

/** The long vehicles, of which a scene may have one of each. */
export interface Cast {
  readonly tram: boolean;
  readonly bus: boolean;
  readonly truck: boolean;
}

const HEAVY: Extent = { width: 2.6, depth: 12, top: 3.1 };
const CROSSING: Extent = { width: 11, depth: 2.6, top: 3.1 };
const CAR: Extent = { width: 1.9, depth: 4.8, top: 1.5 };
const CYCLE_FROM_SIDE: Extent = { width: 1.9, depth: 0.6, top: 1.7 };
const CYCLE_FROM_END: Extent = { width: 0.8, depth: 1.9, top: 1.7 };
const PERSON: Extent = { width: 0.7, depth: 0.5, top: 1.75 };
const LAMP_POST: Extent = { width: 0.3, depth: 0.3, top: 3 };
const BIN: Extent = { width: 0.7, depth: 0.6, top: 1.1 };
/** What matters on a post is at its top: its foot may be hidden. */
const POST: Extent = { width: 1.3, depth: 0.4, top: 3.2, bottom: 1.6 };

/** Of these, a scene has about half. */
const CYCLES = [drawBicycle, drawBicycle, drawBicycle, drawMotorcycle, drawMotorcycle] as const;

/** Everything that stands or moves in the street, in drawing order: from far to near. */
export function populate(
  random: SceneRandom, street: Street, placement: Placement, cast: Cast, leaves: Colour,
): Actor[] {
  const traffic = new Traffic(random, street, placement);
  traffic.placeHeavy(cast);
  traffic.placeCycles();
  traffic.placeCars();
  traffic.placeSignals();
  traffic.placePeople();
  traffic.placeRailing();
  traffic.placeTrees(leaves);
  return traffic.actors.sort((p, q) => q.z - p.z);
}

type Draw = (stage: Stage, random: SceneRandom, spot: Spot) => void;
type DrawVehicle = (stage: Stage, random: SceneRandom, pose: Pose, towards: boolean) => void;

/** Places first what is rare or large; whatever finds no room is left out. */
class Traffic {
  readonly actors: Actor[] = [];
  readonly #random: SceneRandom;
  readonly #street: Street;
  readonly #placement: Placement;

  constructor(random: SceneRandom, street: Street, placement: Placement) {
    this.#random = random;
    this.#street = street;
    this.#placement = placement;
  }

  placeHeavy(cast: Cast): void {
    const random = this.#random;
    const { track, oncoming, parked, junction } = this.#street;
    const vehicles = random.shuffled<DrawVehicle>([...(cast.bus ? [drawBus] : []), ...(cast.truck ? [drawTruck] : [])]);
    let crossing = junction;
    if (cast.tram) {
      if (track === undefined) {
        this.#addCrossing(drawTram);
        crossing = undefined;
      } else {
        this.#addVehicle({ x: [track, track], z: [9.5, 18] }, HEAVY, drawTram, true);
      }
    }
    if (crossing && vehicles.length > 0) this.#addCrossing(vehicles.pop()!);
    const lanes: readonly (Zone & { towards: boolean })[] = random.shuffled([
      { x: [-0.3, 0.5], z: [13, 19], towards: false },
      ...(parked !== undefined ? [{ x: [parked - 0.3, parked - 0.2], z: [9, 15], towards: false } as const] : []),
      ...(track === undefined ? [{ x: [oncoming - 0.1, oncoming + 0.3], z: [9, 16], towards: true } as const] : []),
    ]);
    for (const draw of vehicles) lanes.some((lane) => this.#addVehicle(lane, HEAVY, draw, lane.towards));
  }

  /** A long vehicle on the crossing street, seen from its side. */
  #addCrossing(draw: DrawVehicle): void {
    const { junction } = this.#street;
    if (!junction) return;
    const zone: Zone = { x: [-6, 4], z: [junction.near + 1.5, junction.near + 2.5] };
    const turn = this.#random.chance(0.5) ? 0.25 : -0.25;
    const towards = this.#random.chance(0.5);
    this.#add(zone, CROSSING, (stage, own, { x, z }) => {
      draw(stage, own, { x: x - Math.sign(turn) * (CROSSING.width / 2), z: z + CROSSING.depth / 2, turn }, towards);
    });
  }

  /** Traffic lights, signs, lamp posts and bins at the kerbs. */
  placeSignals(): void {
    const random = this.#random;
    for (let i = random.pick([0, 1, 2, 3]); i > 0; i--) this.#add(this.#kerb(6.5, 12), POST, drawTrafficLight);
    for (let i = random.pick([1, 1, 2, 3]); i > 0; i--) this.#add(this.#kerb(6, 13), POST, drawTrafficSign);
    for (let i = random.integer(1, 4); i > 0; i--) this.#add(this.#kerb(7.5, 20), LAMP_POST, drawLampPost);
    if (random.chance(0.3)) this.#add(this.#kerb(7, 14), BIN, drawBin);
  }

  placeCycles(): void {
    const random = this.#random;
    const [left, right] = this.#street.sides;
    for (const draw of random.shuffled(CYCLES)) {
      if (!random.chance(0.5)) continue;
      const ridden = random.chance(0.68);
      const view = random.chance(0.68) ? "side" : "end";
      const lane: Zone = view === "side"
        ? { x: [1 - left.kerb, right.kerb - 1], z: [6, 11] }
        : { x: [right.kerb - 1.3, right.kerb - 0.6], z: [6, 11] };
      const zone = ridden ? lane : this.#sidewalk(6.5, 11);
      const extent = view === "side" ? CYCLE_FROM_SIDE : CYCLE_FROM_END;
      this.#add(zone, extent, (stage, own, spot) => draw(stage, own, { ...spot, ridden, view }));
    }
  }

  placeCars(): void {
    const random = this.#random;
    const { parked, oncoming } = this.#street;
    const add = (chance: number, x: readonly [number, number], z: readonly [number, number], towards: boolean) => {
      if (random.chance(chance)) this.#addVehicle({ x, z }, CAR, drawCar, towards);
    };
    if (parked !== undefined) {
      add(0.9, [parked, parked + 0.1], [7.5, 20], random.chance(0.2));
      add(0.7, [parked, parked + 0.1], [12, 30], false);
    }
    add(0.8, [-0.6, 0.4], [9, 30], false);
    add(0.8, [oncoming - 0.2, oncoming + 0.4], [8, 30], true);
    add(0.6, [oncoming, oncoming + 0.4], [18, 45], true);
  }

  placePeople(): void {
    const random = this.#random;
    const [left, right] = this.#street.sides;
    const standingOn = (ground: number): Draw => (stage, own, spot) => drawPerson(stage, own, { ...spot, ground });
    for (let i = random.integer(4, 9); i > 0; i--) this.#add(this.#sidewalk(5.5, 12), PERSON, standingOn(KERB_HEIGHT));
    for (let i = random.pick([0, 1, 1, 2]); i > 0; i--) {
      this.#add({ x: [-left.kerb, right.kerb], z: [6.5, 13] }, PERSON, standingOn(0));
    }
  }

  /** A railing between road and sidewalk, panel by panel, so that each hides what is behind it and nothing else. */
  placeRailing(): void {
    const random = this.#random;
    if (!random.chance(0.45)) return;
    const side = random.pick(this.#street.sides);
    const height = random.uniform(1, 1.2);
    const surface = railings(random, height);
    const x = side.sign * (side.kerb + 0.12);
    const panel = 2;
    let z = 1.6 * side.kerb;
    for (let panels = random.integer(3, 8); panels > 0; panels--, z += panel) {
      const barrier = { x, z0: z, z1: z + panel, height };
      this.#push({ x, z }, (stage) => drawFence(stage, surface, barrier));
    }
  }

  /** Rows of trees along the kerbs; they may stand in front of anything. */
  placeTrees(leaves: Colour): void {
    const random = this.#random;
    for (const side of this.#street.sides) {
      if (!random.chance(0.5)) continue;
      const x = side.sign * (side.kerb + (side.verge > 0 ? side.verge / 2 : 0.6));
      const spacing = random.uniform(7, 12);
      for (let z = random.uniform(10, 16); z < 70; z += spacing) {
        const height = random.uniform(4.5, 7.5);
        this.#push({ x, z }, (stage, own, spot) => drawTree(stage, own, { ...spot, leaves, height }));
      }
    }
  }

  /** The strip beside the kerb on either side, where posts stand. */
  #kerb(near: number, far: number): Zone {
    const side = this.#random.pick(this.#street.sides);
    return { x: ordered(side.sign * (side.kerb + 0.35), side.sign * (side.kerb + 0.9)), z: [near, far] };
  }

  #sidewalk(near: number, far: number): Zone {
    const side = this.#random.pick(this.#street.sides);
    const [middle, reach] = [side.sign * sidewalkMiddle(side), side.sidewalk * 0.35];
    return { x: [middle - reach, middle + reach], z: [near, far] };
  }

  #addVehicle(zone: Zone, extent: Extent, draw: DrawVehicle, towards: boolean): boolean {
    return this.#add(zone, extent, (stage, own, spot) => draw(stage, own, { ...spot, turn: 0 }, towards));
  }

  /** Whether a place was found. */
  #add(zone: Zone, extent: Extent, draw: Draw): boolean {
    const spot = this.#placement.find(this.#random, zone, extent);
    if (spot) this.#push(spot, draw);
    return spot !== undefined;
  }

  #push(spot: Spot, draw: Draw): void {
    const own = this.#random.fork();
    this.actors.push({ z: spot.z, draw: (stage) => draw(stage, own, spot) });
  }
}

function ordered(p: number, q: number): readonly [number, number] {
  return p < q ? [p, q] : [q, p];
}
