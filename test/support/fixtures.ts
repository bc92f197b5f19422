/** Golden numbers from PyTorch and the official code, in the format of ../shared/fixtures/README.md; see there. */
import { existsSync, readFileSync } from "node:fs";
import { parseSafetensors } from "../../src/io/safetensors.ts";
import type { StoredTensor } from "../../src/io/safetensors.ts";
import { assertClose } from "./compare.ts";

export const FIXTURES = new URL("../../../shared/fixtures/", import.meta.url);

export interface FixtureCase {
  readonly id: string;
  readonly op: string;
  readonly params: Readonly<Record<string, never>>;
  readonly inputs: readonly string[];
  readonly expected: Readonly<Record<string, readonly [rtol: number, atol: number, error: number]>>;
  readonly expected_error?: string;
  readonly note?: string;
}

export interface Fixture {
  readonly metadata: Readonly<Record<string, string>>;
  readonly cases: readonly FixtureCase[];
  /** A tensor of a case by its name without the case's prefix. */
  get(item: FixtureCase, name: string): StoredTensor;
}

/** False, with a line that says so, where the fixtures are not beside this checkout. */
export function hasFixtures(purpose: string): boolean {
  const found = existsSync(FIXTURES);
  if (!found) console.log(`skipped: ${purpose} (../shared/fixtures is absent)`);
  return found;
}

export function readFixture(path: string): Fixture {
  const { metadata, tensors } = parseSafetensors(readFileSync(new URL(path, FIXTURES)), path);
  return {
    metadata,
    cases: JSON.parse(metadata.cases) as FixtureCase[],
    get(item, name) {
      const tensor = tensors.get(item.id === "" ? name : `${item.id}.${name}`);
      if (!tensor) throw new Error(`${path} ${item.id}: no tensor ${name}`);
      return tensor;
    },
  };
}

export type Results = ReadonlyMap<string, ArrayLike<number | bigint>>;

/** Every expected tensor of a case must be among the results, within the fixture's tolerance. */
export function assertResults(label: string, fixture: Fixture, item: FixtureCase, results: Results): void {
  const problems: string[] = [];
  for (const [name, [rtol, atol]] of Object.entries(item.expected)) {
    const got = results.get(name);
    if (!got) {
      problems.push(`${label}: no result ${name}`);
      continue;
    }
    const { shape, data } = fixture.get(item, name);
    try {
      assertClose(`${label} ${name}`, Array.from(got, Number), Array.from(data as ArrayLike<number>, Number), shape, {
        rtol,
        atol,
      });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  if (problems.length > 0)
    throw new Error(
      `${problems.length} of ${Object.keys(item.expected).length} results are wrong\n${problems.slice(0, 12).join("\n")}`,
    );
}

/** Between the fixtures' N, C, ... and our N, ..., C. */
export function channelsLast(
  values: ArrayLike<number>,
  shape: readonly number[],
): { values: Float32Array; shape: number[] } {
  const [n, c, ...space] = shape;
  const pixels = space.reduce((product, size) => product * size, 1);
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const [image, channel, pixel] = [Math.floor(i / (c * pixels)), Math.floor(i / pixels) % c, i % pixels];
    out[(image * pixels + pixel) * c + channel] = values[i];
  }
  return { values: out, shape: [n, ...space, c] };
}

export function channelsFirst(values: ArrayLike<number>, shape: readonly number[]): Float32Array {
  const c = shape[shape.length - 1];
  const pixels = shape.slice(1, -1).reduce((product, size) => product * size, 1);
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const [image, pixel, channel] = [Math.floor(i / (c * pixels)), Math.floor(i / c) % pixels, i % c];
    out[(image * c + channel) * pixels + pixel] = values[i];
  }
  return out;
}
