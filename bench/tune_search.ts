/** The search for better kernels and tiles, row by row. */
import type { Choice, Decision, Tuned } from "../src/runtime/choice.ts";
import { Gpu } from "../src/runtime/gpu.ts";
import type { KernelSource } from "../src/runtime/kernels.ts";
import { parseKernel } from "../src/runtime/parse.ts";
import { noiseLimit } from "./against.ts";
import { Checker } from "./check.ts";
import { Clock, measureInTurn } from "./clock.ts";
import type { Timing } from "./clock.ts";
import { decisionsOf, describeChoice, sameChoice, variantServing } from "./decide.ts";
import { prepare } from "./workload.ts";
import type { Workload } from "./workload.ts";

/** A choice that was right, in place of the heuristic's. */
export interface Trial {
  readonly kernel: string;
  readonly shape: string;
  readonly choice: Choice;
  /** Of the heuristic's choice, measured in turn with it. */
  readonly before: Timing;
  readonly timing: Timing;
}

export interface Outcome {
  readonly workload: Workload;
  /** What the heuristics choose takes. */
  readonly before: Timing;
  readonly trials: readonly Trial[];
  /** Classes of shapes of which the row is one, as "KERNEL SHAPE". */
  readonly keys: readonly string[];
  /** Choices that are not right, or do not run, with the reason; never timed. */
  readonly wrong: readonly string[];
}

/** How many times as long as the heuristic's choice a first, single sample may take: beyond, more would tell nothing. */
const HOPELESS = 3;

/** What could be chosen instead of the heuristic's choice: every kernel that can run, with every marked constant. */
export function candidates({ files, heuristic }: Decision, kernels: KernelSource): Choice[] {
  const all = files.flatMap((kernel) => {
    const marks = Object.entries(parseKernel(kernels(kernel), kernel).tune);
    const tunes = marks.reduce<Record<string, number>[]>(
      (partial, [id, { choices }]) => partial.flatMap((tune) => choices.map((value) => ({ ...tune, [id]: value }))),
      [{}],
    );
    return tunes.map((tune) => ({ kernel, tune }));
  });
  return all.filter((choice) => !sameChoice(choice, heuristic));
}

/** Lets one choice take the place of the heuristic's. */
class Stand implements Tuned {
  trial: Decision | null = null;

  get(kernel: string): Choice | undefined {
    return this.trial?.kernel === kernel ? this.trial.choice : undefined;
  }
}

export interface SearchOptions {
  readonly device: GPUDevice;
  readonly kernels: KernelSource;
  /** Throws what the device has reported. */
  readonly check: () => void;
}

export class Search {
  readonly #options: SearchOptions;
  readonly #stand = new Stand();
  readonly #gpu: Gpu;
  readonly #clock: Clock;
  readonly #checker: Checker;

  constructor(options: SearchOptions) {
    const { device, kernels } = options;
    this.#options = options;
    this.#gpu = new Gpu({ device, kernels, tuned: this.#stand });
    this.#clock = new Clock(this.#gpu);
    this.#checker = new Checker({ device, kernels });
  }

  /** Null where there is nothing to choose. */
  async row(workload: Workload): Promise<Outcome | null> {
    try {
      using _arena = this.#gpu.arena();
      this.#stand.trial = null;
      const { record } = prepare(this.#gpu, workload, workload.problem);
      const decisions = decisionsOf(this.#gpu, record);
      await this.#gpu.idle();
      return await this.#search(workload, decisions, record);
    } finally {
      await this.#gpu.trim();
    }
  }

  async #search(workload: Workload, decisions: Decision[], record: () => unknown): Promise<Outcome | null> {
    // A choice goes for a kernel, whatever the shape: where a pass runs it on several, they share the result.
    const asked = [...new Map(decisions.map((decision) => [decision.kernel, decision])).values()];
    const tried = asked.flatMap((decision) =>
      candidates(decision, this.#options.kernels).map((choice) => ({ ...decision, choice })),
    );
    if (tried.length === 0) return null;
    const keys = decisions.map(({ kernel, shape }) => `${kernel} ${shape}`);
    const common = { workload, keys };
    const wrongDefault = await this.#problem(workload, decisions);
    if (wrongDefault !== null) {
      const none: Timing = { medianMs: NaN, minMs: NaN, samplesMs: [] };
      return { ...common, before: none, trials: [], wrong: [`the heuristics' choice: ${wrongDefault}`] };
    }
    const [right, wrong]: [Decision[], string[]] = [[], []];
    for (const trial of tried) {
      const others = decisions.filter(({ kernel }) => kernel !== trial.kernel);
      const problem = await this.#problem(workload, [...others, trial]);
      if (problem === null) right.push(trial);
      else wrong.push(`${describeChoice(trial.kernel, trial.choice)}: ${problem}`);
    }
    const entrant = (trial: Decision | null) => ({
      clock: this.#clock,
      record: () => {
        this.#stand.trial = trial;
        record();
      },
    });
    const hopeful = await this.#hopeful(right, entrant);
    const [before, ...timings] = await measureInTurn([null, ...hopeful].map(entrant));
    const trials: Trial[] = [];
    for (const [i, trial] of hopeful.entries()) {
      const { kernel, choice } = trial;
      let pair = [before, timings[i]];
      // Of many candidates one is the fastest by chance: what seems to win is measured anew.
      if (gain(pair[0], pair[1]) > noiseLimit(pair[0], pair[1])) pair = await measureInTurn([null, trial].map(entrant));
      const shapes = decisions.filter((decision) => decision.kernel === kernel).map(({ shape }) => shape);
      trials.push(...shapes.map((shape) => ({ kernel, shape, choice, before: pair[0], timing: pair[1] })));
    }
    this.#options.check();
    return { ...common, before, trials, wrong };
  }

  /** What is wrong with choices, not running included. */
  async #problem(workload: Workload, decisions: readonly Decision[]): Promise<string | null> {
    try {
      const problem = await this.#checker.check(workload, variantServing(workload, decisions), decisions);
      this.#options.check();
      return problem;
    } catch (cause) {
      return (cause as Error).message.split("\n").slice(0, 2).join(" ");
    }
  }

  async #hopeful(
    trials: readonly Decision[],
    entrant: (trial: Decision | null) => { readonly record: () => void },
  ): Promise<Decision[]> {
    const once = async (trial: Decision | null): Promise<number> => {
      const { record } = entrant(trial);
      await this.#clock.sample(record, 1, 0); // compiles
      return (await this.#clock.sample(record, 1, 0)).ms;
    };
    const limit = HOPELESS * (await once(null));
    const hopeful: Decision[] = [];
    for (const trial of trials) if ((await once(trial)) <= limit) hopeful.push(trial);
    return hopeful;
  }
}

/** How many times as fast. */
export function gain(before: Timing, after: Timing): number {
  return before.minMs / after.minMs;
}
