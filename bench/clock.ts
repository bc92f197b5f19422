/**
 * Wall time of what is recorded, from the instant at which the commands go to the queue until they have run. Encoding
 * them is not included, nor is compiling: a pass is run before it is timed.
 */
import type { Gpu } from "../src/runtime/gpu.ts";

export interface Timing {
  /** Milliseconds per repetition. */
  readonly medianMs: number;
  readonly minMs: number;
  /** How far the median lies above the minimum, relative to it: disturbance by whatever else ran. */
  readonly spread: number;
}

/** A submit is repeated work of at least this long, so that its own cost and the clock's do not count. */
const LEAST_MS = 20;
const LEAST_SAMPLES = 5;
/** Short samples are cheap: more of them find an undisturbed moment. */
const SAMPLING_MS = 150;
const MOST_SAMPLES = 15;
const MOST_REPETITIONS = 4096;

/**
 * A pending promise makes Dawn's binding poll, which on a CPU adapter takes a core from the kernels: sleep for this
 * share of the expected time before looking.
 */
const SLEEP_SHARE = 0.7;
/** Found finished this soon after looking, work had probably finished before. */
const LATE_MS = 0.3;
const LEAST_SLEEP_MS = 3;

export class Clock {
  readonly #gpu: Gpu;
  readonly #sleeps: boolean;
  #submitted = 0;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#sleeps = gpu.capabilities.isSoftware;
    const { queue } = gpu.device;
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      this.#submitted = performance.now();
      return submit(buffers);
    };
  }

  /** Times one pass, recorded by `record`; what it allocates is released after each repetition. */
  async measure(record: () => unknown): Promise<Timing> {
    await this.#sample(record, 1, 0); // compiles
    let samples: number[] = [];
    let repetitions = 1;
    let total = 0;
    let expected = 0;
    while (samples.length < LEAST_SAMPLES || (total < SAMPLING_MS && samples.length < MOST_SAMPLES)) {
      const { ms, isLate } = await this.#sample(record, repetitions, expected);
      if (isLate) {
        expected /= 2;
      } else if (ms < LEAST_MS && repetitions < MOST_REPETITIONS) {
        repetitions = Math.min(MOST_REPETITIONS, Math.ceil(repetitions * Math.min(16, (1.3 * LEAST_MS) / ms)));
        [samples, total, expected] = [[], 0, 0];
      } else {
        samples.push(ms);
        total += ms;
        expected = Math.min(...samples);
      }
    }
    samples.sort((a, b) => a - b);
    const middle = samples.length / 2;
    const median = (samples[Math.ceil(middle) - 1] + samples[Math.floor(middle)]) / 2;
    return { medianMs: median / repetitions, minMs: samples[0] / repetitions, spread: median / samples[0] - 1 };
  }

  async #sample(
    record: () => unknown,
    repetitions: number,
    expected: number,
  ): Promise<{ ms: number; isLate: boolean }> {
    const gpu = this.#gpu;
    for (let i = 0; i < repetitions; i++) {
      using _scratch = gpu.arena();
      record();
    }
    await gpu.submit();
    const sleep = this.#sleeps ? SLEEP_SHARE * expected : 0;
    const hasSlept = sleep >= LEAST_SLEEP_MS;
    if (hasSlept) await new Promise((resolve) => setTimeout(resolve, sleep));
    const looked = performance.now();
    await gpu.device.queue.onSubmittedWorkDone();
    const finished = performance.now();
    return { ms: finished - this.#submitted, isLate: hasSlept && finished - looked < LATE_MS };
  }
}
