/** Results as text for people and as JSON for programs. */
import { scores } from "./metrics.ts";
import type { Confusion, Scores } from "./metrics.ts";
import { duration } from "./progress.ts";
import type { ProgressLine, ProgressState } from "./progress.ts";
import type { Profile, ProfileRow } from "../runtime/profile.ts";
import type { Iteration } from "./trainer.ts";

/** What a progress line shows besides the iteration itself; NaN where it is not known yet. */
export interface RunStatus {
  readonly epoch: number;
  readonly epochs: number;
  /** Of the whole run. */
  readonly iterations: number;
  readonly imagesPerSecond: number;
  /** GPU memory held. */
  readonly bytes: number;
  readonly secondsLeft: number;
}

/** `epoch 1/8 | step 12/160 | ETA 2:30 | loss 2.1 (stage2 1.3, ...) | lr 0.02 | 7.9 images/s | 210 MiB`. */
export function iterationLine({ iteration, lr, losses }: Iteration, status: RunStatus): string {
  const { epoch, epochs, iterations, imagesPerSecond, bytes, secondsLeft } = status;
  const terms = [...losses].filter(([name]) => name !== "total");
  const shown = terms.map(([name, value]) => `${name.replace(/^loss_(cls_)?/, "")} ${value.toFixed(3)}`);
  const known = (value: number, text: string): string => (Number.isFinite(value) ? text : "...");
  return [
    `epoch ${epoch}/${epochs}`,
    `step ${iteration}/${iterations}`,
    `ETA ${known(secondsLeft, duration(secondsLeft))}`,
    `loss ${losses.get("total")!.toFixed(3)} (${shown.join(", ")})`,
    `lr ${lr.toPrecision(3)}`,
    known(imagesPerSecond, `${imagesPerSecond.toPrecision(3)} images/s`),
    `${(bytes / 2 ** 20).toFixed(0)} MiB`,
  ].join(" | ");
}

/** The same for programs. */
export function iterationState({ iteration, losses, ...schedule }: Iteration, status: RunStatus): ProgressState {
  const { iterations: total, ...rest } = status;
  return { task: "training", done: iteration, total, ...rest, ...schedule, losses: Object.fromEntries(losses) };
}

const PROFILE_ROWS = 40;

/** GPU time by kernel, most expensive first. */
export function profileTable(rows: readonly ProfileRow[]): string {
  const total = rows.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const line = (kernel: string, calls: string, time: string, share: string): string =>
    `${kernel.padEnd(44)}${calls.padStart(8)}${time.padStart(12)}${share.padStart(8)}`;
  const show = ({ kernel, calls, milliseconds }: ProfileRow): string =>
    line(kernel, String(calls), milliseconds.toFixed(1), percent(milliseconds / total));
  const rest = rows.slice(PROFILE_ROWS);
  const sum = (pick: (row: ProfileRow) => number): number => rest.reduce((all, row) => all + pick(row), 0);
  const [calls, milliseconds] = [sum((row) => row.calls), sum((row) => row.milliseconds)];
  return [
    line("kernel", "calls", "GPU ms", "%"),
    ...rows.slice(0, PROFILE_ROWS).map(show),
    ...(rest.length > 0 ? [show({ kernel: `${rest.length} others`, calls, milliseconds })] : []),
    line("total", "", total.toFixed(1), ""),
  ].join("\n");
}

/** Puts out what a profile has measured so far. */
export async function printProfile(output: ProgressLine, profile: Profile): Promise<void> {
  const rows = await profile.rows();
  output.print(`\n${profileTable(rows)}`, { profile: rows });
}

const COLUMNS = ["IoU", "dice", "precision", "recall", "pixels"] as const;

/** The per-class table, in percent; the recall is the class accuracy. A dash where there is nothing to judge by. */
export function scoreTable(classNames: readonly string[], confusion: Confusion): string {
  const s = scores(confusion);
  const pixels = s.labelled.reduce((sum, count) => sum + count, 0);
  const row = (name: string, values: readonly number[]): string[] => [name, ...values.map(percent)];
  const rows = [
    ["class", ...COLUMNS],
    ...classNames.map((name, k) => {
      return row(name, [s.iou[k], s.dice[k], s.precision[k], s.recall[k], s.labelled[k] / pixels]);
    }),
    row("mean", [s.meanIou, s.meanDice, s.meanPrecision, s.meanAccuracy, 1]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const lines = rows.map((cells) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i] + 2))).join(""),
  );
  const rule = "-".repeat(lines[0].length);
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines[lines.length - 1]].join("\n");
}

/** One line for a log. */
export function scoreLine(s: Scores): string {
  const parts = [`mIoU ${percent(s.meanIou)} %`, `pixel accuracy ${percent(s.pixelAccuracy)} %`];
  return [...parts, `class accuracy ${percent(s.meanAccuracy)} %`].join(", ");
}

/** Scores as JSON holds them: null where a number is undefined, class values by name. */
export function scoreJson(classNames: readonly string[], s: Scores): Record<string, unknown> {
  const byName = (values: Float64Array): Record<string, number | null> =>
    Object.fromEntries(classNames.map((name, k) => [name, Number.isNaN(values[k]) ? null : values[k]]));
  return {
    meanIou: s.meanIou,
    pixelAccuracy: s.pixelAccuracy,
    meanAccuracy: s.meanAccuracy,
    meanPrecision: s.meanPrecision,
    meanFscore: s.meanFscore,
    meanDice: s.meanDice,
    ...{ iou: byName(s.iou), accuracy: byName(s.accuracy), precision: byName(s.precision) },
    ...{ recall: byName(s.recall), fscore: byName(s.fscore), dice: byName(s.dice) },
  };
}

export function percent(share: number): string {
  return Number.isNaN(share) ? "-" : (100 * share).toFixed(2);
}
