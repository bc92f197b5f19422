/**
 * State dicts: PyTorch's names, shapes and element types. This is the one place that converts between them and what is
 * in memory: convolution weights OIHW <-> HWIO, counters int64 <-> numbers.
 */
import { UserError } from "../errors.ts";
import { showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { readTensors } from "./readback.ts";
import { Variable } from "./variable.ts";
import type { Counter, Layout } from "./variable.ts";

/** One entry: row-major, a scalar has shape []. What io/safetensors reads and writes. */
export interface StateTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;
}

/** Tensors by name. */
export type StateDict = ReadonlyMap<string, StateTensor>;
export type StateEntries = ReadonlyMap<string, Variable | Counter>;

/** How much of a state dict has to fit. */
export interface LoadOptions {
  /** Missing and unexpected names are errors. Default true. Wrong shapes always are. */
  readonly strict?: boolean;
  /** Names starting with one of these keep their present values, as classifiers of another dataset have to. */
  readonly reinitialize?: readonly string[];
  /** After so many names of a kind an error sums up the others by their prefixes. Default 20. */
  readonly mostListed?: number;
}

/** Names on one side only: of the module, of the dict. */
export interface LoadReport {
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
}

/** Shapes in PyTorch's order by name. */
export function stateShapes(entries: StateEntries): Map<string, Shape> {
  return new Map([...entries].map(([name, entry]) => [name, shapeOf(entry)]));
}

/** The values as the commands recorded so far leave them. */
export async function readState(entries: StateEntries): Promise<Map<string, StateTensor>> {
  const variables = [...entries.values()].filter((entry) => entry instanceof Variable);
  const distinct = [...new Set(variables)];
  const values = await readTensors(distinct.map((variable) => variable.tensor));
  const read = new Map(distinct.map((variable, i) => [variable, values[i]]));
  const dict = new Map<string, StateTensor>();
  for (const [name, entry] of entries) {
    const isVariable = entry instanceof Variable;
    const data = isVariable
      ? toTorch(read.get(entry)!, entry.shape, entry.layout)
      : BigInt64Array.of(BigInt(entry.value));
    dict.set(name, { shape: shapeOf(entry), data });
  }
  return dict;
}

/**
 * Writes a dict's values; changes nothing where it throws. Counters may be missing, as in state dicts of PyTorch before
 * 0.4.1 or those that somebody dropped them from: they begin at 0 then.
 *
 * @throws UserError listing missing, unexpected and wrongly shaped names
 */
export function loadState(entries: StateEntries, dict: StateDict, options: LoadOptions = {}): LoadReport {
  const { strict = true, reinitialize = [], mostListed = MOST_LISTED } = options;
  const skipped = (name: string): boolean => reinitialize.some((prefix) => name.startsWith(prefix));
  const wanted = [...entries].filter(([name]) => !skipped(name));
  const needed = wanted.filter(([, entry]) => entry instanceof Variable);
  const missing = needed.map(([name]) => name).filter((name) => !dict.has(name));
  const unexpected = [...dict.keys()].filter((name) => !entries.has(name) && !skipped(name));
  const mismatched = wanted.flatMap(([name, entry]) => {
    const found = dict.get(name);
    const shape = shapeOf(entry);
    if (!found || (found.shape.length === shape.length && found.shape.every((n, i) => n === shape[i]))) return [];
    return [`${name} has shape ${showShape(found.shape)}, expected ${showShape(shape)}`];
  });
  if (mismatched.length > 0 || (strict && missing.length + unexpected.length > 0)) {
    const kinds = { missing, unexpected, "of another shape": mismatched };
    const lists = Object.entries(kinds).map(([kind, names]) => list(kind, names, mostListed));
    throw new UserError(["The state does not fit the model.", ...lists.flat()].join("\n"));
  }
  for (const [name, entry] of wanted) {
    const data = dict.get(name)?.data;
    if (!data && (!strict || entry instanceof Variable)) continue;
    if (entry instanceof Variable) entry.assign(fromTorch(toFloats(data!), entry.shape, entry.layout));
    else entry.value = Number(data?.[0] ?? 0);
  }
  return { missing, unexpected };
}

const toFloats = (data: StateTensor["data"]): Float32Array =>
  data instanceof Float32Array ? data : Float32Array.from(data, Number);

const MOST_LISTED = 20;
const MOST_GROUPS = 12;

/** A heading and the names: the first ones in full, the others by prefixes of up to three parts that they share. */
function list(kind: string, names: readonly string[], most: number): string[] {
  if (names.length === 0) return [];
  const lines = [...names.slice(0, most), ...groups(names.slice(most))];
  return [`${names.length} ${kind}:`, ...lines.map((line) => `  ${line}`)];
}

function groups(names: readonly string[]): string[] {
  const byDepth = [3, 2, 1].map((depth) => {
    const counts = new Map<string, number>();
    for (const name of names) {
      const [path] = name.split(" ");
      const prefix = path.split(".").slice(0, depth).join(".");
      counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
    }
    return counts;
  });
  const counts = byDepth.find(({ size }) => size <= MOST_GROUPS) ?? byDepth[2];
  const lines = [...counts].map(([prefix, count]) => `${prefix}.* (${count} more)`);
  const rest = lines.length - MOST_GROUPS;
  return rest > 0 ? [...lines.slice(0, MOST_GROUPS), `and ${rest} more groups`] : lines;
}

function shapeOf(entry: Variable | Counter): Shape {
  if (!(entry instanceof Variable)) return [];
  if (entry.layout === "plain") return entry.shape;
  const [kh, kw, i, o] = entry.shape;
  return [o, i, kh, kw];
}

/** Values of a variable in PyTorch's order; `shape` is the one in memory. Also right for gradients and momentum. */
export function toTorch(values: Float32Array, shape: Shape, layout: Layout): Float32Array {
  if (layout === "plain") return values;
  const out = new Float32Array(values.length);
  forEachWeight(shape, (hwio, oihw) => (out[oihw] = values[hwio]));
  return out;
}

/** The inverse of `toTorch`. */
export function fromTorch(values: Float32Array, shape: Shape, layout: Layout): Float32Array {
  if (layout === "plain") return values;
  const out = new Float32Array(values.length);
  forEachWeight(shape, (hwio, oihw) => (out[hwio] = values[oihw]));
  return out;
}

/** Calls back with both indices of every weight of a convolution with the HWIO `shape`. */
function forEachWeight([kh, kw, inputs, outputs]: Shape, visit: (hwio: number, oihw: number) => void): void {
  let hwio = 0;
  for (let tap = 0; tap < kh * kw; tap++) {
    for (let i = 0; i < inputs; i++) {
      for (let o = 0; o < outputs; o++) visit(hwio++, (o * inputs + i) * kh * kw + tap);
    }
  }
}
