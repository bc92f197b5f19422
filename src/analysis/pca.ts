import { symmetricEigen } from "./eigen.ts";
import { row } from "./points.ts";
import type { Points } from "./points.ts";

export interface Pca {
  readonly mean: Float64Array;
  /** Unit vectors of the axes, the one of most variance first. */
  readonly axes: readonly Float64Array[];
  /** Share of the whole variance along each axis; 0 where there is none. */
  readonly explained: readonly number[];
}

/**
 * Principal components (Jolliffe, Principal Component Analysis, 2nd edition, chapter 1): eigenvectors of the covariance
 * matrix of the points, of which there is at least one. There may be fewer than `count` of them in so few channels.
 */
export function pca(points: Points, count: number): Pca {
  const { channels, count: n } = points;
  const mean = new Float64Array(channels);
  for (let p = 0; p < n; p++) row(points, p).forEach((value, i) => (mean[i] += value / n));
  const covariance = new Float64Array(channels * channels);
  for (let p = 0; p < n; p++) {
    const centred = row(points, p).map((value, i) => value - mean[i]);
    for (let i = 0; i < channels; i++) {
      for (let j = 0; j <= i; j++) covariance[i * channels + j] += (centred[i] * centred[j]) / n;
    }
  }
  let variance = 0;
  for (let i = 0; i < channels; i++) {
    variance += covariance[i * channels + i];
    for (let j = 0; j < i; j++) covariance[j * channels + i] = covariance[i * channels + j];
  }
  const { values, vectors } = symmetricEigen(covariance, channels);
  const explained = [...values.subarray(0, count)].map((value) => (variance > 0 ? Math.max(0, value / variance) : 0));
  return { mean, axes: vectors.slice(0, count), explained };
}

/** Coordinates [count, axes] of points along the axes. */
export function project(points: Points, { mean, axes }: Pca): Points {
  const data = new Float64Array(points.count * axes.length);
  for (let p = 0; p < points.count; p++) {
    const vector = row(points, p);
    axes.forEach((axis, k) => {
      let sum = 0;
      for (let i = 0; i < axis.length; i++) sum += (vector[i] - mean[i]) * axis[i];
      data[p * axes.length + k] = sum;
    });
  }
  return { count: points.count, channels: axes.length, data };
}
