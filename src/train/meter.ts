import type { Iteration } from "./trainer.ts";

/** Averages over the iterations since the last `take`. */
export interface Averages {
  readonly iterations: number;
  readonly losses: Readonly<Record<string, number>>;
  readonly imagesPerSecond: number;
}

/** Weight of the past in the moving average of the time per iteration. */
const INERTIA = 0.9;
/** The first iterations compile kernels and fill the queue. */
const WARM_UP = 2;

/** Loss averages and speed of a run. */
export class Meter {
  readonly #batchSize: number;
  #sums = new Map<string, number>();
  #count = 0;
  #since = performance.now();
  #seen = 0;
  #lastSeen = 0;
  #secondsPerIteration: number | null = null;

  constructor(batchSize: number) {
    this.#batchSize = batchSize;
  }

  /** Seconds, smoothed; null as long as nothing is known. */
  get secondsPerIteration(): number | null {
    return this.#secondsPerIteration;
  }

  add({ losses }: Iteration): void {
    for (const [name, value] of losses) this.#sums.set(name, (this.#sums.get(name) ?? 0) + value);
    this.#count++;
    const now = performance.now();
    if (++this.#seen > WARM_UP) {
      const seconds = (now - this.#lastSeen) / 1000;
      const former = this.#secondsPerIteration ?? seconds;
      this.#secondsPerIteration = INERTIA * former + (1 - INERTIA) * seconds;
    }
    this.#lastSeen = now;
  }

  /** The averages, and a new beginning; null without iterations. */
  take(): Averages | null {
    if (this.#count === 0) return null;
    const iterations = this.#count;
    const losses = Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / iterations]));
    const now = performance.now();
    const imagesPerSecond = (iterations * this.#batchSize * 1000) / (now - this.#since);
    this.#sums = new Map();
    this.#count = 0;
    this.#since = now;
    return { iterations, losses, imagesPerSecond };
  }

  /** Leaves the time since the last iteration out of the speed: something else was done. */
  pause(): void {
    this.#since = performance.now();
    this.#lastSeen = this.#since;
  }
}
