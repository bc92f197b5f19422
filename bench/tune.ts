/** `npm run bench -- --tune`: kernels and tiles that beat the heuristics on this adapter, written where the ops look. */
import { relative } from "node:path";
import type { CommandDevice } from "../src/cli/device.ts";
import { UserError } from "../src/errors.ts";
import { writeFileAtomic } from "../src/io/files.node.ts";
import { kernelsOnDisk } from "../src/runtime/source.node.ts";
import type { ProgressLine } from "../src/train/progress.ts";
import { noiseLimit } from "./against.ts";
import { describeChoice, sameChoice } from "./decide.ts";
import { CHECKED_IN, workloadTitle } from "./options.ts";
import { short } from "./report.ts";
import { Search, gain } from "./tune_search.ts";
import type { Outcome, Trial } from "./tune_search.ts";
import { geometricMean, merge, readTableFile, tablesToJson, winners } from "./tune_table.ts";
import type { Winners } from "./tune_table.ts";
import type { Workload } from "./workload.ts";

/**
 * Whether everything that was tried was right.
 *
 * @throws UserError before anything is measured: for an adapter that is of no family, a file that is no table
 */
export async function tune(
  opened: CommandDevice,
  workloads: readonly Workload[],
  path: string,
  output: ProgressLine,
): Promise<boolean> {
  const { device, gpu, check } = opened;
  const { family } = gpu;
  if (family === "") throw new UserError("--tune: this adapter hides its vendor, so that a table could not find it again");
  const tables = await readTableFile(path);
  const search = new Search({ device, kernels: kernelsOnDisk, check });
  const outcomes: Outcome[] = [];
  let fixed = 0;
  const show = output.task("tuning", "rows");
  for (const [i, workload] of workloads.entries()) {
    show(i, workloads.length);
    const outcome = await search.row(workload);
    if (outcome === null) fixed++;
    else outcomes.push(outcome);
    for (const reason of outcome?.wrong ?? []) output.warn(`${workloadTitle(workload)}: wrong, not timed: ${reason}`);
    if (outcome && outcome.before.samplesMs.length > 0) {
      output.print(describeOutcome(outcome), { row: workloadTitle(workload), text: describeOutcome(outcome) });
    }
  }
  const measured = outcomes.filter(({ before }) => before.samplesMs.length > 0);
  const won = winners(measured);
  const text = tablesToJson(merge(tables, family, measured.flatMap(({ keys }) => keys), won));
  await writeFileAtomic(path, text);
  const shown = relative(process.cwd(), path);
  const use =
    path === CHECKED_IN
      ? `written to ${shown}: adapters of the family ${family} use it from now on. Commit it if a second run agrees.`
      : `written to ${shown}: as ${relative(process.cwd(), CHECKED_IN)} it serves adapters of the family ${family}.`;
  const counts = { rows: measured.length, entries: won.size, fixed, written: path };
  output.print(`\n${summary(measured, won, fixed)}\n${use}`, counts);
  return outcomes.every(({ wrong }) => wrong.length === 0);
}

/** The fastest that was tried in a row, if it is faster than the heuristics' choice. */
function fastest({ trials }: Outcome): Trial | null {
  const faster = trials.filter(({ before, timing }) => gain(before, timing) > 1);
  return faster.toSorted((a, b) => gain(b.before, b.timing) - gain(a.before, a.timing))[0] ?? null;
}

function describeOutcome(outcome: Outcome): string {
  const best = fastest(outcome);
  const name = workloadTitle(outcome.workload);
  if (!best) return `${name}: ${short(outcome.before.minMs)} ms, nothing faster`;
  const { kernel, choice, before, timing } = best;
  const limit = noiseLimit(before, timing);
  const ratio = gain(before, timing);
  const verdict = ratio > limit ? "" : " (noise)";
  return (
    `${name}: ${short(before.minMs)} -> ${short(timing.minMs)} ms, x ${short(ratio)} of up to x ${short(limit)} noise` +
    `${verdict}: ${kernel} ${describeChoice(kernel, choice)}`
  );
}

function summary(outcomes: readonly Outcome[], won: Winners, fixed: number): string {
  if (outcomes.length === 0) return "no row was measured";
  // What a row gains by the table, and what it could gain by the fastest choice that was tried on it.
  const gains = outcomes.map(({ trials }) => {
    const kept = trials.filter(({ kernel, shape, choice }) => {
      const winner = won.get(`${kernel} ${shape}`);
      return winner !== undefined && sameChoice(winner, choice);
    });
    return Math.max(1, ...kept.map(({ before, timing }) => gain(before, timing)));
  });
  const possible = outcomes.map((outcome) => {
    const best = fastest(outcome);
    return best ? gain(best.before, best.timing) : 1;
  });
  const [table, best] = [geometricMean(gains), geometricMean(possible)];
  const percent = (ratio: number): string => `${(100 * (ratio - 1)).toFixed(1)} %`;
  const without = fixed > 0 ? `; ${fixed} rows have nothing to choose` : "";
  return (
    `${outcomes.length} rows, ${won.size} entries beyond the noise${without}\n` +
    `gain of the table: ${percent(table)} in the geometric mean; regret against the fastest of every row: ` +
    `${percent(best)} without the table, ${percent(best / table)} with it`
  );
}
