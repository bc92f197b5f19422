/** Climbing the ladder: one training run after the other, of which each is kept, and a table that grows with them. */
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { checkpointOf, stateOf } from "./ablation.ts";
import type { AblationRun, RunState } from "./ablation.ts";
import { ladderMarkdown, ladderReport, ladderTable } from "./ablation_report.ts";
import { ProgressLine, duration } from "./progress.ts";
import type { ProgressState } from "./progress.ts";
import { runTraining } from "./run.ts";
import type { RunOptions } from "./run.ts";

export interface Ladder extends Pick<RunOptions, "gpu" | "check" | "trainSet" | "evalSet" | "signal"> {
  readonly runs: readonly AblationRun[];
  /** How far each of them has come; kept up to date. */
  readonly states: Map<AblationRun, RunState>;
  readonly out: string;
  readonly adapter: string;
  readonly variants: Readonly<Record<string, string>>;
  readonly output: LadderProgress;
}

/**
 * Does what is not done yet, and writes ablation.json and ablation.md after each run.
 *
 * @returns the table, or null when the signal stopped a run
 * @throws UserError as `runTraining` does, saying in which run
 */
export async function climb(ladder: Ladder): Promise<string | null> {
  const { runs, states, out, variants, output } = ladder;
  const left = runs.filter((run) => typeof states.get(run) === "string");
  output.log(`${runs.length - left.length} of ${runs.length} runs are finished in ${out}`);
  let table = await writeReport(ladder);
  for (const [i, run] of left.entries()) {
    const place = `run ${runs.length - left.length + i + 1}/${runs.length}`;
    output.log(`${place}: ${run.host}, ${run.rung.label}, seed ${run.seed}`);
    output.begin(place, left.length - i - 1);
    if (!(await trainOne(ladder, run))) return null;
    output.end(states.get(run) === "new");
    states.set(run, await stateOf(run, variants));
    table = await writeReport(ladder);
  }
  return table;
}

/** False when the signal stopped it. */
async function trainOne(ladder: Ladder, run: AblationRun): Promise<boolean> {
  const { gpu, check, adapter, variants, trainSet, evalSet, output, signal, states } = ladder;
  const { config, folder } = run;
  const resume = states.get(run) === "stopped" ? await checkpointOf(run) : null;
  if (!resume) await folder.discard();
  try {
    const confusion = await runTraining({
      ...{ gpu, check, trainSet, evalSet, folder, resume, output, signal },
      description: { config, adapter, variants },
      start: null,
      onSecondsLeft: (seconds) => output.expect(seconds),
    });
    return confusion !== null;
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(`${run.host}, ${run.rung.label}, seed ${run.seed}: ${cause.message}`, { cause });
  }
}

/** Writes what is known so far; returns the table. */
async function writeReport({ runs, states, out, evalSet }: Ladder): Promise<string> {
  const known = [...states].flatMap(([run, state]) => (typeof state === "string" ? [] : [[run, state] as const]));
  const report = ladderReport(runs, new Map(known), evalSet.spec.classNames);
  await writeFileAtomic(join(out, "ablation.json"), `${JSON.stringify(report, null, 2)}\n`);
  await writeFileAtomic(join(out, "ablation.md"), ladderMarkdown(report));
  return ladderTable(report);
}

/** Says with every progress line which run it is of, and how long all of them will take. */
export class LadderProgress extends ProgressLine {
  #place = "";
  #runsAfter = 0;
  #started = 0;
  /** Of the present run; NaN as long as nothing is known. */
  #secondsLeft = NaN;
  /** That whole runs took. */
  readonly #durations: number[] = [];

  begin(place: string, runsAfter: number): void {
    this.#place = place;
    this.#runsAfter = runsAfter;
    this.#started = performance.now();
    this.#secondsLeft = NaN;
  }

  /** @param isWhole whether the run was begun by `begin`, not continued */
  end(isWhole: boolean): void {
    if (isWhole) this.#durations.push((performance.now() - this.#started) / 1000);
    this.#place = "";
  }

  expect(secondsLeft: number): void {
    this.#secondsLeft = secondsLeft;
  }

  override show(text: string, state?: ProgressState): void {
    if (this.#place === "") return super.show(text, state);
    const total = this.#total();
    super.show(`${this.#place}, all done in ${total} | ${text}`, state && { ...state, run: this.#place, allDoneIn: total });
  }

  #total(): string {
    const past = (performance.now() - this.#started) / 1000;
    const sum = this.#durations.reduce((all, seconds) => all + seconds, 0);
    const perRun = this.#durations.length > 0 ? sum / this.#durations.length : past + this.#secondsLeft;
    const total = this.#secondsLeft + this.#runsAfter * perRun;
    return Number.isFinite(total) ? duration(total) : "...";
  }
}
