import { row } from "./points.ts";
import type { Points } from "./points.ts";

/** Cosines of all pairs of vectors, [count][count]; null where one of the two is zero. */
export function cosineMatrix(points: Points): (number | null)[][] {
  const vectors = Array.from({ length: points.count }, (_, i) => row(points, i));
  const norms = vectors.map((vector) => Math.hypot(...vector));
  return vectors.map((a, i) =>
    vectors.map((b, j) => {
      if (norms[i] === 0 || norms[j] === 0) return null;
      const dot = a.reduce((sum, value, c) => sum + value * b[c], 0);
      return Math.min(1, Math.max(-1, dot / (norms[i] * norms[j])));
    }),
  );
}
