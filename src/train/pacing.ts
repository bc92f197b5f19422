/**
 * Waiting for the device. While any GPU promise is pending, Dawn's Node binding polls in a busy loop, which on an
 * adapter that runs on the CPU takes a core from the shaders (on 2 cores a third of the throughput). So a promise is
 * only made once the work should nearly be done: what came before says how long it takes, and a timer sleeps that out.
 * A real GPU has cores of its own, and there a timer's slack would only add latency.
 *
 * Either way the next piece of work is submitted before the last one is awaited, so that the device never runs dry,
 * and no more than a few are under way, so that neither memory nor the reaction to a signal gets out of hand.
 */
import type { Gpu, Readback } from "../runtime/gpu.ts";

/** Pieces of work under way at once. */
const DEPTH = { software: 2, hardware: 3 } as const;
/** Of the predicted time, what is slept through; the prediction is the fastest of the last few. */
const SLEPT_SHARE = 0.95;
const REMEMBERED = 6;
/**
 * A result so soon after asking, by the clock or by the predicted time, had been there before: the time slept was too
 * long, and this share of it is tried next.
 */
const LATE = { ms: 2, share: 0.01 } as const;
const TRIED_SHARE = 0.7;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Flight {
  readonly readback: Readback;
  readonly submitted: number;
  readonly land: (data: ArrayBuffer) => void;
}

/** Pieces of work of one kind, such as training steps, between their submission and their results. */
export class Pacer {
  readonly #isSoftware: boolean;
  readonly #flights: Flight[] = [];
  /** Milliseconds that the device took for the last pieces. */
  readonly #durations: number[] = [];
  /** Takes the place of a prediction that was too long. */
  #guess: number | null = null;
  #lastLanding = 0;
  #landed = 0;

  constructor(gpu: Gpu) {
    this.#isSoftware = gpu.capabilities.isSoftware;
  }

  /**
   * Takes charge of work that has just been submitted, and waits while too much is under way. `land` gets the bytes
   * of `readback`, in the order of submission.
   */
  async add(readback: Readback, land: (data: ArrayBuffer) => void): Promise<void> {
    this.#flights.push({ readback, land, submitted: performance.now() });
    const depth = this.#isSoftware ? DEPTH.software : DEPTH.hardware;
    while (this.#flights.length >= depth) await this.#landOldest();
  }

  /** Waits until nothing is under way. */
  async drain(): Promise<void> {
    while (this.#flights.length > 0) await this.#landOldest();
  }

  async #landOldest(): Promise<void> {
    const { readback, submitted, land } = this.#flights.shift()!;
    const begun = Math.max(submitted, this.#lastLanding);
    const predicted = this.#guess ?? Math.min(...this.#durations); // Infinity as long as nothing is known
    const rest = begun + SLEPT_SHARE * predicted - performance.now();
    const hasSlept = this.#isSoftware && predicted < Infinity && rest > 0;
    if (hasSlept) await sleep(rest);
    const asked = performance.now();
    const data = await readback.fetch();
    this.#lastLanding = performance.now();
    const isLate = hasSlept && this.#lastLanding - asked < Math.max(LATE.ms, LATE.share * predicted);
    this.#guess = isLate ? TRIED_SHARE * predicted : null;
    // The first piece compiles kernels: it says nothing about the others.
    if (this.#landed++ > 0 && !isLate) this.#durations.push(this.#lastLanding - begun);
    if (this.#durations.length > REMEMBERED) this.#durations.shift();
    land(data);
  }
}
