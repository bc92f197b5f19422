/**
 * Tables of measured choices by adapter family. `tuned.json`, which `npm run bench -- --tune` writes, comes with the ops:
 *
 *     { FAMILY: { KERNEL: { SHAPE: { "kernel": KERNEL or KERNEL_VARIANT, "tune": { CONSTANT: value } } } } }
 */
import { manifest } from "../../kernels/manifest.ts";
import { UserError } from "../errors.ts";
import type { Choice, Tuned } from "../runtime/choice.ts";
import type { TuneInfo } from "../runtime/parse.ts";
import checkedIn from "./tuned.json" with { type: "json" };

/** Choices by kernel and class of shapes. */
export type Table = Readonly<Record<string, Readonly<Record<string, Choice>>>>;
/** Tables by adapter family. */
export type Tables = Readonly<Record<string, Table>>;

const loaded = new Map<string, Tuned>();

/**
 * What comes with the ops for a family of adapters.
 *
 * @throws UserError as `readTables`
 */
export function tunedFor(family: string): Tuned {
  let tuned = loaded.get(family);
  if (!tuned) loaded.set(family, (tuned = tunedFrom(readTables(checkedIn, "src/ops/tuned.json"), family)));
  return tuned;
}

export function tunedFrom(tables: Tables, family: string): Tuned {
  const table = tables[family] ?? {};
  return { get: (kernel, shape) => table[kernel]?.[shape] };
}

/**
 * Parsed JSON as tables, all entries of which today's kernels have.
 *
 * @param source what it was read from, for the error
 * @throws UserError naming every entry that is malformed or stale: of a kernel, variant, constant or value that is gone
 */
export function readTables(json: unknown, source: string): Tables {
  const problems: string[] = [];
  const members = (value: unknown, ...path: readonly string[]): [string, unknown][] => {
    if (isRecord(value)) return Object.entries(value);
    problems.push(`${[...path].join(" ")}: expected an object, found ${JSON.stringify(value)?.slice(0, 40)}`);
    return [];
  };
  for (const [family, table] of members(json, "the file")) {
    for (const [kernel, shapes] of members(table, family)) {
      for (const [shape, choice] of members(shapes, family, kernel)) {
        const problem = misfit(kernel, choice);
        if (problem !== null) problems.push(`${family} ${kernel} ${shape}: ${problem}`);
      }
    }
  }
  if (problems.length === 0) return json as Tables;
  throw new UserError(
    `${source}: ${problems.length} entries do not fit the kernels; remove them or measure anew with ` +
      `npm run bench -- --tune:\n  ${problems.join("\n  ")}`,
  );
}

/** What is wrong with an entry. */
function misfit(kernel: string, choice: unknown): string | null {
  if (!TUNE.has(kernel)) return `there is no kernels/${kernel}.wgsl`;
  if (!isRecord(choice) || typeof choice.kernel !== "string" || !isRecord(choice.tune)) {
    return `expected {"kernel": NAME, "tune": {CONSTANT: value}}, found ${JSON.stringify(choice).slice(0, 60)}`;
  }
  const files = alternatives(kernel);
  if (!files.includes(choice.kernel)) return `${choice.kernel} is none of ${files.join(", ")}`;
  const offered = TUNE.get(choice.kernel)!;
  const unknown = Object.keys(choice.tune).find((id) => !offered[id]);
  if (unknown !== undefined) return `${choice.kernel} has no @tune constant ${unknown}`;
  for (const [id, { choices }] of Object.entries(offered)) {
    const value = choice.tune[id];
    if (!choices.includes(value as number)) return `${id} is ${value}; ${choice.kernel} offers ${choices.join(", ")}`;
  }
  return null;
}

/** `@tune` constants by kernel file. */
const TUNE: ReadonlyMap<string, Readonly<Record<string, TuneInfo>>> = new Map(
  Object.values(manifest).map(({ file, tune }) => [file, tune]),
);

/** A kernel and its variants, whose files add one word to its name. */
function alternatives(kernel: string): string[] {
  return [...TUNE.keys()].filter((file) => file === kernel || file.replace(/_[^_]+$/, "") === kernel);
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
