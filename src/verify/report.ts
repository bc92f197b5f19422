/** What verify says about its results, to people and as JSON. */
import type { FileReport, Outcome } from "./verify.ts";

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export function countOutcomes(reports: readonly FileReport[]): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  for (const { cases } of reports) for (const { outcome } of cases) totals[outcome.status]++;
  return totals;
}

export function showTotals({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** One line for a file, then indented ones for what failed, was skipped, or passed by our own rule. */
export function showFile(report: FileReport): string {
  const { file: { path }, cases } = report;
  if (cases.length === 0) return `${path}: inputs of other files`;
  const lines = [`${path}: ${showTotals(countOutcomes([report]))}`];
  for (const { item, outcome } of cases) {
    if (outcome.status !== "failed") continue;
    lines.push(`  FAILED ${item.id || item.op} (${item.op})${item.note && `: ${item.note}`}`);
    for (const reason of failureLines(outcome)) lines.push(`    ${reason.replaceAll("\n", "\n    ")}`);
  }
  const passedBy = groupBy(report, (outcome) => (outcome.status === "passed" ? outcome.rule : undefined));
  for (const [rule, ids] of passedBy) lines.push(`  by our own rule ${ids.join(", ")}: ${rule}`);
  const skippedFor = groupBy(report, (outcome) => (outcome.status === "skipped" ? outcome.reason : undefined));
  for (const [reason, ids] of skippedFor) lines.push(`  skipped ${ids.join(", ")}: ${reason}`);
  return lines.join("\n");
}

const MAX_MISMATCHES = 8;

function failureLines(outcome: Outcome & { status: "failed" }): string[] {
  if ("error" in outcome) return [outcome.error];
  const lines = outcome.mismatches.slice(0, MAX_MISMATCHES).map(({ tensor, problem }) => `${tensor}: ${problem}`);
  const more = outcome.mismatches.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more results`] : lines;
}

/** The cases by what is said about them, those left out about which there is nothing to say. */
function groupBy({ cases }: FileReport, text: (outcome: Outcome) => string | undefined): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const { item, outcome } of cases) {
    const key = text(outcome);
    if (key !== undefined) groups.set(key, [...(groups.get(key) ?? []), item.id || item.op]);
  }
  return groups;
}

/** Everything, for programs. Numbers that JSON does not have are the texts "NaN", "Infinity" and "-Infinity". */
export function toJson(adapter: object, reports: readonly FileReport[]): string {
  const files = reports.map((report) => ({
    path: report.file.path,
    ...countOutcomes([report]),
    cases: report.cases.map(({ item, outcome }) => ({ id: item.id, op: item.op, note: item.note, ...outcome })),
  }));
  const finite = (_: string, value: unknown): unknown =>
    typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
  return `${JSON.stringify({ adapter, ...countOutcomes(reports), files }, finite, 2)}\n`;
}
