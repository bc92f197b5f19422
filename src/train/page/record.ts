/** What a run folder tells about its run, whichever version wrote it, and however far it got. */
import { readdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { datasetLayout } from "../../data/open.ts";
import type { Rgb } from "../../data/dataset.ts";
import { UserError } from "../../errors.ts";
import { readFileBytes } from "../../io/files.node.ts";

/** A place in a run, and a value there. */
export type Point = readonly [iteration: number, value: number];

export interface MemorySnapshot {
  readonly iteration: number;
  readonly epoch: number;
  /** [K, K], row-major: cosines between the classes' rows of M; NaN with a class that has none yet. */
  readonly cosine: readonly number[];
}

export interface LastEvaluation {
  readonly epoch: number;
  readonly split: string;
  readonly images: number;
  /** Pixels by [label][prediction]. */
  readonly confusion: readonly (readonly number[])[];
}

/** A picture of an evaluation: parts side by side, `gap` pixels between them. */
export interface PanelFile {
  readonly name: string;
  readonly path: string;
  readonly parts: readonly string[];
}

export interface RunRecord {
  readonly name: string;
  /** Contents of config.json's `config`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly adapter: string;
  readonly classNames: readonly string[];
  readonly palette: readonly Rgb[];
  readonly epochs: number;
  /** Last iteration and epoch that metrics.jsonl knows of. */
  readonly iteration: number;
  readonly epoch: number;
  readonly isFinished: boolean;
  /** Seconds, summed over the sessions of a run that was stopped and resumed. */
  readonly seconds: number;
  /** By name; the loss terms as `losses.NAME`, a class's IoU as `iou.NAME`. */
  readonly series: ReadonlyMap<string, readonly Point[]>;
  readonly snapshots: readonly MemorySnapshot[];
  /** Null before the first one, and for runs that did not record it. */
  readonly evaluation: LastEvaluation | null;
  readonly panels: readonly PanelFile[];
}

/** The parts of panels from before they were recorded. */
const FIRST_PARTS = ["image", "truth", "prediction"] as const;

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a run folder. Lines of metrics.jsonl that are damaged, and files that later versions added, may be missing.
 *
 * @throws UserError when the folder holds no run, or a file in it is not what it should be
 */
export async function readRun(folder: string): Promise<RunRecord> {
  const { config, adapter } = (await readJson(folder, "config.json")) ?? {};
  if (!isObject(config)) {
    throw new UserError(`${folder} is not the folder of a run: it has no config.json with a configuration`);
  }
  const [metrics, result, latest] = await Promise.all([
    readMetrics(folder),
    readJson(folder, "result.json"),
    readJson(folder, "evaluation.json"),
  ]);
  const evaluation = evaluationOf(latest);
  const { classNames, palette } = classesOf(config, metrics, latest, result);
  const last = metrics.at(-1);
  const series = seriesOf(metrics);
  const { scores } = result ?? {};
  // Runs that did not record classes at every evaluation have their final scores.
  if (!metrics.some(({ iou }) => isObject(iou)) && isObject(scores) && isObject(scores.iou)) {
    addNumbers(series, "iou", numberOf(last?.iteration), scores.iou);
  }
  return {
    ...{ name: basename(resolve(folder)), config, adapter: typeof adapter === "string" ? adapter : "" },
    ...{ classNames, palette, epochs: numberOf(isObject(config.train) ? config.train.epochs : 0) },
    ...{ iteration: numberOf(last?.iteration), epoch: numberOf(last?.epoch), isFinished: result !== null },
    ...{ seconds: secondsOf(metrics), series, snapshots: snapshotsOf(metrics, classNames.length) },
    ...{ evaluation, panels: await panelsOf(folder, latest) },
  };
}

async function readMetrics(folder: string): Promise<Json[]> {
  const bytes = await readFileBytes(join(folder, "metrics.jsonl"), "metrics").catch(() => new Uint8Array(0));
  return new TextDecoder()
    .decode(bytes)
    .split("\n")
    .flatMap((line) => {
      try {
        const value: unknown = JSON.parse(line);
        return isObject(value) && Number.isFinite(value.iteration) ? [value] : [];
      } catch {
        return []; // the line that a crash cut short
      }
    });
}

async function readJson(folder: string, name: string): Promise<Json | null> {
  const path = join(folder, name);
  const bytes = await readFileBytes(path, name).catch(() => null);
  if (!bytes) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (isObject(value)) return value;
  } catch {} // said below
  throw new UserError(`${path} is damaged: it holds no JSON object`);
}

function seriesOf(metrics: readonly Json[]): Map<string, Point[]> {
  const series = new Map<string, Point[]>();
  for (const { kind, iteration, epoch, iterations, seconds, ...values } of metrics) {
    if (kind === "memory") continue;
    for (const [name, value] of Object.entries(values)) addNumbers(series, name, iteration as number, value);
  }
  return series;
}

function addNumbers(series: Map<string, Point[]>, name: string, iteration: number, value: unknown): void {
  if (isObject(value)) {
    for (const [key, each] of Object.entries(value)) addNumbers(series, `${name}.${key}`, iteration, each);
  } else if (typeof value === "number" && Number.isFinite(value)) {
    const points = series.get(name) ?? [];
    points.push([iteration, value]);
    series.set(name, points);
  }
}

/** The clock starts anew with every session. */
function secondsOf(metrics: readonly Json[]): number {
  const times = metrics.map(({ seconds }) => numberOf(seconds)).filter((seconds) => seconds > 0);
  return times.reduce(
    (sum, seconds, i) => sum + (i > 0 && seconds < times[i - 1] ? times[i - 1] : 0),
    times.at(-1) ?? 0,
  );
}

/** From the upper triangles that are recorded. */
function snapshotsOf(metrics: readonly Json[], classes: number): MemorySnapshot[] {
  const pairs = (classes * (classes - 1)) / 2;
  return metrics.flatMap(({ kind, iteration, epoch, cosine }) => {
    if (kind !== "memory" || !Array.isArray(cosine) || cosine.length !== pairs) return [];
    const full = new Array<number>(classes * classes).fill(1);
    let at = 0;
    for (let a = 0; a < classes; a++) {
      for (let b = a + 1; b < classes; b++) {
        const value = cosine[at++] as number | null;
        full[a * classes + b] = full[b * classes + a] = value ?? NaN;
      }
    }
    return [{ iteration: numberOf(iteration), epoch: numberOf(epoch), cosine: full }];
  });
}

function evaluationOf(latest: Json | null): LastEvaluation | null {
  if (!latest || !Array.isArray(latest.confusion)) return null;
  const { epoch, split, images, confusion } = latest;
  return { epoch: numberOf(epoch), split: String(split), images: numberOf(images), confusion: confusion as number[][] };
}

async function panelsOf(folder: string, latest: Json | null): Promise<PanelFile[]> {
  const place = join(folder, "panels");
  const panels = isObject(latest?.panels) ? latest.panels : null;
  const parts = Array.isArray(panels?.parts) ? panels.parts.map(String) : FIRST_PARTS;
  const found = (await readdir(place).catch(() => [])).filter((name) => name.endsWith(".png")).sort();
  // An evaluation may show other images than the one before.
  const shown = Array.isArray(panels?.names) ? panels.names.map((name) => `${name}.png`) : found;
  return shown
    .filter((name) => found.includes(name))
    .map((name) => {
      return { name: name.slice(0, -".png".length), path: join(place, name), parts };
    });
}

/** As the run recorded them, else as the dataset is known by now. */
function classesOf(config: Json, metrics: readonly Json[], ...files: (Json | null)[]) {
  const data = isObject(config.data) ? config.data : {};
  let spec: { classNames: readonly string[]; palette: readonly Rgb[] } = { classNames: [], palette: [] };
  try {
    spec = datasetLayout(String(data.dataset)).spec;
  } catch (error) {
    if (!(error instanceof UserError)) throw error; // a dataset that is not known here
  }
  const tables = [...metrics.map(({ iou }) => iou), ...files.map((file) => isObject(file?.scores) && file.scores.iou)];
  const iou = tables.find(isObject);
  return { classNames: iou ? Object.keys(iou) : spec.classNames, palette: spec.palette };
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const numberOf = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
