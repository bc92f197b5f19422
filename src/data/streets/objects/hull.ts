/** The common body of cars, trucks, buses and trams: a profile extruded across the vehicle's width. */
import { Plane, along, dot, type Vector } from "../camera.ts";
import { cosTurn, rectangle, sinTurn, type Outline, type Point } from "../shapes.ts";
import type { Stage } from "../stage.ts";

export interface Pose {
  /** Middle of the end that is nearest to the camera when `turn` is 0. */
  readonly x: number;
  readonly z: number;
  /** Turn of the long axis: 0 runs away from the camera, 0.25 to the right, -0.25 to the left. */
  readonly turn: number;
}

/** A corner of the profile and what the face from here to the next corner is. */
export interface Corner {
  /** Metres along the vehicle from its origin, and above the ground. */
  readonly at: Point;
  readonly face: string;
}

export interface Hull {
  /** From the bottom of the near end over the roof to the bottom of the far end; the last corner's face is not used. */
  readonly profile: readonly Corner[];
  readonly width: number;
  /** Above this height the sides lean inwards by `lean` metres per metre (the cabin of a car). */
  readonly shoulder?: number;
  readonly lean?: number;
}

/**
 * Paints one face. Faces across the vehicle have a = 0 in its middle and b = 0 at the end of the face where the profile
 * enters it. "side" has a = metres from the origin end and b = height; "cabin" is the part of a side above the
 * shoulder, with b = metres above the shoulder.
 */
export type FacePainter = (plane: Plane, outline: Outline, face: string) => void;

/** The profile with near end and far end exchanged. */
export function turned(profile: readonly Corner[]): Corner[] {
  const length = Math.max(...profile.map(({ at }) => at[0]));
  return profile.map((_, i) => {
    const { at } = profile[profile.length - 1 - i];
    return { at: [length - at[0], at[1]], face: profile[Math.max(0, profile.length - 2 - i)].face };
  });
}

/** Calls `paint` for every face that the camera sees, from far to near. */
export function drawHull(stage: Stage, pose: Pose, hull: Hull, paint: FacePainter): void {
  const { profile, width, shoulder = Infinity, lean = 0 } = hull;
  const { camera } = stage;
  const eye: Vector = [0, camera.height, 0];
  const origin: Vector = [pose.x, 0, pose.z];
  const forward: Vector = [sinTurn(pose.turn), 0, cosTurn(pose.turn)];
  const across: Vector = [cosTurn(pose.turn), 0, -sinTurn(pose.turn)];
  const up: Vector = [0, 1, 0];
  const faces: { plane: Plane; outline: Outline; face: string; distance: number }[] = [];
  const add = (plane: Plane, outline: Outline, face: string, outward: Vector) => {
    const towardsEye = along(eye, -1, plane.origin);
    if (dot(outward, towardsEye) <= 0) return;
    const middle = outline.map(([a, b]) => plane.at(a, b)[2]).reduce((sum, z) => sum + z, 0) / outline.length;
    faces.push({ plane, outline, face, distance: middle });
  };

  const halfWidth = (y: number) => width / 2 - Math.max(0, y - shoulder) * lean;
  for (const sign of [-1, 1]) {
    const lower = new Plane(camera, along(origin, (sign * width) / 2, across), forward, up);
    const outward: Vector = [sign * across[0], 0, sign * across[2]];
    const points = profile.map(({ at }) => at);
    add(lower, points.filter(([, y]) => y <= shoulder), "side", outward);
    const cabin = points.filter(([, y]) => y >= shoulder).map(([a, y]): Point => [a, y - shoulder]);
    if (cabin.length > 2) {
      const leaning = along(up, -sign * lean, across);
      add(new Plane(camera, lower.at(0, shoulder), forward, leaning), cabin, "cabin", outward);
    }
  }
  for (let i = 0; i + 1 < profile.length; i++) {
    const [a0, y0] = profile[i].at;
    const [a1, y1] = profile[i + 1].at;
    const length = Math.sqrt((a1 - a0) * (a1 - a0) + (y1 - y0) * (y1 - y0));
    const upwards = along([0, 0, 0], (a1 - a0) / length, forward, (y1 - y0) / length, up);
    const plane = new Plane(camera, along(origin, a0, forward, y0, up), across, upwards);
    const [w0, w1] = [halfWidth(y0), halfWidth(y1)];
    const outward = along([0, 0, 0], -(y1 - y0), forward, a1 - a0, up);
    add(plane, [[-w0, 0], [w0, 0], [w1, length], [-w1, length]], profile[i].face, outward);
  }
  faces.sort((p, q) => q.distance - p.distance);
  for (const { plane, outline, face } of faces) paint(plane, outline, face);
}

/** The dark patch under a vehicle of this length and width. */
export function drawHullShadow(stage: Stage, pose: Pose, length: number, width: number): void {
  const ground = stage.camera.ground();
  const [fx, fz] = [sinTurn(pose.turn), cosTurn(pose.turn)];
  const lean = -stage.light.sun[0] * stage.light.contrast * 0.9;
  const corner = (a: number, c: number, shift: number): Point => [
    pose.x + fx * a + fz * c + shift, pose.z + fz * a - fx * c,
  ];
  for (const [grow, shift, strength] of [[0.25, lean, 0.35], [0.02, 0, 0.6]]) {
    const [c, a0, a1] = [width / 2 + grow, -grow, length + grow];
    const corners = [corner(a0, -c, shift), corner(a0, c, shift), corner(a1, c, shift), corner(a1, -c, shift)];
    stage.shadow(ground, corners, strength);
  }
}

/** The outline shrunk towards its middle: a pane in its frame. */
export function inset(outline: Outline, factor: number): Outline {
  const a = outline.reduce((sum, p) => sum + p[0], 0) / outline.length;
  const b = outline.reduce((sum, p) => sum + p[1], 0) / outline.length;
  return outline.map((p) => [a + (p[0] - a) * factor, b + (p[1] - b) * factor]);
}

/** Makes rectangles whose b is measured upwards from a face's lower edge, whichever way the profile ran over it. */
export function upwards(plane: Plane, outline: Outline): (a0: number, b0: number, a1: number, b1: number) => Outline {
  const bs = outline.map(([, b]) => b);
  const [lower, sign] = plane.axisB[1] > 0 ? [Math.min(...bs), 1] : [Math.max(...bs), -1];
  return (a0, b0, a1, b1) => rectangle(a0, lower + sign * b0, a1, lower + sign * b1);
}
