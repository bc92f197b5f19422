/** Fixture files: results of PyTorch and of the official code, as safetensors with a list of cases in the metadata. */
import { SafetensorsError, parseSafetensors } from "../io/safetensors.ts";
import type { HostArray } from "./layout.ts";

/** Accepted is |got - want| <= atol + rtol·|want|; `error` is what PyTorch itself is off by in float32. */
export type Tolerance = readonly [rtol: number, atol: number, error: number];

export type Params = Readonly<Record<string, unknown>>;

export interface FixtureCase {
  /** Empty where a file is one case and its tensor names have no prefix. */
  readonly id: string;
  readonly op: string;
  readonly params: Params;
  /** Names of the tensors that go in. */
  readonly inputs: readonly string[];
  /** What has to come out, by name. */
  readonly expected: ReadonlyMap<string, Tolerance>;
  /** PyTorch's error for these inputs, with its Python type in front; then nothing comes out. */
  readonly expectedError: string | null;
  readonly note: string;
  readonly file: FixtureFile;
  /** A tensor of this case. Throws a SafetensorsError naming it where the file has none. */
  tensor(name: string): HostArray;
}

export interface FixtureFile {
  /** Below the folder that was given, with "/" between names and without extension. */
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly cases: readonly FixtureCase[];
}

/**
 * @param path what to call the file
 * @throws SafetensorsError when the bytes are no safetensors file, or its cases are not as they should be
 */
export function parseFixture(bytes: Uint8Array, path: string): FixtureFile {
  const { metadata, tensors } = parseSafetensors(bytes, path);
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${path}: ${problem}`);
  };
  const tensor = (key: string): HostArray => {
    const found = tensors.get(key) ?? fail(`there is no tensor "${key}", although a case names it`);
    if (found.dtype === "F32" || found.dtype === "I32") {
      return { shape: found.shape, data: found.data as Float32Array | Int32Array };
    }
    return fail(`tensor "${key}" is ${found.dtype}; fixtures hold F32 and I32`);
  };
  const cases: FixtureCase[] = [];
  const file: FixtureFile = { path, metadata, cases };
  for (const [i, entry] of caseList(metadata.cases, fail).entries()) {
    const { id, op, params = {}, inputs = [], expected = {}, note, expected_error: error } = entry;
    if (typeof id !== "string" || typeof op !== "string" || !isObject(params) || !isNames(inputs)) {
      fail(`case number ${i} of the metadata needs a text "id" and "op", an object "params" and a list "inputs"`);
    }
    const prefix = id === "" ? "" : `${id as string}.`;
    const item: FixtureCase = {
      id: id as string,
      op: op as string,
      params: params as Params,
      inputs: inputs as string[],
      expected: tolerances(expected, `case ${id as string}`, fail),
      expectedError: typeof error === "string" ? error : null,
      note: typeof note === "string" ? note : "",
      file,
      tensor: (name) => tensor(prefix + name),
    };
    for (const name of [...item.inputs, ...item.expected.keys()]) item.tensor(name);
    cases.push(item);
  }
  return file;
}

type Fail = (problem: string) => never;

function caseList(text: string | undefined, fail: Fail): Record<string, unknown>[] {
  if (text === undefined) return fail('no fixture: its metadata has no "cases"');
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (cause) {
    fail(`the metadata "cases" is not valid JSON (${(cause as Error).message})`);
  }
  if (!Array.isArray(list) || !list.every(isObject)) return fail('the metadata "cases" is not a list of objects');
  return list as Record<string, unknown>[];
}

function tolerances(expected: unknown, place: string, fail: Fail): Map<string, Tolerance> {
  if (!isObject(expected)) return fail(`${place}: "expected" is not an object`);
  for (const [name, tolerance] of Object.entries(expected)) {
    if (Array.isArray(tolerance) && tolerance.length >= 2 && tolerance.every((n) => typeof n === "number" && n >= 0)) {
      continue;
    }
    fail(`${place}: the tolerance of "${name}" is ${JSON.stringify(tolerance)}, expected [rtol, atol, error]`);
  }
  return new Map(Object.entries(expected) as [string, Tolerance][]);
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string");
