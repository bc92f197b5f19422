import { squaredDistances } from "./points.ts";
import type { Points } from "./points.ts";

export interface Silhouette {
  /** Mean over all vectors, from -1 to 1; null below two classes. */
  readonly mean: number | null;
  /** Mean over the vectors of each class; null for those without. */
  readonly classes: readonly (number | null)[];
}

/**
 * How much nearer vectors are to their own class than to the next one (Rousseeuw, "Silhouettes: a graphical aid to the
 * interpretation and validation of cluster analysis", 1987): s = (b - a) / max(a, b), where a is the mean Euclidean
 * distance to the others of the class and b the smallest mean distance to those of another. A vector alone in its class
 * has 0, as there.
 *
 * @param labels class of each vector
 */
export function silhouette(points: Points, labels: readonly number[], numClasses: number): Silhouette {
  const { count } = points;
  const sizes = Array<number>(numClasses).fill(0);
  for (const label of labels) sizes[label]++;
  const none = Array<null>(numClasses).fill(null);
  if (sizes.filter((size) => size > 0).length < 2) return { mean: null, classes: none };

  const distances = squaredDistances(points).map(Math.sqrt);
  const sums = Array<number>(numClasses).fill(0);
  for (let i = 0; i < count; i++) {
    const toClasses = Array<number>(numClasses).fill(0);
    for (let j = 0; j < count; j++) toClasses[labels[j]] += distances[i * count + j];
    const own = labels[i];
    if (sizes[own] === 1) continue;
    const a = toClasses[own] / (sizes[own] - 1);
    const b = Math.min(...toClasses.flatMap((sum, k) => (k !== own && sizes[k] > 0 ? [sum / sizes[k]] : [])));
    if (a !== b) sums[own] += (b - a) / Math.max(a, b); // both 0 where all vectors coincide
  }
  return {
    mean: sums.reduce((all, sum) => all + sum, 0) / count,
    classes: sums.map((sum, k) => (sizes[k] > 0 ? sum / sizes[k] : null)),
  };
}
