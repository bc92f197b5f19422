/**
 * Exact t-SNE (van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008): every pair of points is computed,
 * so time and memory grow with the square of their number.
 */
import { philox4x32 } from "../random.ts";
import { pca, project } from "./pca.ts";
import { squaredDistances } from "./points.ts";
import type { Points } from "./points.ts";

export interface TsneOptions {
  /** How many neighbours a point has, smoothly counted; lowered to (n - 1) / 3 where there are fewer points. */
  readonly perplexity?: number;
  readonly iterations?: number;
  /** u32, of the tiny noise that parts points which coincide. */
  readonly seed?: number;
}

export interface Embedding {
  /** [count, 2] */
  readonly points: Points;
  /** Kullback-Leibler divergence of the map's neighbourhoods from those of the points. */
  readonly divergence: number;
  /** The same before the first iteration. */
  readonly initialDivergence: number;
}

export const TSNE_DEFAULTS = { perplexity: 30, iterations: 750, seed: 0 } as const;

/** Of the paper's reference implementation. */
const EXAGGERATION = 12;
const EXAGGERATED_ITERATIONS = 250;
const MOMENTUM = { early: 0.5, late: 0.8, switchAt: 250 } as const;
const GAIN = { up: 0.2, down: 0.8, least: 0.01 } as const;
/** Standard deviation of the beginning, and of the noise on it. */
const INITIAL_SPREAD = 1e-4;
const NOISE = 1e-7;
const LEAST = 1e-12;

/**
 * A map of the points in two dimensions. It begins with their two principal components (Kobak and Berens, "The art of
 * using t-SNE for single-cell transcriptomics", 2019), scaled down, with the step width of Belkina et al. (2019).
 * The same points and seed give the same map.
 */
export function tsne(points: Points, options: TsneOptions = {}): Embedding {
  const { perplexity, iterations, seed } = { ...TSNE_DEFAULTS, ...options };
  const { count } = points;
  const y = beginning(points, seed);
  if (count < 3) return { points: { count, channels: 2, data: y }, divergence: 0, initialDivergence: 0 };
  const p = jointProbabilities(squaredDistances(points), count, Math.min(perplexity, (count - 1) / 3));
  const initialDivergence = new Map2d(y, count).divergence(p);
  const rate = Math.max(count / EXAGGERATION / 4, 50);
  const velocity = new Float64Array(y.length);
  const gains = new Float64Array(y.length).fill(1);
  for (let t = 0; t < iterations; t++) {
    const exaggeration = t < EXAGGERATED_ITERATIONS ? EXAGGERATION : 1;
    const momentum = t < MOMENTUM.switchAt ? MOMENTUM.early : MOMENTUM.late;
    const gradient = new Map2d(y, count).gradient(p, exaggeration);
    for (let i = 0; i < y.length; i++) {
      const isTurning = gradient[i] > 0 === velocity[i] > 0;
      gains[i] = Math.max(isTurning ? gains[i] * GAIN.down : gains[i] + GAIN.up, GAIN.least);
      velocity[i] = momentum * velocity[i] - rate * gains[i] * gradient[i];
      y[i] += velocity[i];
    }
    centre(y);
  }
  return { points: { count, channels: 2, data: y }, divergence: new Map2d(y, count).divergence(p), initialDivergence };
}

/** Student's t kernel of a map, and what follows from it. */
class Map2d {
  readonly #y: Float64Array;
  readonly #count: number;
  /** 1 / (1 + d^2) of every pair i > j, row by row; their sum over all ordered pairs. */
  readonly #kernel: Float64Array;
  readonly #sum: number;

  constructor(y: Float64Array, count: number) {
    this.#y = y;
    this.#count = count;
    this.#kernel = new Float64Array((count * (count - 1)) / 2);
    let sum = 0;
    for (let i = 0, pair = 0; i < count; i++) {
      const [xi, yi] = [y[2 * i], y[2 * i + 1]];
      for (let j = 0; j < i; j++, pair++) {
        const dx = xi - y[2 * j];
        const dy = yi - y[2 * j + 1];
        sum += this.#kernel[pair] = 1 / (1 + dx * dx + dy * dy);
      }
    }
    this.#sum = 2 * sum;
  }

  /** dKL/dy_i = 4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2), with p times the exaggeration. */
  gradient(p: Float64Array, exaggeration: number): Float64Array {
    const y = this.#y;
    const gradient = new Float64Array(y.length);
    const scale = 1 / this.#sum;
    for (let i = 0, pair = 0; i < this.#count; i++) {
      let [gx, gy] = [0, 0];
      for (let j = 0; j < i; j++, pair++) {
        const kernel = this.#kernel[pair];
        const force = 4 * (exaggeration * p[pair] - kernel * scale) * kernel;
        const dx = force * (y[2 * i] - y[2 * j]);
        const dy = force * (y[2 * i + 1] - y[2 * j + 1]);
        gx += dx;
        gy += dy;
        gradient[2 * j] -= dx;
        gradient[2 * j + 1] -= dy;
      }
      gradient[2 * i] += gx;
      gradient[2 * i + 1] += gy;
    }
    return gradient;
  }

  /** Sum over ordered pairs of p log(p / q). */
  divergence(p: Float64Array): number {
    let sum = 0;
    p.forEach((value, pair) => (sum += value * Math.log(value / Math.max(this.#kernel[pair] / this.#sum, LEAST))));
    return 2 * sum;
  }
}

/** p_ij = (p_j|i + p_i|j) / 2n of every pair i > j, row by row, at least LEAST. */
export function jointProbabilities(distances: Float64Array, count: number, perplexity: number): Float64Array {
  const conditional = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    conditional.set(neighbours(distances.subarray(i * count, (i + 1) * count), i, Math.log(perplexity)), i * count);
  }
  const joint = new Float64Array((count * (count - 1)) / 2);
  for (let i = 0, pair = 0; i < count; i++) {
    for (let j = 0; j < i; j++, pair++) {
      joint[pair] = Math.max((conditional[i * count + j] + conditional[j * count + i]) / (2 * count), LEAST);
    }
  }
  return joint;
}

const MOST_HALVINGS = 100;
const ENTROPY_TOLERANCE = 1e-10;

/** p_j|i for all j: a Gaussian around point i of the width that gives this entropy, in nats. */
function neighbours(distances: Float64Array, own: number, entropy: number): Float64Array {
  const others = distances.filter((_, j) => j !== own);
  const nearest = others.reduce((least, d) => Math.min(least, d), Infinity); // taken off: exp cannot vanish everywhere
  const mean = others.reduce((sum, d) => sum + d - nearest, 0) / others.length;
  let [low, high] = [0, Infinity];
  let beta = mean > 0 ? 1 / mean : 1;
  for (let step = 0; step < MOST_HALVINGS; step++) {
    let [sum, weighted] = [0, 0];
    for (const d of others) {
      const weight = Math.exp(-beta * (d - nearest));
      sum += weight;
      weighted += weight * (d - nearest);
    }
    const excess = Math.log(sum) + (beta * weighted) / sum - entropy;
    if (Math.abs(excess) < ENTROPY_TOLERANCE) break;
    if (excess > 0) low = beta;
    else high = beta;
    beta = high === Infinity ? 2 * beta : (low + high) / 2;
  }
  const weights = distances.map((d, j) => (j === own ? 0 : Math.exp(-beta * (d - nearest))));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}

function beginning(points: Points, seed: number): Float64Array {
  const axes = pca(points, 2);
  const { data, channels } = project(points, axes);
  const squares = data.reduce((sum, value, i) => sum + (i % channels === 0 ? value * value : 0), 0);
  const spread = Math.sqrt(squares / points.count); // along the first component
  const y = Float64Array.from({ length: 2 * points.count }, (_, i) => {
    const [p, axis] = [i >> 1, i & 1];
    const value = axis < channels && spread > 0 ? data[p * channels + axis] / spread : 0;
    const noise = philox4x32([i, 0, 0, 0], [seed, 0])[0] / 2 ** 32 - 0.5;
    return INITIAL_SPREAD * value + NOISE * noise;
  });
  return centre(y);
}

/** Moves the mean of a map to the origin, in place. */
function centre(y: Float64Array): Float64Array {
  const n = y.length / 2;
  let [x0, y0] = [0, 0];
  for (let i = 0; i < y.length; i += 2) {
    x0 += y[i] / n;
    y0 += y[i + 1] / n;
  }
  for (let i = 0; i < y.length; i += 2) {
    y[i] -= x0;
    y[i + 1] -= y0;
  }
  return y;
}
