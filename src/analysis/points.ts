/** Vectors of one width, and the distance between them. */

export interface Points {
  readonly count: number;
  readonly channels: number;
  /** [count, channels], row-major. */
  readonly data: Float64Array;
}

export function row({ channels, data }: Points, index: number): Float64Array {
  return data.subarray(index * channels, (index + 1) * channels);
}

export function squaredDistance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}

/** [count, count], symmetric. */
export function squaredDistances(points: Points): Float64Array {
  const { count } = points;
  const distances = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    const a = row(points, i);
    for (let j = 0; j < i; j++) {
      distances[i * count + j] = distances[j * count + i] = squaredDistance(a, row(points, j));
    }
  }
  return distances;
}

/** The vectors of both, in this order. */
export function stacked(a: Points, b: Points): Points {
  const data = new Float64Array(a.data.length + b.data.length);
  data.set(a.data);
  data.set(b.data, a.data.length);
  return { count: a.count + b.count, channels: a.channels, data };
}
