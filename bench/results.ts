/** The JSON of a run: what `--json` writes, and `--against` reads again. */
import { stat } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import type { AdapterReport } from "../src/device/capabilities.ts";
import { UserError } from "../src/errors.ts";
import { readFileBytes } from "../src/io/files.node.ts";
import type { LoaderRow } from "./loader.ts";
import type { Measured } from "./measured.ts";
import type { Peak } from "./peak.ts";
import type { Row } from "./report.ts";
import type { ScalingRow } from "./scaling.ts";
import type { StepRow } from "./step.ts";

export interface Adapter extends Omit<AdapterReport, "subgroupMinSize" | "subgroupMaxSize"> {
  /** Where shaders run on the CPU: which one, and on how many of its threads. */
  readonly processor?: string;
}

/** Lists of rows, all of which have the fields of `Measured`. */
export interface Sections {
  readonly rows: readonly Row[];
  readonly steps: readonly StepRow[];
  readonly scaling: readonly ScalingRow[];
  readonly loader: readonly LoaderRow[];
}

export interface Results extends Sections {
  readonly adapter: Adapter;
  readonly peak: Peak;
}

export const SECTIONS = ["rows", "steps", "scaling", "loader"] as const satisfies readonly (keyof Sections)[];

export function adapterOf(info: AdapterReport): Adapter {
  const { subgroupMinSize: _, subgroupMaxSize: __, ...adapter } = info;
  if (!info.isSoftware) return adapter;
  const threads = cpus();
  return { ...adapter, processor: `${threads.length} x ${threads[0]?.model ?? "unknown"}` };
}

/** What tells adapters apart: times on others do not compare. The version of the driver is not among it. */
export const IDENTITY = ["vendor", "architecture", "device", "processor"] as const satisfies readonly (keyof Adapter)[];

/**
 * Where the results go that `--json` asks for: into the file of that name or, where it names a folder (one that exists,
 * or with a slash at its end), into that of the adapter in there.
 */
export async function resultsPath(path: string, adapter: Adapter): Promise<string> {
  const isFolder = /[/\\]$/.test(path) || (await stat(path).catch(() => null))?.isDirectory();
  return isFolder ? join(path, `${adapterSlug(adapter)}.json`) : path;
}

/** The adapter's identity in small letters, digits and dashes. */
export function adapterSlug(adapter: Adapter): string {
  const named = adapter.device || adapter.description || `${adapter.vendor} ${adapter.architecture}`;
  const slug = `${named} ${adapter.processor ?? ""}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return slug.replace(/^-+|-+$/g, "") || "adapter";
}

/** Fractions to six digits, and every row on a line of its own. */
export function toJson({ adapter, peak, ...sections }: Results): string {
  const line = (value: unknown): string => JSON.stringify(value, (_, inner: unknown) => shorten(inner));
  const list = (name: keyof Sections): string => {
    const lines = sections[name].map((row) => `    ${line(row)}`);
    return lines.length === 0 ? "[]" : `[\n${lines.join(",\n")}\n  ]`;
  };
  const members = SECTIONS.map((name) => `  "${name}": ${list(name)}`);
  return `{\n${[`  "adapter": ${line(adapter)}`, `  "peak": ${line(peak)}`, ...members].join(",\n")}\n}\n`;
}

function shorten(value: unknown): unknown {
  return typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
}

/** @throws UserError for a file that cannot be read or is not of this kind */
export async function readResults(path: string): Promise<Results> {
  const text = Buffer.from(await readFileBytes(path, "results")).toString();
  const problem = `${path} is not what npm run bench -- --json writes`;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${problem}: ${(cause as Error).message}`, { cause });
  }
  const found = misfit(value);
  if (found !== null) throw new UserError(`${problem}: ${found}`);
  return value as Results;
}

/** What is not as `Results` has it, of what a comparison reads. */
function misfit(value: unknown): string | null {
  if (!isRecord(value)) return `expected an object, found ${JSON.stringify(value).slice(0, 40)}`;
  if (!isRecord(value.adapter) || typeof value.adapter.description !== "string") return "it has no adapter";
  if (!isRecord(value.peak) || !isPositive(value.peak.gflops) || !isPositive(value.peak.gbps)) return "it has no peak";
  for (const name of SECTIONS) {
    const rows = value[name];
    if (!Array.isArray(rows)) return `it has no list of ${name}`;
    const index = rows.findIndex((row) => !isMeasured(row));
    if (index >= 0) return `${name}[${index}] lacks name, op, pass, shape, minMs or samplesMs`;
  }
  return null;
}

function isMeasured(row: unknown): row is Measured {
  if (!isRecord(row) || !isRecord(row.shape)) return false;
  const isNamed = [row.name, row.op, row.pass].every((text) => typeof text === "string");
  return isNamed && isPositive(row.minMs) && Array.isArray(row.samplesMs) && row.samplesMs.every(isPositive);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isPositive = (value: unknown): value is number => typeof value === "number" && value > 0 && value < Infinity;
