/** Values that change over the iterations t = 0, 1, ... of a run, set before the forward pass (METHOD.md 2.4 and 5). */

/** How a learning rate begins. */
export interface Warmup {
  readonly type: "constant" | "linear" | "exp";
  /** Relative to the scheduled value, at t = 0. */
  readonly ratio: number;
  /** Iterations; 0 for none. */
  readonly iters: number;
}

/** The polynomial schedule of a run. */
export interface PolyOptions {
  readonly baseLr: number;
  readonly power: number;
  /** T, iterations of the whole run. */
  readonly maxIters: number;
  /** Value at t = T; the official default is a hundredth of `baseLr`. */
  readonly minLr?: number;
  readonly warmup?: Warmup;
}

/** minLr + (baseLr - minLr) · (1 - t/T)^power, times the warm-up's factor. */
export function polyLearningRate(t: number, options: PolyOptions): number {
  const { baseLr, power, maxIters, minLr = 0.01 * baseLr, warmup } = options;
  const rate = (1 - t / maxIters) ** power * (baseLr - minLr) + minLr;
  return warmup && t < warmup.iters ? rate * warmupFactor(t, warmup) : rate;
}

function warmupFactor(t: number, { type, ratio, iters }: Warmup): number {
  if (type === "constant") return ratio;
  if (type === "exp") return ratio ** (1 - t / iters);
  return 1 - (1 - t / iters) * (1 - ratio);
}

/** The polynomial schedule of the memory's moving average. */
export interface MomentumOptions {
  /** Weight of the new value at t = 0. */
  readonly momentum: number;
  readonly power: number;
  readonly maxIters: number;
  /** Value at t = T relative to that at t = 0. */
  readonly floor: number;
}

/** Weight of the new value in the memory's moving average: momentum · ((1 - t/T)^power · (1 - floor) + floor). */
export function memoryMomentum(t: number, { momentum, power, maxIters, floor }: MomentumOptions): number {
  return momentum * ((1 - t / maxIters) ** power * (1 - floor) + floor);
}

/** The official form: it follows the learning rate, and is clamped to [0, 1], beyond which the average diverges. */
export function coupledMomentum(lr: number, { momentum, baseLr }: { momentum: number; baseLr: number }): number {
  return Math.min((momentum / baseLr) * lr, 1);
}
