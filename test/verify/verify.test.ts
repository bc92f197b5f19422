/** The carried fixtures pass; whatever is wrong with a result, a file or an option is noticed. */
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { parseSafetensors, serializeSafetensors } from "../../src/io/safetensors.ts";
import { readFixtures } from "../../src/verify/files.node.ts";
import { parseFixture } from "../../src/verify/fixture.ts";
import { countOutcomes, showFile, toJson } from "../../src/verify/report.ts";
import { verify } from "../../src/verify/verify.ts";
import type { FileReport, Outcome } from "../../src/verify/verify.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";

const CARRIED = new URL("../fixtures/", import.meta.url).pathname;
const SHARED = new URL("../../../shared/fixtures/", import.meta.url).pathname;

async function reportsOf(files: readonly ReturnType<typeof parseFixture>[]): Promise<FileReport[]> {
  const reports: FileReport[] = [];
  const { check } = await sharedDevice();
  for await (const report of verify(files, { gpu: await testGpu(), check })) reports.push(report);
  await checkDevice();
  return reports;
}

test("the carried fixtures of every family pass; what is left out says why", async () => {
  const reports = await reportsOf(await readFixtures(CARRIED));
  const failed = reports.filter(({ cases }) => cases.some(({ outcome }) => outcome.status === "failed"));
  assert.equal(failed.map(showFile), []);
  const passed = (family: string) =>
    countOutcomes(reports.filter(({ file }) => file.path.startsWith(`${family}/`))).passed;
  const leasts = { ops: 90, opinfo: 80, mcibi: 35, optim: 9, pipeline: 11, network: 4, backbones: 11, hosts: 11 };
  for (const [family, least] of Object.entries(leasts)) {
    assert.ok(passed(family) >= least, `${family}: only ${passed(family)} passed`);
  }
  const skipped = reports.flatMap(({ file, cases }) =>
    cases.flatMap(({ outcome }) => (outcome.status === "skipped" ? [`${file.path}: ${outcome.reason}`] : [])),
  );
  assert.equal([...new Set(skipped)].sort(), [
  ]);
});

test("all fixtures beside this checkout pass", async () => {
  if (!existsSync(SHARED)) return console.log("skipped: ../shared/fixtures is absent");
  const gpu = await testGpu();
  const before = gpu.memory.live;
  const reports = await reportsOf(await readFixtures(SHARED));
  const failed = reports.filter(({ cases }) => cases.some(({ outcome }) => outcome.status === "failed"));
  assert.equal(failed.map(showFile), []);
  assert.ok(countOutcomes(reports).passed > 500);
  assert.is(gpu.memory.live, before, "bytes still allocated after everything was verified");
});

interface Stored {
  shape: readonly number[];
  data: Float32Array | Int32Array;
}

type StoredCase = Record<string, unknown> & { id: string; expected: Record<string, unknown> };
type Change = (tensors: Map<string, Stored>, cases: StoredCase[]) => void;

/** A carried file with one thing changed. */
function altered(path: string, change: Change): Uint8Array {
  const { metadata, tensors } = parseSafetensors(readFileSync(join(CARRIED, `${path}.safetensors`)), path);
  const copies = [...tensors].map(([name, { shape, data }]): [string, Stored] => {
    return [name, { shape, data: (data as Float32Array).slice() }];
  });
  const map = new Map(copies);
  const cases = JSON.parse(metadata.cases) as StoredCase[];
  change(map, cases);
  return serializeSafetensors(map, { ...metadata, cases: JSON.stringify(cases) });
}

/** What becomes of the cases of a carried file when one thing in it is changed. */
async function outcomesOf(path: string, change: Change): Promise<Outcome[]> {
  const [report] = await reportsOf([parseFixture(altered(path, change), path)]);
  return report.cases.map(({ outcome }) => outcome);
}

type Failure = Outcome & { status: "failed" };

const failures = (outcomes: readonly Outcome[]): Failure[] =>
  outcomes.filter((outcome): outcome is Failure => outcome.status === "failed");

/** The stored values of a result of the first case. */
function firstResult(tensors: Map<string, Stored>, [{ id }]: StoredCase[], name = "output"): Stored {
  return tensors.get(`${id}.${name}`)!;
}

/** Moves one element by a multiple of its tolerance. */
const nudge = (multiple: number): Change => (tensors, cases) => {
  const { data } = firstResult(tensors, cases);
  const [rtol, atol] = cases[0].expected.output as number[];
  data[5] += multiple * (atol + rtol * Math.abs(data[5]));
};

test("one number changed beyond its tolerance fails, and is named; within the tolerance it passes", async () => {
  assert.is(failures(await outcomesOf("ops/softmax", nudge(0.5))).length, 0);
  const found = failures(await outcomesOf("ops/softmax", nudge(1.5)));
  assert.is(found.length, 1);
  const mismatches = "mismatches" in found[0] ? found[0].mismatches : [];
  assert.equal(mismatches.map(({ tensor, wrong }) => [tensor, wrong]), [["output", 1]]);
  const { index, got, want, allowed } = mismatches[0].worst!;
  const { shape, data } = parseSafetensors(altered("ops/softmax", nudge(1.5))).tensors.get("case_6.output")!;
  assert.is(index.reduce((flat, n, axis) => flat * shape[axis] + n, 0), 5);
  assert.is(want, data[5]);
  assert.ok(Math.abs(got - want) > allowed && Math.abs(got - want) < 2 * allowed);
});

test("a wrong integer, a NaN, an infinity, another shape and a result that we do not have fail", async () => {
  const changes: [path: string, change: Change][] = [
    ["ops/argmax", (tensors, cases) => firstResult(tensors, cases).data[0]++],
    ["ops/relu", (tensors, cases) => (firstResult(tensors, cases).data[0] = NaN)],
    ["ops/relu", (tensors, cases) => (firstResult(tensors, cases, "grad_input").data[0] = Infinity)],
    ["ops/relu", (tensors, cases) => {
      const output = firstResult(tensors, cases);
      output.shape = [...output.shape, 1];
    }],
    ["ops/relu", (tensors, [{ id, expected }]) => {
      tensors.set(`${id}.hessian`, { shape: [1], data: Float32Array.of(0) });
      expected.hessian = [1, 1, 1];
    }],
  ];
  for (const [path, change] of changes) {
    assert.is(failures(await outcomesOf(path, change)).length, 1, `${path}: ${change}`);
  }
});

test("one number of a network's trajectory changed fails", async () => {
  const files = await readFixtures(join(CARRIED, "network"));
  const bytes = altered("network/bottleneck_two_slots/traj", (tensors) => (tensors.get("iter_4.memory")!.data[0] += 1));
  const traj = parseFixture(bytes, "bottleneck_two_slots/traj");
  const reports = await reportsOf(files.map((file) => (file.path === traj.path ? traj : file)));
  assert.equal(countOutcomes(reports), { passed: 5, failed: 1, skipped: 0 });
});

test("gradients of the official run are not those of the loss", async () => {
  const files = await readFixtures(join(CARRIED, "network/bottleneck_two_slots"));
  const family = "step_grads_official";
  const bytes = altered(`network/bottleneck_two_slots/${family}`, () => {});
  const wanted = files.map((file) => (file.path === family ? parseFixture(bytes, "step_grads_other") : file));
  const failed = (await reportsOf(wanted)).filter((report) => countOutcomes([report]).failed > 0);
  assert.equal(failed.map(({ file }) => file.path), ["step_grads_other"]);
});

const EDGE = "mcibi/memory_update_edge";

test("where the official update is none, the rows that it leaves whole and our own rule decide", async () => {
  const passed = (await outcomesOf(EDGE, () => {})).map((outcome) => outcome.status === "passed" && outcome.rule);
  assert.is(passed.filter((rule) => typeof rule === "string").length, 7);
  const both = ["memory_after", "memory_after_float32"] as const;
  const changes: Change[] = [
    (tensors) => both.forEach((name) => (tensors.get(`case_0.${name}`)!.data[4] += 1)), // class 1, which is official
    (tensors) => both.forEach((name) => (tensors.get(`case_0.${name}`)!.data.fill(3, 0, 4))), // class 0, no longer NaN
    (tensors) => both.forEach((name) => (tensors.get(`case_9.${name}`)!.data[0] += 1)), // class 0, which -1 is never
    (_, cases) => Object.assign(cases[5].params as object, { well_defined: true }),
  ];
  for (const change of changes) {
    const outcomes = await outcomesOf(EDGE, change);
    assert.is(failures(outcomes).length, 1, String(change));
  }
});

test("an error that does not come, comes for another reason, or comes unexpectedly, fails", async () => {
  const changes: ((cases: StoredCase[]) => void)[] = [
    ([item]) => (item.expected_error = "RuntimeError: input of this size is not supported"),
    (cases) => {
      const refused = cases.find(({ expected_error: error }) => error !== undefined)!;
      refused.expected_error = "RuntimeError: expected scalar type Double but found Float";
    },
    (cases) => delete cases.find(({ expected_error: error }) => error !== undefined)!.expected_error,
  ];
  for (const change of changes) {
    const found = failures(await outcomesOf("ops/batch_norm", (_, cases) => change(cases)));
    assert.is(found.length, 1, String(change));
  }
});

test("unknown operations and options are skipped with the reason", async () => {
  const reasons = async (change: (item: StoredCase) => void) => {
    const outcomes = await outcomesOf("opinfo/relu", (_, [item]) => change(item));
    return outcomes.map((outcome) => "reason" in outcome && outcome.reason);
  };
  assert.equal(await reasons((item) => (item.op = "nn.functional.hardswish")), [
    "nn.functional.hardswish: this library has no such operation",
  ]);
  assert.equal(await reasons((item) => ((item.params as { kwargs: object }).kwargs = { slope: 1 })), [
    "option slope of nn.functional.relu",
  ]);
});

test("a resize by a factor that is given is run, one by a factor that would be drawn is skipped", async () => {
  const statusOf = async (range: readonly number[]) => {
    const params = { output_size: [4, 4], keep_ratio: false, scale_range: range };
    const expected = { seg_target_resized: [0, 0, 0] };
    const item = { id: "", op: "resize", params, inputs: ["image", "seg_target"], expected };
    const tensors = new Map<string, Stored>([
      ["image", { shape: [1, 2, 3], data: Int32Array.of(1, 2, 3, 4, 5, 6) }],
      ["seg_target", { shape: [1, 2], data: Int32Array.of(7, 8) }],
      ["seg_target_resized", { shape: [2, 2], data: Int32Array.of(7, 8, 7, 8) }],
    ]);
    const bytes = serializeSafetensors(tensors, { family: "pipeline/transforms", cases: JSON.stringify([item]) });
    const [report] = await reportsOf([parseFixture(bytes, "transforms")]);
    return report.cases[0].outcome.status;
  };
  assert.is(await statusOf([0.5, 0.5]), "passed");
  assert.is(await statusOf([0.5, 2]), "skipped");
});

test("what is missing beside a network's file is said", async () => {
  const [report] = await reportsOf([parseFixture(altered("network/bottleneck_two_slots/step", () => {}), "step")]);
  assert.match(showFile(report), 'the file "state" of the same network is missing');
});

test("the JSON holds every case, and numbers that JSON does not have", async () => {
  const bytes = altered("ops/relu", (tensors, cases) => (firstResult(tensors, cases).data[0] = NaN));
  const reports = await reportsOf([parseFixture(bytes, "relu")]);
  const parsed = JSON.parse(toJson({ vendor: "any" }, reports));
  assert.equal([parsed.adapter.vendor, parsed.failed, parsed.files[0].failed], ["any", 1, 1]);
  assert.is(parsed.files[0].cases.length, reports[0].cases.length);
  assert.is(parsed.files[0].cases[0].mismatches[0].worst.want, "NaN");
});

async function inFolder(files: Readonly<Record<string, Uint8Array | string>>, use: (folder: string) => Promise<void>) {
  const folder = await mkdtemp(join(tmpdir(), "verify-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), content);
    }
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("folders without fixtures and broken files are errors that name them", async () => {
  const whole = readFileSync(join(CARRIED, "ops/relu.safetensors"));
  const noCases = serializeSafetensors([["a", { shape: [1], data: Float32Array.of(1) }]]);
  const broken: [string, Uint8Array, string][] = [
    ["truncated", whole.subarray(0, whole.length - 4), "truncated"],
    ["empty", new Uint8Array(0), "too few"],
    ["other", noCases, 'no "cases"'],
    ["listed", altered("ops/relu", (tensors) => tensors.delete([...tensors.keys()][0])), "there is no tensor"],
    ["tolerance", altered("ops/relu", (_, [{ expected }]) => (expected.output = "tight")), "tolerance"],
    ["text", altered("ops/relu", (_, [item]) => (item.op = 3)), "case number 0"],
  ];
  for (const [name, bytes, problem] of broken) {
    const files = { "good/relu.safetensors": whole, [`deep/er/${name}.safetensors`]: bytes };
    await inFolder(files, (folder) => assertRejects(() => readFixtures(folder), UserError, `deep/er/${name}`, problem));
  }
  await inFolder({ "notes.txt": "" }, async (folder) => {
    await assertRejects(() => readFixtures(folder), UserError, folder, "no fixture");
    await assertRejects(() => readFixtures(join(folder, "gone")), UserError, "gone", "no such folder");
    await assertRejects(() => readFixtures(join(folder, "notes.txt")), UserError, "not a folder");
  });
});

test.run();
