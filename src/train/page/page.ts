/** The report of one run, or of several beside each other: a page that needs nothing but itself. */
import { readFile } from "node:fs/promises";
import { duration } from "../progress.ts";
import { comparisonSections } from "./compare.ts";
import { details, escape, percent, show } from "./html.ts";
import type { Sample } from "./panels.ts";
import type { RunRecord } from "./record.ts";
import { runSections } from "./sections.ts";

/** Of a run that is still going on. */
export interface Liveness {
  readonly done: number;
  readonly total: number;
  /** NaN as long as it is not known. */
  readonly secondsLeft: number;
  /** Seconds until the page is written again, more or less. */
  readonly every: number;
}

/** @param live null where nothing will be added to the page */
export function runPage(run: RunRecord, samples: readonly Sample[], live: Liveness | null): Promise<string> {
  const tiles = Object.entries(summary(run)).map(([name, value]) => {
    return `<div><dt>${escape(name)}</dt><dd>${escape(value)}</dd></div>`;
  });
  const state = live ? liveness(live) : `<p class="status">${run.isFinished ? "finished" : "not finished"}</p>`;
  const head = `<p class="status">${escape(whatRan(run))}</p>${state}<dl class="tiles">${tiles.join("")}</dl>`;
  const config = details("Configuration", `<pre tabindex="0">${escape(JSON.stringify(run.config, null, 2))}</pre>`);
  return page(run.name, head, runSections(run, samples) + config);
}

export function comparisonPage(runs: readonly RunRecord[]): Promise<string> {
  const head = `<p class="status">${escape(runs.map(({ name }) => name).join(", "))}</p>`;
  return page(`${runs.length} runs compared`, head, comparisonSections(runs));
}

async function page(title: string, head: string, main: string): Promise<string> {
  const [style, script] = await Promise.all(
    ["style.css", "client.js"].map((name) => {
      return readFile(new URL(name, import.meta.url), "utf8");
    }),
  );
  const time = new Date().toISOString().slice(0, 19).replace("T", " ");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escape(title)}</title>
<link rel="icon" href="data:,">
<style>
${style}</style>
</head>
<body>
<header><a class="skip" href="#main">To the charts</a><h1>${escape(title)}</h1>${head}</header>
<main id="main">
${main}
</main>
<footer>Written by mcibi-webgpu, ${time} UTC. Charts and matrices take the arrow keys; their numbers are in tables below
them.</footer>
<script>
${script}</script>
</body>
</html>
`;
}

function whatRan({ config, adapter }: RunRecord): string {
  const data = config.data as Record<string, unknown> | undefined;
  const train = config.train as Record<string, unknown> | undefined;
  const parts = [`preset ${config.name}`, `${data?.dataset} ${data?.trainSplit}`, `seed ${train?.seed}`, adapter];
  return parts.filter((part) => part !== "").join(" · ");
}

function liveness({ done, total, secondsLeft, every }: Liveness): string {
  const eta = Number.isFinite(secondsLeft) ? `, ${duration(secondsLeft)} to go` : "";
  return (
    `<p><label for="progress">${done} of ${total} iterations${eta}</label>` +
    `<progress id="progress" value="${done}" max="${total}"></progress></p>` +
    `<p class="live status" data-written="${Date.now()}" data-every="${Math.ceil(every)}">` +
    '<label><input type="checkbox" checked> renews itself</label><span class="age"></span></p>'
  );
}

/** The numbers that people look for first. */
function summary({ series, seconds, epoch, epochs, iteration }: RunRecord): Record<string, string> {
  const values = (name: string): number[] => (series.get(name) ?? []).map(([, value]) => value);
  const last = (name: string): number => values(name).at(-1) ?? NaN;
  const ious = values("meanIou");
  const rates = values("imagesPerSecond").sort((a, b) => a - b);
  const all: Record<string, string> = {
    "mIoU, last": percent(last("meanIou")),
    "mIoU, best": percent(Math.max(...ious)),
    "pixel accuracy": percent(last("pixelAccuracy")),
    loss: show(last("losses.total")),
    epoch: epochs > 0 ? `${epoch} of ${epochs}` : String(epoch),
    iterations: iteration.toLocaleString("en"),
    time: duration(seconds),
    "images/s, median": show(rates[rates.length >> 1] ?? NaN),
    "GPU memory": megabytes(last("bytes")),
  };
  return Object.fromEntries(Object.entries(all).filter(([, text]) => text !== "-"));
}

export const megabytes = (bytes: number): string => (Number.isFinite(bytes) ? `${show(bytes / 2 ** 20)} MiB` : "-");
