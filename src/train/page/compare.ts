/** What a page shows of several runs. */
import { lineChart } from "./chart.ts";
import { escape, percent, section, show, table } from "./html.ts";
import { duration } from "../progress.ts";
import type { RunRecord } from "./record.ts";

export function comparisonSections(runs: readonly RunRecord[]): string {
  const chart = (title: string, key: string, format?: (value: number) => string): string => {
    const lines = runs.map(({ name, series }) => ({ name, points: series.get(key) ?? [] }));
    return lineChart({ title, lines, format });
  };
  const charts = [
    chart("mIoU", "meanIou", percent),
    chart("Loss", "losses.total"),
    chart("Pixel accuracy", "pixelAccuracy", percent),
    chart("Entropy of W, nats", "weightEntropy"),
    chart("Learning rate", "lr"),
    chart("Throughput, images/s", "imagesPerSecond"),
  ].filter((shown) => shown !== "");
  return [
    section("Results", card(results(runs))),
    section("Over time", charts.length > 0 ? `<div class="cards">${charts.join("\n")}</div>` : ""),
    section("IoU by class", card(perClass(runs)), "Of the last evaluation; the best run of each class is marked."),
    section("Configuration", card(differences(runs))),
  ].join("\n");
}

const card = (content: string): string => content && `<div class="card">${content}</div>`;

const last = ({ series }: RunRecord, name: string): number => series.get(name)?.at(-1)?.[1] ?? NaN;

function results(runs: readonly RunRecord[]): string {
  const columns = ["run", "mIoU", "best", "pixel accuracy", "loss", "epochs", "iterations", "time", "images/s"];
  const rows = runs.map((run) => {
    const best = Math.max(...(run.series.get("meanIou") ?? []).map(([, value]) => value));
    return [
      escape(run.name),
      ...[percent(last(run, "meanIou")), percent(best), percent(last(run, "pixelAccuracy"))],
      ...[show(last(run, "losses.total")), `${run.epoch} of ${run.epochs}${run.isFinished ? "" : ", not finished"}`],
      ...[run.iteration.toLocaleString("en"), duration(run.seconds), show(last(run, "imagesPerSecond"))],
    ];
  });
  return table("Results", columns, rows);
}

function perClass(runs: readonly RunRecord[]): string {
  const names = [...new Set(runs.flatMap(({ classNames }) => classNames))];
  const rows = names.flatMap((name) => {
    const values = runs.map((run) => last(run, `iou.${name}`));
    const known = values.filter((value) => !Number.isNaN(value));
    if (known.length === 0) return [];
    const cells = values.map((value) => {
      return value === Math.max(...known) && known.length > 1 ? `<b>${percent(value)}</b>` : percent(value);
    });
    return [[escape(name), ...cells]];
  });
  return rows.length === 0 ? "" : table("IoU by class", ["class", ...runs.map(({ name }) => name)], rows);
}

/** Fields in which the runs are not all alike. */
function differences(runs: readonly RunRecord[]): string {
  const all = runs.map(({ config, adapter }) => fields({ ...config, adapter }));
  const names = [...new Set(all.flatMap((each) => [...each.keys()]))];
  const rows = names.flatMap((name) => {
    const values = all.map((each) => each.get(name) ?? "-");
    return new Set(values).size === 1 ? [] : [[escape(name), ...values.map(escape)]];
  });
  if (rows.length === 0) return "<p>The same in all of them.</p>";
  return table("What differs", ["field", ...runs.map(({ name }) => name)], rows);
}

function fields(value: object, prefix = ""): Map<string, string> {
  const entries = Object.entries(value).flatMap(([name, field]: [string, unknown]) => {
    const isGroup = typeof field === "object" && field !== null && !Array.isArray(field);
    if (isGroup) return [...fields(field, `${prefix}${name}.`)];
    return [[`${prefix}${name}`, typeof field === "string" ? field : JSON.stringify(field)] as const];
  });
  return new Map(entries);
}
