/** What became slower or faster since an earlier run, beyond the noise of both. */
import { UserError } from "../src/errors.ts";
import { short } from "./report.ts";
import { title } from "./measured.ts";
import type { Measured } from "./measured.ts";
import { IDENTITY, SECTIONS } from "./results.ts";
import type { Adapter, Results } from "./results.ts";

export interface Change {
  readonly key: string;
  readonly title: string;
  readonly beforeMs: number;
  readonly afterMs: number;
  /** afterMs / beforeMs: above 1 is slower. */
  readonly ratio: number;
  /** From here on a ratio, or its inverse, is more than noise. */
  readonly limit: number;
}

export interface Comparison {
  /** Most changed first. */
  readonly regressions: readonly Change[];
  readonly improvements: readonly Change[];
  /** Rows that both runs have. */
  readonly compared: number;
  /** Geometric mean of the ratios; NaN without rows to compare. */
  readonly meanRatio: number;
  /** Titles of rows that only the earlier run has, and only this one. */
  readonly missing: readonly string[];
  readonly added: readonly string[];
  /** How far the peaks of the two runs, which no kernel has a part in, lie apart: 1 for not at all. */
  readonly drift: number;
}

/** Less is noise on any machine. */
const FLOOR = 0.05;

/**
 * Another version of the driver may be compared.
 *
 * @throws UserError saying what differs
 */
export function refuseOtherAdapter(path: string, before: Adapter, now: Adapter): void {
  const differing = IDENTITY.filter((field) => before[field] !== now[field]);
  if (differing.length === 0) return;
  const show = (adapter: Adapter): string => differing.map((field) => `${field} "${adapter[field] ?? ""}"`).join(", ");
  throw new UserError(
    `--against ${path}: that run was on another adapter: ${show(before)} there, ${show(now)} here; times do not compare`,
  );
}

/**
 * A row has changed when its fastest samples differ by more than the drift of the machine between the runs, times the
 * spread of the samples within each.
 */
export function compare(before: Results, after: Results): Comparison {
  const [earlier, later] = [byKey(before), byKey(after)];
  const drift = Math.max(apart(before.peak.gflops, after.peak.gflops), apart(before.peak.gbps, after.peak.gbps));
  const changes: Change[] = [];
  for (const [key, row] of later) {
    const former = earlier.get(key);
    if (!former) continue;
    const [beforeMs, afterMs] = [former.minMs, row.minMs];
    const limit = drift * noiseLimit(former, row);
    changes.push({ key, title: title(row), beforeMs, afterMs, ratio: afterMs / beforeMs, limit });
  }
  const only = (rows: ReadonlyMap<string, Measured>, other: ReadonlyMap<string, Measured>): string[] =>
    [...rows].flatMap(([key, row]) => (other.has(key) ? [] : [title(row)]));
  const logs = changes.reduce((sum, { ratio }) => sum + Math.log(ratio), 0);
  return {
    regressions: changes.filter(({ ratio, limit }) => ratio > limit).sort((a, b) => b.ratio - a.ratio),
    improvements: changes.filter(({ ratio, limit }) => ratio < 1 / limit).sort((a, b) => a.ratio - b.ratio),
    compared: changes.length,
    meanRatio: Math.exp(logs / changes.length),
    missing: only(earlier, later),
    added: only(later, earlier),
    drift,
  };
}

/** What tells one row from another. */
export function keyOf({ name, op, pass, shape }: Pick<Measured, "name" | "op" | "pass" | "shape">): string {
  const sorted = Object.entries(shape).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([name, op, pass, ...sorted]);
}

/** From which ratio on two timings of one run differ by more than the spread of their samples. */
export function noiseLimit(a: Pick<Measured, "samplesMs">, b: Pick<Measured, "samplesMs">): number {
  return 1 + Math.max(FLOOR, noise(a.samplesMs), noise(b.samplesMs));
}

function byKey(results: Results): Map<string, Measured> {
  return new Map(SECTIONS.flatMap((name) => results[name].map((row) => [keyOf(row), row])));
}

/** How far the lower quartile of the samples lies above the fastest one, relative to that. */
function noise(samplesMs: readonly number[]): number {
  return samplesMs[Math.ceil((samplesMs.length - 1) / 4)] / samplesMs[0] - 1;
}

const apart = (a: number, b: number): number => Math.max(a / b, b / a);

/** Of the titles of rows without a partner: a filter may leave hundreds. */
const NAMED = 8;

export function describeComparison(path: string, comparison: Comparison): string {
  const { regressions, improvements, compared, meanRatio, missing, added, drift } = comparison;
  const lines = [
    ...changeLines("slower", regressions),
    ...changeLines("faster", improvements),
    ...titleLines(`only in ${path}`, missing),
    ...titleLines("only in this run", added),
  ];
  const mean = compared === 0 ? "" : `, ${short(meanRatio)} times as long in the geometric mean`;
  const counts = `${regressions.length} slower, ${improvements.length} faster beyond the noise`;
  const machine = `the machine's peaks lie ${Math.round(100 * (drift - 1))} % apart`;
  return [`against ${path}: ${compared} rows${mean}; ${counts}; ${machine}`, ...lines].join("\n");
}

function changeLines(what: string, changes: readonly Change[]): string[] {
  return changes.map((change) => {
    const times = `${short(change.beforeMs)} -> ${short(change.afterMs)} ms`;
    return `  ${what}  x ${short(change.ratio)}  ${change.title}: ${times} (noise: up to x ${short(change.limit)})`;
  });
}

function titleLines(what: string, titles: readonly string[]): string[] {
  if (titles.length === 0) return [];
  const more = titles.length > NAMED ? `, and ${titles.length - NAMED} more` : "";
  return [`  ${what}: ${titles.slice(0, NAMED).join(", ")}${more}`];
}
