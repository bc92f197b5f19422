/** Comparisons that say where and by how much two arrays differ. */
import type { Shape } from "../../src/tensor/shape.ts";

export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** Throws with the worst element unless |got - want| <= atol + rtol * |want| everywhere; NaN must meet NaN. */
export function assertClose(label: string, got: ArrayLike<number>, want: ArrayLike<number>, shape: Shape, t: Tolerance): void {
  if (got.length !== want.length) throw new Error(`${label}: ${got.length} values, expected ${want.length}`);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i]) || got[i] === want[i] || (Number.isNaN(got[i]) && Number.isNaN(want[i]))) continue;
    const over = Math.abs(got[i] - want[i]) / (t.atol + t.rtol * Math.abs(want[i]));
    if (!(over <= 1) && !(over <= excess)) {
      worst = i;
      excess = over;
    }
  }
  if (worst < 0) return;
  throw new Error(
    `${label}: element ${worst} of [${shape.join(", ")}] is ${got[worst]}, expected ${want[worst]} ` +
      `(${excess.toPrecision(3)} times the tolerance rtol ${t.rtol}, atol ${t.atol})`,
  );
}

/** Normalised mean squared error against a reference. */
export function nmse(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i] - want[i]) ** 2;
    power += want[i] ** 2;
  }
  return power === 0 ? error : error / power;
}
