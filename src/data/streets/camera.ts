/**
 * A pinhole camera looking along +z. World coordinates are metres: x to the right, y up from the road, z ahead of the
 * camera, which stands at (0, height, 0). Image coordinates: u to the right, v down.
 */
import type { Outline, Point } from "./shapes.ts";
import { cosTurn, sinTurn } from "./shapes.ts";

export type Vector = readonly [number, number, number];

export function dot(p: Vector, q: Vector): number {
  return p[0] * q[0] + p[1] * q[1] + p[2] * q[2];
}

export function cross(p: Vector, q: Vector): Vector {
  return [p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]];
}

/** The point `origin + a * p + b * q`. */
export function along(origin: Vector, a: number, p: Vector, b = 0, q: Vector = p): Vector {
  return [
    origin[0] + a * p[0] + b * q[0],
    origin[1] + a * p[1] + b * q[1],
    origin[2] + a * p[2] + b * q[2],
  ];
}

export class Camera {
  /** Metres above the road. */
  readonly height: number;
  /** Focal length and vanishing point, in pixels. */
  readonly focal: number;
  readonly centreU: number;
  readonly horizonV: number;

  constructor(options: { height: number; focal: number; centreU: number; horizonV: number }) {
    this.height = options.height;
    this.focal = options.focal;
    this.centreU = options.centreU;
    this.horizonV = options.horizonV;
  }

  /** Needs z > 0. */
  project(p: Vector): Point {
    return [this.centreU + (this.focal * p[0]) / p[2], this.horizonV + (this.focal * (this.height - p[1])) / p[2]];
  }

  /** The road surface or a surface `y` metres above it; a = x, b = z. */
  ground(y = 0): Plane {
    return new Plane(this, [0, y, 0], [1, 0, 0], [0, 0, 1]);
  }

  /** A surface along the street, such as a facade; a = z, b = y. */
  wall(x: number): Plane {
    return new Plane(this, [x, 0, 0], [0, 0, 1], [0, 1, 0]);
  }

  /** A surface standing at (x, z), square to the view unless turned about its vertical axis; a to the right, b = up. */
  upright(x: number, z: number, turn = 0): Plane {
    return new Plane(this, [x, 0, z], [cosTurn(turn), 0, sinTurn(turn)], [0, 1, 0]);
  }
}

/** A plane with coordinates (a, b): the point `origin + a * axisA + b * axisB`. */
export class Plane {
  readonly camera: Camera;
  readonly origin: Vector;
  readonly axisA: Vector;
  readonly axisB: Vector;
  /** Unit normal on the side that the camera sees. */
  readonly normal: Vector;
  /**
   * Row-major inverse of the homography (a, b, 1) -> (u z, v z, z): applied to (u, v, 1) it gives (a, b, 1) / z, so one
   * division per pixel yields perspective-correct coordinates and the distance.
   */
  readonly inverse: readonly number[];

  constructor(camera: Camera, origin: Vector, axisA: Vector, axisB: Vector) {
    this.camera = camera;
    this.origin = origin;
    this.axisA = axisA;
    this.axisB = axisB;
    const normal = cross(axisA, axisB);
    const towardsCamera = dot(normal, [-origin[0], camera.height - origin[1], -origin[2]]) >= 0 ? 1 : -1;
    const scale = towardsCamera / Math.sqrt(dot(normal, normal));
    this.normal = [normal[0] * scale, normal[1] * scale, normal[2] * scale];

    const { focal, centreU, horizonV, height } = camera;
    const toImage = (p: Vector, y: number): Vector => [
      focal * p[0] + centreU * p[2], -focal * y + horizonV * p[2], p[2],
    ];
    const columnA = toImage(axisA, axisA[1]);
    const columnB = toImage(axisB, axisB[1]);
    const column1 = toImage(origin, origin[1] - height);
    const rowA = cross(columnB, column1);
    const rowB = cross(column1, columnA);
    const row1 = cross(columnA, columnB);
    const determinant = dot(columnA, rowA);
    this.inverse = [...rowA, ...rowB, ...row1].map((value) => value / determinant);
  }

  at(a: number, b: number): Vector {
    return along(this.origin, a, this.axisA, b, this.axisB);
  }

  /** The outline in image coordinates; every corner must lie in front of the camera. */
  project(outline: Outline): Point[] {
    return outline.map(([a, b]) => this.camera.project(this.at(a, b)));
  }
}
