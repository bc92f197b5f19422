/**
 * Reads the interface of a compute kernel out of its WGSL text: bindings, overrides, uniform params, entry points,
 * tunable constants. The kernels are our own and standalone, so this understands the subset they are written in and
 * refuses anything else with the line it stumbled on; the WGSL compiler proper checks the rest.
 */

export type Scalar = "f32" | "i32" | "u32" | "bool" | "f16";
/** What a kernel does with a binding. */
export type BindingAccess = "read" | "read_write" | "uniform" | "texture";

/** A binding of group 0. */
export interface BindingInfo {
  readonly binding: number;
  readonly access: BindingAccess;
  /** Element type of a storage array (`f32`, `vec4f`, …) or texture, or the struct name of a uniform. */
  readonly type: string;
}

/** A constant that is fixed when the pipeline is made. */
export interface OverrideInfo {
  readonly type: Scalar;
  /** True where the WGSL gives a default, so that a dispatch may leave the constant out. */
  readonly optional: boolean;
  /** The default where it is a plain number. */
  readonly value: number | null;
}

export interface EntryInfo {
  /** Names of the bindings that the entry point reaches, directly or through the functions it calls. */
  readonly bindings: readonly string[];
  /** The arguments of `@workgroup_size`, as written: numbers or names of overrides and constants. */
  readonly workgroup: readonly string[];
}

/** A constant in the text that a loader may rewrite: its value, and those that it may have. */
export interface TuneInfo {
  readonly value: number;
  readonly choices: readonly number[];
}

export interface KernelInterface {
  readonly enables: readonly string[];
  readonly bindings: Readonly<Record<string, BindingInfo>>;
  readonly overrides: Readonly<Record<string, OverrideInfo>>;
  /** Fields of the uniform struct in order; every field is a 4-byte scalar, so field i lies at byte 4·i. */
  readonly params: Readonly<Record<string, Scalar>>;
  readonly entries: Readonly<Record<string, EntryInfo>>;
  /** `const NAME: u32 = 8u; // @tune 4 8`: the only lines that a loader may rewrite. */
  readonly tune: Readonly<Record<string, TuneInfo>>;
}

const SCALARS = ["f32", "i32", "u32", "bool", "f16"];
const TEXTURE = "texture_2d<f32>";
const TUNE_LINE = /^const\s+(\w+)\s*:\s*u32\s*=\s*(\d+)u\s*;\s*\/\/\s*@tune\s+([\d ]+?)\s*$/gm;

/** Parses one kernel. `name` is only used in error messages. */
export function parseKernel(source: string, name: string): KernelInterface {
  const fail = (what: string): never => {
    throw new Error(`kernels/${name}.wgsl: ${what}`);
  };
  const tune: Record<string, TuneInfo> = {};
  for (const [, constant, value, choices] of source.matchAll(TUNE_LINE)) {
    tune[constant] = { value: Number(value), choices: choices.split(/\s+/).map(Number) };
  }
  const text = stripComments(source);

  const enables = [...text.matchAll(/\benable\s+([\w\s,]+);/g)].flatMap((m) => m[1].split(",").map((s) => s.trim()));

  const overrides: Record<string, OverrideInfo> = {};
  for (const [, id, type, init] of text.matchAll(/\boverride\s+(\w+)\s*:\s*(\w+)\s*(?:=([^;]*))?;/g)) {
    if (!SCALARS.includes(type)) fail(`override ${id} has type ${type}; expected one of ${SCALARS.join(", ")}`);
    const number = /^\s*([\d.]+)[uif]?\s*$/.exec(init ?? "")?.[1];
    overrides[id] = { type: type as Scalar, optional: init !== undefined, value: number === undefined ? null : Number(number) };
  }

  const bindings: Record<string, BindingInfo> = {};
  const declaration = /@group\((\d+)\)\s*@binding\((\d+)\)\s*var(?:<\s*(\w+)\s*(?:,\s*(\w+)\s*)?>)?\s*(\w+)\s*:\s*([^;]+);/g;
  for (const [, group, binding, space, access, id, type] of text.matchAll(declaration)) {
    if (group !== "0") fail(`binding ${id} is in group ${group}; kernels use group 0 only`);
    if (space === undefined) {
      if (type.trim() !== TEXTURE) fail(`binding ${id} is a ${type.trim()}; expected ${TEXTURE}`);
      bindings[id] = { binding: Number(binding), access: "texture", type: "vec4f" };
      continue;
    }
    const element = /^array<\s*(.+?)\s*>$/.exec(type.trim())?.[1] ?? type.trim();
    const kind = space === "uniform" ? "uniform" : ((access ?? "read") as BindingAccess);
    bindings[id] = { binding: Number(binding), access: kind, type: element };
  }

  const params: Record<string, Scalar> = {};
  const uniforms = Object.entries(bindings).filter(([, b]) => b.access === "uniform");
  if (uniforms.length > 1 || (uniforms.length === 1 && uniforms[0][0] !== "params")) {
    fail("expected at most one uniform binding, named params");
  }
  if (uniforms.length === 1) {
    const struct = uniforms[0][1].type;
    const body = new RegExp(`\\bstruct\\s+${struct}\\s*\\{([^}]*)\\}`).exec(text)?.[1] ?? fail(`no struct ${struct}`);
    for (const field of body.split(",").map((s) => s.trim()).filter(Boolean)) {
      const [, id, type] = /^(\w+)\s*:\s*(\w+)$/.exec(field) ?? fail(`cannot read field "${field}" of ${struct}`);
      if (!["f32", "i32", "u32"].includes(type)) fail(`field ${id} has type ${type}; params hold f32, i32 and u32 only`);
      params[id] = type as Scalar;
    }
  }

  const functions = splitFunctions(text);
  const entries: Record<string, EntryInfo> = {};
  for (const [id, fn] of functions) {
    const size = /@workgroup_size\(([^)]*)\)/.exec(fn.attributes)?.[1];
    if (!fn.attributes.includes("@compute")) continue;
    if (size === undefined) fail(`entry point ${id} has no @workgroup_size`);
    const words = reachableWords(id, functions);
    entries[id] = {
      bindings: Object.keys(bindings).filter((b) => words.has(b)),
      workgroup: size!.split(",").map((s) => s.trim().replace(/u$/, "")).filter(Boolean),
    };
  }
  if (Object.keys(entries).length === 0) fail("no @compute entry point");
  return { enables, bindings, overrides, params, entries, tune };
}

/** Rewrites `@tune` constants; refuses names and values that the file does not offer. */
export function applyTune(source: string, name: string, choice: Readonly<Record<string, number>>): string {
  const offered = parseKernel(source, name).tune;
  for (const [id, value] of Object.entries(choice)) {
    if (!offered[id]) throw new Error(`kernels/${name}.wgsl has no @tune constant ${id}; it has ${Object.keys(offered).join(", ") || "none"}`);
    if (!offered[id].choices.includes(value)) {
      throw new Error(`kernels/${name}.wgsl: ${id} = ${value} is not among the choices ${offered[id].choices.join(", ")}`);
    }
  }
  return source.replace(TUNE_LINE, (line, id: string, value: string) =>
    id in choice ? line.replace(`= ${value}u`, `= ${choice[id]}u`) : line,
  );
}

interface FunctionText {
  readonly attributes: string;
  readonly body: string;
}

function stripComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, " ").replace(/\/\/[^\n]*/g, "");
}

function splitFunctions(text: string): Map<string, FunctionText> {
  const functions = new Map<string, FunctionText>();
  for (const match of text.matchAll(/((?:@\w+(?:\([^)]*\))?\s*)*)\bfn\s+(\w+)\s*\(/g)) {
    const open = text.indexOf("{", match.index + match[0].length);
    let depth = 0;
    let end = open;
    do {
      if (text[end] === "{") depth++;
      if (text[end] === "}") depth--;
      end++;
    } while (depth > 0 && end < text.length);
    functions.set(match[2], { attributes: match[1], body: text.slice(open, end) });
  }
  return functions;
}

function reachableWords(entry: string, functions: Map<string, FunctionText>): Set<string> {
  const words = new Set<string>();
  const pending = [entry];
  const seen = new Set(pending);
  while (pending.length > 0) {
    const body = functions.get(pending.pop()!)!.body;
    for (const word of body.match(/(?<![.\w])[A-Za-z_]\w*/g) ?? []) {
      words.add(word);
      if (functions.has(word) && !seen.has(word)) {
        seen.add(word);
        pending.push(word);
      }
    }
  }
  return words;
}
