/** What a ladder of runs has shown: means over the seeds and how far they spread. */
import { buildModel } from "../config/model.ts";
import { RandomState } from "../nn/random_state.ts";
import { RUNGS } from "./ablation.ts";
import type { AblationRun, RunResult } from "./ablation.ts";
import { textTable } from "./text_table.ts";

/** Shares, 1 being all. */
export interface Statistic {
  /** Null where no seed has a value. */
  readonly mean: number | null;
  /** Sample standard deviation, with n - 1; null below two values. */
  readonly deviation: number | null;
  /** By seed, in the row's order. */
  readonly values: readonly (number | null)[];
}

export interface LadderRow {
  readonly host: string;
  readonly rung: string;
  readonly label: string;
  readonly parameters: number;
  /** Those that are finished. */
  readonly seeds: readonly number[];
  readonly meanIou: Statistic;
  /** Over the first rung, seed by seed; null there. */
  readonly gain: Statistic | null;
  readonly pixelAccuracy: Statistic;
  readonly meanAccuracy: Statistic;
  readonly iou: Readonly<Record<string, Statistic>>;
}

export interface LadderReport {
  readonly dataset: string;
  readonly trainSplit: string;
  readonly evalSplit: string;
  /** Of the evaluation; null as long as no run is finished. */
  readonly images: number | null;
  readonly preset: string;
  readonly epochs: number;
  readonly iterations: number | null;
  readonly batchSize: number;
  readonly adapters: readonly string[];
  readonly finishedRuns: number;
  readonly plannedRuns: number;
  readonly rows: readonly LadderRow[];
}

/** Mean and sample standard deviation of what is known. */
export function statistic(values: readonly (number | null)[]): Statistic {
  const known = values.filter((value) => value !== null);
  const sum = (terms: readonly number[]): number => terms.reduce((all, term) => all + term, 0);
  const mean = known.length > 0 ? sum(known) / known.length : null;
  const squares = known.map((value) => (value - mean!) ** 2);
  return { mean, deviation: known.length > 1 ? Math.sqrt(sum(squares) / (known.length - 1)) : null, values };
}

/**
 * @param runs all of a ladder
 * @param results of those that are finished
 */
export function ladderReport(
  runs: readonly AblationRun[],
  results: ReadonlyMap<AblationRun, RunResult>,
  classNames: readonly string[],
): LadderReport {
  const { data, name, train } = runs[0].config;
  const finished = [...results.values()];
  const hosts = [...new Set(runs.map(({ host }) => host))];
  return {
    dataset: data.dataset,
    trainSplit: data.trainSplit,
    evalSplit: data.evalSplit,
    images: finished[0]?.images ?? null,
    preset: name,
    epochs: train.epochs,
    iterations: finished[0]?.iterations ?? null,
    batchSize: train.batchSize,
    adapters: [...new Set(finished.map(({ adapter }) => adapter))],
    finishedRuns: finished.length,
    plannedRuns: runs.length,
    rows: hosts.flatMap((host) => {
      const ofHost = runs.filter((run) => run.host === host);
      return RUNGS.map((rung) => ladderRow(ofHost, rung.id, results, classNames));
    }),
  };
}

function ladderRow(
  ofHost: readonly AblationRun[],
  id: string,
  results: ReadonlyMap<AblationRun, RunResult>,
  classNames: readonly string[],
): LadderRow {
  const runs = ofHost.filter((run) => run.rung.id === id);
  const finished = runs.filter((run) => results.has(run));
  const scores = finished.map((run) => results.get(run)!.scores);
  const [{ host, rung, config }] = runs;
  const baseline = RUNGS[0].id;
  const gains = finished.map(({ seed }, i) => {
    const other = ofHost.find((run) => run.rung.id === baseline && run.seed === seed)!;
    return difference(scores[i].meanIou, results.get(other)?.scores.meanIou ?? null);
  });
  return {
    ...{ host, rung: id, label: rung.label },
    parameters: buildModel(config, classNames.length, new RandomState(0)).parameterCount(),
    seeds: finished.map(({ seed }) => seed),
    meanIou: statistic(scores.map(({ meanIou }) => meanIou)),
    gain: id === baseline ? null : statistic(gains),
    pixelAccuracy: statistic(scores.map(({ pixelAccuracy }) => pixelAccuracy)),
    meanAccuracy: statistic(scores.map(({ meanAccuracy }) => meanAccuracy)),
    iou: Object.fromEntries(classNames.map((name) => [name, statistic(scores.map(({ iou }) => iou[name]))])),
  };
}

const difference = (a: number | null, b: number | null): number | null => (a === null || b === null ? null : a - b);

const HEADINGS = ["host", "rung", "parameters", "seeds", "mIoU %", "gain", "pixel acc. %", "class acc. %"] as const;
/** Columns from here on are numbers. */
const FIRST_NUMBER = 2;

function cells({ rows }: LadderReport): string[][] {
  return rows.map((row) => [
    ...[row.host, row.label, String(row.parameters), row.seeds.join(",") || "-"],
    show(row.meanIou),
    row.gain ? show(row.gain, true) : "",
    ...[show(row.pixelAccuracy), show(row.meanAccuracy)],
  ]);
}

/** In percent: `30.12 ± 0.45`; the spread only where there is one. */
function show({ mean, deviation }: Statistic, isSigned = false): string {
  if (mean === null) return "-";
  const sign = isSigned && mean >= 0 ? "+" : "";
  return `${sign}${(100 * mean).toFixed(2)}${deviation === null ? "" : ` ± ${(100 * deviation).toFixed(2)}`}`;
}

/** What all numbers rest on, in one line each. */
function premises(report: LadderReport): string[] {
  const { dataset, trainSplit, evalSplit, images, preset, epochs, iterations, batchSize, adapters } = report;
  const { finishedRuns, plannedRuns } = report;
  return [
    `${dataset}: trained on ${trainSplit}, last checkpoint scored on ${evalSplit}` +
      (images ? ` (${images} images)` : ""),
    `preset ${preset}, ${epochs} epochs${iterations ? ` = ${iterations} iterations` : ""} of ${batchSize} images, ` +
      "the same for every rung",
    "mean ± sample standard deviation over the seeds; gain over the first rung, seed by seed",
    ...adapters,
    ...(finishedRuns < plannedRuns ? [`so far ${finishedRuns} of ${plannedRuns} runs`] : []),
  ];
}

/** The table for a terminal. */
export function ladderTable(report: LadderReport): string {
  return [...premises(report), "", textTable([HEADINGS, ...cells(report)], FIRST_NUMBER)].join("\n");
}

/** The table, and that of the classes, as Markdown. */
export function ladderMarkdown(report: LadderReport): string {
  const { rows } = report;
  const classNames = Object.keys(rows[0].iou);
  const table = (headings: readonly string[], body: readonly string[][]): string[] => [
    `| ${headings.join(" | ")} |`,
    `|${headings.map((_, i) => (i < FIRST_NUMBER ? " --- " : " ---: ")).join("|")}|`,
    ...body.map((row) => `| ${row.join(" | ")} |`),
  ];
  const ofClasses = rows.map((row) => [row.host, row.label, ...classNames.map((name) => show(row.iou[name]))]);
  return `${[
    ...premises(report).map((line) => `- ${line}`),
    "",
    ...table(HEADINGS, cells(report)),
    "",
    "IoU % by class:",
    "",
    ...table(["host", "rung", ...classNames], ofClasses),
  ].join("\n")}\n`;
}
