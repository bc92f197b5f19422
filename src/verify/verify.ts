/** Runs fixtures and compares: the heart of the command, without files, printing or the opening of a device. */
import { UserError } from "../errors.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { compare, sameComplaint } from "./compare.ts";
import type { Mismatch } from "./compare.ts";
import type { FixtureCase, FixtureFile } from "./fixture.ts";
import { Skip } from "./runner.ts";
import type { OwnRule, Results, Session } from "./runner.ts";
import { findRunner, holdsInputsOnly } from "./runners.ts";

export type Outcome =
  | { readonly status: "passed"; /** See OwnRule. */ readonly rule?: string }
  | { readonly status: "failed"; readonly mismatches: readonly Mismatch[] }
  | { readonly status: "failed"; readonly error: string }
  | { readonly status: "skipped"; readonly reason: string };

export interface CaseReport {
  readonly item: FixtureCase;
  readonly outcome: Outcome;
}

export interface FileReport {
  readonly file: FixtureFile;
  /** Empty for a file that only holds the inputs of others. */
  readonly cases: readonly CaseReport[];
}

export interface VerifyOptions {
  readonly gpu: Gpu;
  /** Throws what the device has reported since the last call; see OpenDevice. */
  readonly check: () => void;
  /** Which cases to run; default all. */
  readonly selects?: (item: FixtureCase) => boolean;
}

/** Runs files one after the other; those of which no case is selected are left out. */
export async function* verify(
  files: readonly FixtureFile[],
  { gpu, check, selects = () => true }: VerifyOptions,
): AsyncGenerator<FileReport, void, undefined> {
  const session = openSession(gpu, files);
  for (const file of files) {
    const chosen = file.cases.filter(selects);
    if (chosen.length === 0) continue;
    const cases: CaseReport[] = [];
    for (const item of chosen) {
      if (!holdsInputsOnly(item)) cases.push({ item, outcome: await run(session, item, check) });
    }
    yield { file, cases };
  }
}

async function run(session: Session, item: FixtureCase, check: () => void): Promise<Outcome> {
  const runner = findRunner(item);
  if (!runner) return { status: "skipped", reason: `${item.op}: this library has no such operation` };
  using _ = session.gpu.arena();
  try {
    const computed = await runner(session, item);
    check();
    const own = computed instanceof Map ? null : computed;
    if (!own && item.expectedError !== null) {
      return { status: "failed", error: `there was no error; PyTorch says ${item.expectedError}` };
    }
    const { results, expected, rule } = own ?? { results: computed as Results, expected: stored(item) };
    const mismatches = [...expected].flatMap(([name, { want, tolerance }]) => {
      return compare(name, results.get(name), want, tolerance) ?? [];
    });
    return mismatches.length === 0 ? { status: "passed", rule } : { status: "failed", mismatches };
  } catch (cause) {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (error instanceof Skip) return { status: "skipped", reason: error.message };
    if (item.expectedError === null) {
      // What a fixture lacks is said in words; anything else is a bug, and where it happened helps.
      return { status: "failed", error: error instanceof UserError ? error.message : (error.stack ?? error.message) };
    }
    if (sameComplaint(error, item.expectedError)) return { status: "passed" };
    return { status: "failed", error: `the error is "${error.message}"; PyTorch says ${item.expectedError}` };
  }
}

/** What a case expects; one without results of its own says that what goes in has to come out. */
function stored({ inputs, expected, tensor }: FixtureCase): OwnRule["expected"] {
  const tolerances = expected.size > 0 ? [...expected] : inputs.map((name) => [name, [0, 0, 0]] as const);
  return new Map(tolerances.map(([name, tolerance]) => [name, { want: tensor(name), tolerance }]));
}

function openSession(gpu: Gpu, files: readonly FixtureFile[]): Session {
  const shared = new Map<string, Promise<unknown>>();
  return {
    gpu,
    parts(file, name) {
      const family = file.path.slice(0, file.path.lastIndexOf("/") + 1) + name;
      const belongs = (path: string): boolean => path.startsWith(family) && /^(_\d+)?$/.test(path.slice(family.length));
      return files.filter(({ path }) => belongs(path));
    },
    once<T>(key: string, compute: () => Promise<T>): Promise<T> {
      if (!shared.has(key)) shared.set(key, compute());
      return shared.get(key) as Promise<T>;
    },
  };
}
