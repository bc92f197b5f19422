import type { Random } from "../data/random.ts";

const MOST_ROUNDS = 100;

/**
 * Spherical k-means: groups vectors by the directions that they have, and gives the mean of every group, lengths
 * included. Starts from vectors of the set, each drawn by how unlike it is to the nearest one before (k-means++), and
 * ends when no vector changes its group.
 *
 * @param vectors of one length, none of them zero
 * @returns `count` centres, or fewer where there are not as many directions
 */
export function sphericalKmeans(vectors: readonly Float32Array[], count: number, random: Random): Float32Array[] {
  if (vectors.length === 0) return [];
  const directions = vectors.map(normalized);
  let centres = seeds(directions, count, random);
  let groups: number[] = [];
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const next = directions.map((direction) => mostSimilar(direction, centres));
    if (next.every((group, i) => group === groups[i])) break;
    groups = next;
    // A group that has lost all of its vectors keeps its centre: it may find others. So does one that cancels out.
    centres = centres.map((centre, k) => {
      const own = directions.filter((_, i) => groups[i] === k);
      const sum = own.length > 0 ? mean(own) : centre;
      return dot(sum, sum) > 0 ? normalized(sum) : centre;
    });
  }
  const members = centres.map((_, k) => vectors.filter((_, i) => groups[i] === k));
  return members.filter((own) => own.length > 0).map(mean);
}

/** 1 - cosine below this is the rounding of one direction. */
const LEAST_DISTANCE = 1e-6;

function seeds(directions: readonly Float32Array[], count: number, random: Random): Float32Array[] {
  const chosen = [directions[random.integer(0, directions.length)]];
  const distances = directions.map(() => Infinity);
  while (chosen.length < count) {
    const latest = chosen[chosen.length - 1];
    directions.forEach((direction, i) => {
      const distance = 1 - dot(direction, latest);
      distances[i] = distance < LEAST_DISTANCE ? 0 : Math.min(distances[i], distance);
    });
    const total = distances.reduce((a, b) => a + b, 0);
    if (total === 0) break;
    let left = random.uniform(0, total);
    let next = -1;
    for (let i = 0; i < distances.length && left >= 0; i++) {
      if (distances[i] > 0) next = i;
      left -= distances[i];
    }
    chosen.push(directions[next]);
  }
  return chosen;
}

/** The first of equals. */
function mostSimilar(direction: Float32Array, centres: readonly Float32Array[]): number {
  const similarities = centres.map((centre) => dot(direction, centre));
  return similarities.indexOf(Math.max(...similarities));
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(dot(vector, vector));
  return vector.map((value) => value / length);
}

function mean(vectors: readonly Float32Array[]): Float32Array {
  const sum = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let i = 0; i < sum.length; i++) sum[i] += vector[i];
  return Float32Array.from(sum, (value) => value / vectors.length);
}
