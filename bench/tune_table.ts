/** From measurements to the table that the ops read. */
import { readTables } from "../src/ops/tuned.ts";
import type { Table, Tables } from "../src/ops/tuned.ts";
import { UserError } from "../src/errors.ts";
import { readFileBytes } from "../src/io/files.node.ts";
import type { Choice } from "../src/runtime/choice.ts";
import { noiseLimit } from "./against.ts";
import { gain } from "./tune_search.ts";
import type { Outcome, Trial } from "./tune_search.ts";

/** Winners by "KERNEL SHAPE"; classes of shapes in which the heuristics win are not among them. */
export type Winners = ReadonlyMap<string, Choice>;

/**
 * Of every class of shapes the choice with the best geometric mean over its rows, where that is beyond the noise, and no
 * row is slower by more than the noise.
 */
export function winners(outcomes: readonly Outcome[]): Winners {
  const found = new Map<string, Choice>();
  for (const key of new Set(outcomes.flatMap(({ keys }) => keys))) {
    const rows = outcomes.filter(({ keys }) => keys.includes(key));
    const byChoice = new Map<string, Trial[]>();
    for (const trial of rows.flatMap(({ trials }) => trials)) {
      if (`${trial.kernel} ${trial.shape}` !== key) continue;
      const text = JSON.stringify(trial.choice);
      byChoice.set(text, [...(byChoice.get(text) ?? []), trial]);
    }
    let best = 1;
    for (const trials of byChoice.values()) {
      const mean = geometricMean(trials.map(({ before, timing }) => gain(before, timing)));
      const limit = geometricMean(trials.map(({ before, timing }) => noiseLimit(before, timing)));
      const neverSlower = trials.every(({ before, timing }) => gain(timing, before) <= noiseLimit(before, timing));
      if (trials.length < rows.length || !neverSlower || mean <= Math.max(limit, best)) continue;
      best = mean;
      found.set(key, trials[0].choice);
    }
  }
  return found;
}

/** The tables with what was measured in the place of what they had for the same classes of shapes. */
export function merge(tables: Tables, family: string, measured: Iterable<string>, won: Winners): Tables {
  const table: Record<string, Record<string, Choice>> = structuredClone(tables[family] ?? {}) as never;
  for (const key of new Set(measured)) {
    const [kernel, shape] = splitKey(key);
    if (won.has(key)) (table[kernel] ??= {})[shape] = won.get(key)!;
    else delete table[kernel]?.[shape];
  }
  const filled: Table = Object.fromEntries(Object.entries(table).filter(([, shapes]) => Object.keys(shapes).length > 0));
  const { [family]: _, ...others } = tables;
  return Object.keys(filled).length > 0 ? { ...others, [family]: filled } : others;
}

/** In the order of the names, and every entry on a line of its own. */
export function tablesToJson(tables: Tables): string {
  const object = <T>(members: Readonly<Record<string, T>>, indent: string, show: (value: T) => string): string => {
    const names = Object.keys(members).sort();
    if (names.length === 0) return "{}";
    const lines = names.map((name) => `${indent}  ${JSON.stringify(name)}: ${show(members[name])}`);
    return `{\n${lines.join(",\n")}\n${indent}}`;
  };
  const show = (choice: Choice): string => JSON.stringify(choice);
  return `${object(tables, "", (table) => object(table, "  ", (shapes) => object(shapes, "    ", show)))}\n`;
}

/**
 * The tables of a file; none where there is no file yet.
 *
 * @throws UserError for a file that cannot be read, or holds something else
 */
export async function readTableFile(path: string): Promise<Tables> {
  let text: string;
  try {
    text = Buffer.from(await readFileBytes(path, "table of tile sizes")).toString();
  } catch (error) {
    if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return {};
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UserError(`${path} is not what npm run bench -- --tune writes: ${(cause as Error).message}`, { cause });
  }
  return readTables(value, path);
}

function splitKey(key: string): [kernel: string, shape: string] {
  const end = key.indexOf(" ");
  return [key.slice(0, end), key.slice(end + 1)];
}

export function geometricMean(ratios: readonly number[]): number {
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
}
