/** Which differences between two runs count, and which files can be compared at all. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { compare, describeComparison, refuseOtherAdapter } from "../../bench/against.ts";
import { adapterSlug, readResults, resultsPath, toJson } from "../../bench/results.ts";
import type { Adapter, Results } from "../../bench/results.ts";
import { UserError } from "../../src/errors.ts";
import { assertRejects } from "../support/throws.ts";

const adapter: Adapter = {
  vendor: "v",
  architecture: "a",
  device: "d",
  description: "card, driver 1",
  isSoftware: false,
  features: ["f"],
  driver: "card, driver 1",
};

type Times = Readonly<Record<string, readonly number[]>>;

/** Rows by name, with these samples. */
function run(times: Times, { peak = { gflops: 100, gbps: 10 }, channels = 8 } = {}): Results {
  const rows = Object.entries(times).map(([name, samplesMs]) => ({
    ...{ name, op: "conv2d", pass: "forward" as const, shape: { n: 1, channels }, variant: "tiled" },
    ...{ medianMs: samplesMs[1], minMs: samplesMs[0], samplesMs, gflops: 1.23456789, gbps: 1, percentOfPeak: 1 },
  }));
  return { adapter, peak, rows, steps: [], scaling: [], loader: [] };
}

const quiet = (ms: number): number[] => [ms, 1.001 * ms, 1.002 * ms];
const names = (changes: readonly { title: string }[]): string[] => changes.map(({ title }) => title.split(" ")[0]);

test("a row is slower or faster when it differs by more than the noise", () => {
  const before = run({ same: quiet(10), slower: quiet(10), slowest: quiet(10), faster: quiet(10) });
  const after = run({ same: quiet(10.4), slower: quiet(10.6), slowest: quiet(20), faster: quiet(9.4) });
  const { regressions, improvements, compared, meanRatio, drift } = compare(before, after);
  assert.equal([names(regressions), names(improvements)], [["slowest", "slower"], ["faster"]]);
  assert.equal([compared, drift], [4, 1]);
  assert.ok(Math.abs(meanRatio - (1.04 * 1.06 * 2 * 0.94) ** 0.25) < 1e-12);
});

test("the spread of either run's samples, and the drift of the machine, count as noise", () => {
  const noisy = [10, 14, 15];
  assert.equal(names(compare(run({ a: quiet(10) }), run({ a: quiet(13) })).regressions), ["a"]);
  assert.equal(compare(run({ a: noisy }), run({ a: quiet(13) })).regressions, []);
  assert.equal(compare(run({ a: quiet(10) }), run({ a: noisy.map((ms) => 1.3 * ms) })).regressions, []);
  assert.equal(names(compare(run({ a: noisy }), run({ a: quiet(15) })).regressions), ["a"]);
  for (const peak of [{ gflops: 75, gbps: 10 }, { gflops: 100, gbps: 12.8 }]) {
    const { regressions, drift } = compare(run({ a: quiet(10) }), run({ a: quiet(13) }, { peak }));
    assert.equal(regressions, []);
    assert.ok(drift > 1.27 && drift < 1.34);
  }
});

test("rows are the same by name, op, pass and shape, the order of whose fields does not matter", () => {
  const before = run({ a: quiet(1), b: quiet(1) });
  const turned = run({ b: quiet(1), c: quiet(1) });
  const rows = turned.rows.map((row) => ({ ...row, shape: { channels: 8, n: 1 } }));
  const comparison = compare(before, { ...turned, rows });
  const { compared, missing, added } = comparison;
  assert.equal([compared, missing, added], [1, ["a conv2d forward"], ["c conv2d forward"]]);
  const text = describeComparison("old.json", comparison);
  assert.match(text, "against old.json: 1 rows, 1.00 times");
  assert.match(text, "only in old.json: a conv2d forward\n  only in this run: c conv2d forward");
  assert.is(compare(before, run({ a: quiet(1) }, { channels: 16 })).compared, 0);
});

test("another adapter or processor is refused, another driver is not", async () => {
  refuseOtherAdapter("f", adapter, { ...adapter, description: "card, driver 2", driver: "card, driver 2" });
  const refuse = (changed: Partial<Adapter>) => () => refuseOtherAdapter("old.json", adapter, { ...adapter, ...changed });
  await assertRejects(refuse({ device: "e" }), UserError, "--against old.json", 'device "d" there, device "e" here');
  await assertRejects(refuse({ processor: "2 x P" }), UserError, 'processor "" there, processor "2 x P" here');
});

test("what is written can be read again, to six digits and with a line for each row", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  const path = join(folder, "results.json");
  const read = async (text: string): Promise<Results> => {
    writeFileSync(path, text);
    return readResults(path);
  };
  try {
    const results = run({ a: [1, 2], b: [3, 4] });
    const rows = results.rows.map((row) => ({ ...row, gflops: 1.23457 }));
    assert.equal(await read(toJson(results)), { ...results, rows });
    assert.is(toJson(results).split("\n").filter((line) => line.includes('"name":')).length, 2);

    const fails = (text: string, ...parts: string[]) => assertRejects(() => read(text), UserError, path, ...parts);
    const broken = (change: object): string => toJson({ ...results, ...change });
    await fails("{", "not what npm run bench -- --json writes", "JSON");
    await fails("[1, 2]", "expected an object, found [1,2]");
    await fails("{}", "it has no adapter");
    await fails(broken({ peak: { gflops: 0, gbps: 1 } }), "it has no peak");
    await fails(broken({ rows: [rows[0], { ...rows[1], samplesMs: undefined }] }), "rows[1] lacks");
    await fails(broken({ steps: [{ ...rows[1], minMs: -1 }] }), "steps[0] lacks");
    await fails(JSON.stringify({ ...results, steps: undefined }), "it has no list of steps");
    await fails(JSON.stringify({ ...results, scaling: {} }), "it has no list of scaling");
    await fails(broken({ loader: [{ ...rows[1], samplesMs: [0] }] }), "loader[0] lacks");
    rmSync(path);
    await assertRejects(() => readResults(path), UserError, `cannot read results ${path}: no such file`);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("every section is compared", () => {
  const { rows } = run({ a: quiet(10) });
  const [[one], [other]] = [rows, run({ a: quiet(20) }).rows];
  for (const section of ["steps", "scaling", "loader"]) {
    const [before, after] = [one, other].map((row) => ({ ...run({}), [section]: [row] }) as unknown as Results);
    assert.equal(names(compare(before, after).regressions), ["a"], section);
  }
});

test("a folder's file is named after what tells adapters apart, a file is what was asked for", async () => {
  const software = { ...adapter, device: "llvmpipe (LLVM 15, 256 bits)", processor: "2 x P® 9" };
  assert.is(adapterSlug(software), "llvmpipe-llvm-15-256-bits-2-x-p-9");
  assert.is(adapterSlug({ ...software, driver: "2", description: "card, driver 2" }), adapterSlug(software));
  assert.is(adapterSlug({ ...adapter, device: "" }), "card-driver-1");
  assert.is(adapterSlug({ ...adapter, vendor: "", architecture: "", device: "", description: "" }), "adapter");
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    assert.is(await resultsPath(folder, adapter), join(folder, "d.json"));
    assert.is(await resultsPath(join(folder, "new", "/"), adapter), join(folder, "new", "d.json"));
    assert.is(await resultsPath(join(folder, "new"), adapter), join(folder, "new"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
