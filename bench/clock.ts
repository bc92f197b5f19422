/**
 * Wall time of what is recorded, from the instant at which the commands go to the queue until they have run. Encoding
 * them is not included, nor is compiling: a pass is run before it is timed.
 */

export interface Timing {
  /** Milliseconds per repetition. */
  readonly medianMs: number;
  readonly minMs: number;
  /** Fastest first, to four digits. */
  readonly samplesMs: readonly number[];
}

export function summarize(times: readonly number[]): Timing {
  const samples = times.toSorted((a, b) => a - b);
  const middle = samples.length / 2;
  const medianMs = (samples[Math.ceil(middle) - 1] + samples[Math.floor(middle)]) / 2;
  const samplesMs = samples.map((ms) => Number(ms.toPrecision(4)));
  return { medianMs, minMs: samples[0], samplesMs };
}

export function mergeTimings(a: Timing, b: Timing): Timing {
  return summarize([...a.samplesMs, ...b.samplesMs]);
}

/** A submit is repeated work of at least this long, so that its own cost and the clock's do not count. */
const LEAST_MS = 20;
const LEAST_SAMPLES = 5;
/** Short samples are cheap: more of them find an undisturbed moment. */
const SAMPLING_MS = 350;
const MOST_SAMPLES = 15;
const MOST_REPETITIONS = 4096;
/** Once samples have taken so long, fewer will do. */
const PATIENCE_MS = 2000;
const FEWEST_SAMPLES = 3;

/**
 * A pending promise makes Dawn's binding poll, which on a CPU adapter takes a core from the kernels: sleep for this
 * share of the expected time before looking.
 */
const SLEEP_SHARE = 0.7;
/** Found finished this soon after looking, work had probably finished before. */
const LATE_MS = 0.3;
const LEAST_SLEEP_MS = 3;

/** What can be timed: as much of a Gpu as the clock needs, so that other runtimes can be dressed up as one. */
export interface Stage {
  readonly device: GPUDevice;
  readonly capabilities: { readonly isSoftware: boolean };
  /** Releases at its end what was recorded in it. */
  arena(): Disposable;
  submit(): Promise<void> | void;
}

export class Clock {
  readonly #stage: Stage;
  readonly #sleeps: boolean;
  /** When the first commands of a sample went to the queue; 0 before. */
  #submitted = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#sleeps = stage.capabilities.isSoftware;
    const { queue } = stage.device;
    const submit = queue.submit.bind(queue);
    queue.submit = (buffers) => {
      this.#submitted ||= performance.now();
      return submit(buffers);
    };
  }

  /** Times one pass, recorded by `record`; what it allocates is released after each repetition. */
  async measure(record: () => unknown): Promise<Timing> {
    const [timing] = await measureInTurn([{ clock: this, record }]);
    return timing;
  }

  /** Wall time of so many repetitions, and whether it was looked for so late that it says little. */
  async sample(
    record: () => unknown,
    repetitions: number,
    expected: number,
  ): Promise<{ ms: number; isLate: boolean }> {
    const stage = this.#stage;
    this.#submitted = 0;
    for (let i = 0; i < repetitions; i++) {
      using _scratch = stage.arena();
      record();
    }
    await stage.submit();
    const sleep = this.#sleeps ? SLEEP_SHARE * expected : 0;
    const hasSlept = sleep >= LEAST_SLEEP_MS;
    if (hasSlept) await new Promise((resolve) => setTimeout(resolve, sleep));
    const looked = performance.now();
    await stage.device.queue.onSubmittedWorkDone();
    const finished = performance.now();
    return { ms: finished - this.#submitted, isLate: hasSlept && finished - looked < LATE_MS };
  }
}

export interface Contestant {
  readonly clock: Clock;
  readonly record: () => unknown;
}

/** Times passes sample by sample in turn, so that what disturbs the machine disturbs all of them. */
export async function measureInTurn(contestants: readonly Contestant[]): Promise<Timing[]> {
  const series = contestants.map((contestant) => new Series(contestant));
  for (const { clock, record } of contestants) await clock.sample(record, 1, 0); // compiles
  while (!series.every(({ isComplete }) => isComplete)) {
    for (const each of series) if (!each.isComplete) await each.sample();
  }
  return series.map((each) => each.timing());
}

/** Samples of one pass, of as many repetitions as take long enough. */
class Series {
  readonly #contestant: Contestant;
  #samples: number[] = [];
  #repetitions = 1;
  #total = 0;
  #expected = 0;

  constructor(contestant: Contestant) {
    this.#contestant = contestant;
  }

  get isComplete(): boolean {
    const { length } = this.#samples;
    if (this.#total >= PATIENCE_MS) return length >= FEWEST_SAMPLES;
    return length >= LEAST_SAMPLES && (this.#total >= SAMPLING_MS || length >= MOST_SAMPLES);
  }

  async sample(): Promise<void> {
    const { clock, record } = this.#contestant;
    const { ms, isLate } = await clock.sample(record, this.#repetitions, this.#expected);
    if (isLate) {
      this.#expected /= 2;
    } else if (ms < LEAST_MS && this.#repetitions < MOST_REPETITIONS) {
      const factor = Math.min(16, (1.3 * LEAST_MS) / ms);
      this.#repetitions = Math.min(MOST_REPETITIONS, Math.ceil(this.#repetitions * factor));
      [this.#samples, this.#total, this.#expected] = [[], 0, 0];
    } else {
      this.#samples.push(ms);
      this.#total += ms;
      this.#expected = Math.min(...this.#samples);
    }
  }

  timing(): Timing {
    return summarize(this.#samples.map((ms) => ms / this.#repetitions));
  }
}
