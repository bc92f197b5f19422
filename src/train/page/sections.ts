/** What the report of a run shows, from top to bottom. */
import { lineChart, sparkline } from "./chart.ts";
import type { Line } from "./chart.ts";
import { heatmap } from "./heatmap.ts";
import { card, details, escape, percent, section, show, table } from "./html.ts";
import type { Sample } from "./panels.ts";
import type { RunRecord } from "./record.ts";

/** Largest confusions, most alike classes: how many are put into words. */
const LISTED = 12;
/** Classes up to which the whole confusion matrix is a table that somebody may read. */
const MOST_LISTED = 40;

export function runSections(run: RunRecord, samples: readonly Sample[]): string {
  return [
    section("Training", cards(training(run))),
    section("Scores", cards([...scores(run), perClass(run)])),
    section("Samples", sampleCards(run, samples), "Of the last evaluation. Truth in black does not count."),
    section("Confusion", confusion(run)),
    section("Memory", cards(memory(run)), MEMORY_NOTE),
    section("Throughput and memory", cards(machine(run))),
  ].join("\n");
}

const MEMORY_NOTE =
  "M holds one representation per class; how alike two are is their cosine. W is the distribution over classes by " +
  "which every pixel draws from M: its entropy is 0 where pixels draw from one class alone, 1 where from all alike.";

const cards = (charts: readonly string[]): string => {
  const shown = charts.filter((chart) => chart !== "");
  return shown.length === 0 ? "" : `<div class="cards">${shown.join("\n")}</div>`;
};

/** The lines of these series that there are. */
export function lines({ series }: RunRecord, names: Readonly<Record<string, string>>): Line[] {
  return Object.entries(names).map(([key, name]) => ({ name, points: series.get(key) ?? [] }));
}

const TOTAL = "losses.total";

function training(run: RunRecord): string[] {
  const terms = [...run.series.keys()].filter((name) => name.startsWith("losses.") && name !== TOTAL);
  const names = [TOTAL, ...terms].map((name) => [name, name.replace(/^losses\.(loss_)?(cls_)?/, "")]);
  return [
    lineChart({ title: "Loss terms, weighted", lines: lines(run, Object.fromEntries(names)) }),
    lineChart({ title: "Learning rate", lines: lines(run, { lr: "learning rate" }) }),
    lineChart({ title: "Memory momentum", lines: lines(run, { memoryMomentum: "momentum" }) }),
  ];
}

const SCORES = { meanIou: "mIoU", meanAccuracy: "class accuracy", pixelAccuracy: "pixel accuracy" } as const;

function scores(run: RunRecord): string[] {
  return [lineChart({ title: "Scores", lines: lines(run, SCORES), format: percent, atLeast: 0.1 })];
}

function perClass({ classNames, palette, series, iteration }: RunRecord): string {
  const rows = classNames.map((name, k) => {
    const points = series.get(`iou.${name}`) ?? [];
    const values = points.map(([, value]) => value);
    const best = values.length > 0 ? percent(Math.max(...values)) : "-";
    return [swatch(palette[k]) + escape(name), sparkline(points, iteration), percent(values.at(-1) ?? NaN), best];
  });
  if (!classNames.some((name) => series.has(`iou.${name}`))) return "";
  return `<div class="card classes">${table("IoU by class", ["class", "over time", "last", "best"], rows)}</div>`;
}

const swatch = (color: readonly number[] | undefined): string => {
  return color ? `<i style="background:rgb(${color.join(" ")})"></i>` : "";
};

function sampleCards({ classNames, palette }: RunRecord, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const shown = samples.map(({ name, parts }) => {
    const pictures = parts.map(({ name: part, url, width, height }) => {
      const alt = escape(`${part} of ${name}`);
      const picture = `<img src="${url}" width="${width}" height="${height}" alt="${alt}" loading="lazy">`;
      return `<figure>${picture}<figcaption>${escape(part)}</figcaption></figure>`;
    });
    return card(name, `<div class="parts">${pictures.join("")}</div>`);
  });
  const legend = classNames.map((name, k) => `<li>${swatch(palette[k])}${escape(name)}</li>`).join("");
  return `<div class="samples">${shown.join("\n")}</div><ul class="legend classes">${legend}</ul>`;
}

function confusion({ classNames, evaluation }: RunRecord): string {
  const count = classNames.length;
  if (!evaluation || evaluation.confusion.length !== count) return "";
  const { confusion: counts, split, epoch, images } = evaluation;
  const totals = counts.map((row) => row.reduce((sum, value) => sum + value, 0));
  const shares = counts.flatMap((row, k) => row.map((value) => value / totals[k]));
  const wrong = shares.map((share, i) => ({ share, label: Math.floor(i / count), prediction: i % count }));
  const largest = wrong.filter(({ share, label, prediction }) => share > 0 && label !== prediction);
  largest.sort((a, b) => b.share - a.share);
  const rows = largest.slice(0, LISTED).map(({ share, label, prediction }) => {
    const pixels = counts[label][prediction].toLocaleString("en");
    return [escape(classNames[label]), escape(classNames[prediction]), percent(share), pixels];
  });
  const columns = ["class", "taken for", "of its pixels", "pixels"];
  const words = `<div class="card">${table("The largest confusions", columns, rows)}</div>`;
  const cells = counts.map((row, k) => [escape(classNames[k]), ...row.map((value) => value.toLocaleString("en"))]);
  const all = table("Pixels by class (rows) and prediction", ["", ...classNames], cells);
  const whole = count <= MOST_LISTED ? details("All pixels", all) : "";
  const matrix = heatmap({
    ...{ title: `Confusion: ${images} images of ${split}, epoch ${epoch}`, classNames, words: whole },
    frames: [{ name: `epoch ${epoch}`, values: shares }],
    kind: "share",
    sentence: "{row} taken for {column}: {value} % of its pixels",
    axes: ["class", "prediction"],
  });
  return cards([matrix, words]);
}

function memory(run: RunRecord): string[] {
  const { classNames, snapshots, series } = run;
  const bits = (series.get("weightEntropy") ?? []).map(
    ([at, nats]) => [at, nats / Math.log(classNames.length)] as const,
  );
  const means = snapshots.map(({ iteration, cosine }) => {
    const others = cosine.filter((value, i) => i % (classNames.length + 1) !== 0 && !Number.isNaN(value));
    return [iteration, others.reduce((sum, value) => sum + value, 0) / others.length] as const;
  });
  return [
    heatmap({
      ...{ title: "Cosines between the classes of M", classNames, words: alike(run) },
      frames: snapshots.map(({ epoch, cosine }) => ({ name: `epoch ${epoch}`, values: cosine })),
      kind: "cosine",
      sentence: "{row} and {column}: cosine {value}",
    }),
    lineChart({
      title: "Mean cosine between different classes",
      lines: [{ name: "mean cosine", points: means.filter(([, value]) => !Number.isNaN(value)) }],
    }),
    lineChart({
      title: "Entropy of W, relative to the largest",
      lines: [{ name: "entropy", points: bits }],
      atLeast: 0.1,
    }),
  ];
}

function alike({ classNames, snapshots }: RunRecord): string {
  const last = snapshots.at(-1);
  if (!last) return "";
  const pairs = last.cosine.flatMap((value, i) => {
    const [a, b] = [Math.floor(i / classNames.length), i % classNames.length];
    return a < b && !Number.isNaN(value) ? [{ value, a, b }] : [];
  });
  pairs.sort((x, y) => y.value - x.value);
  const rows = pairs.slice(0, LISTED).map(({ value, a, b }) => {
    return [escape(classNames[a]), escape(classNames[b]), value.toFixed(2)];
  });
  return details("The most alike", table(`Epoch ${last.epoch}`, ["class", "and", "cosine"], rows));
}

function machine(run: RunRecord): string[] {
  const memoryLines = lines(run, { bytes: "held" }).map(({ name, points }) => {
    return { name, points: points.map(([at, value]) => [at, value / 2 ** 20] as const) };
  });
  return [
    lineChart({ title: "Throughput, images/s", lines: lines(run, { imagesPerSecond: "images/s" }) }),
    lineChart({ title: "GPU memory, MiB", lines: memoryLines, format: (mebibytes) => show(mebibytes) }),
  ];
}
