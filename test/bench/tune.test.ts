/** The search for tile sizes: what it tries, that nothing wrong is timed, and what gets into the table. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Timing } from "../../bench/clock.ts";
import { describeDecisions } from "../../bench/decide.ts";
import { matmulPasses } from "../../bench/products.ts";
import { streamPasses } from "../../bench/streams.ts";
import { tune } from "../../bench/tune.ts";
import { Search, candidates } from "../../bench/tune_search.ts";
import type { Outcome } from "../../bench/tune_search.ts";
import { merge, readTableFile, tablesToJson, winners } from "../../bench/tune_table.ts";
import { UserError } from "../../src/errors.ts";
import { relu } from "../../src/ops/activation.ts";
import { tunedFrom } from "../../src/ops/tuned.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { ProgressLine } from "../../src/train/progress.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { sharedDevice } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";

const [forward] = streamPasses("map", "relu", { n: 2, h: 3, w: 4, channels: 12 });
const [product] = matmulPasses("product", { batch: 3, m: 70, n: 33, k: 40, transposeA: false, transposeB: true });

test("candidates are all marked constants of all kernels that can run, but the heuristics' choice", () => {
  const kernels = (file: string): string => `
    ${file === "two" ? "const A: u32 = 1u; // @tune 1 2\nconst B: u32 = 4u; // @tune 4 8" : "const C: u32 = 9u;"}
    @compute @workgroup_size(1) fn main() {}`.replaceAll("\n    ", "\n");
  const heuristic = { kernel: "two", tune: { A: 1, B: 4 } };
  const decision = { kernel: "none", shape: "1", files: ["none", "two"], heuristic, choice: heuristic };
  assert.equal(candidates(decision, kernels), [
    { kernel: "none", tune: {} },
    { kernel: "two", tune: { A: 1, B: 8 } },
    { kernel: "two", tune: { A: 2, B: 4 } },
    { kernel: "two", tune: { A: 2, B: 8 } },
  ]);
});

async function search(damage: (file: string, source: string) => string = (_, source) => source) {
  const { device, check } = await sharedDevice();
  return new Search({ device, kernels: (file) => damage(file, kernelsOnDisk(file)), check });
}

test("a candidate that is wrong, or does not compile, is named and not timed", async () => {
  const { device } = await sharedDevice();
  const usual = new Gpu({ device, kernels: kernelsOnDisk }).capabilities.isSoftware ? 16 : 2;
  const other = 18 - usual;
  const wrong = (file: string, source: string): string => {
    if (file !== "activation_vec4") return source;
    assert.ok(source.includes("select(vec4f(), SLOPE"), "activation_vec4.wgsl has changed: choose another damage");
    return source.replace("select(vec4f(), SLOPE", `select(vec4f(select(0.0, 0.1, VECTORS == ${other}u)), SLOPE`);
  };
  const damaged = (await (await search(wrong)).row(forward))!;
  assert.is(damaged.trials.length, 0);
  assert.is(damaged.wrong.length, 1);
  assert.match(damaged.wrong[0], new RegExp(`^VECTORS=${other}: element \\d+ is .*, the f64 reference has`));
  assert.ok(damaged.before.minMs > 0);

  const wholly = (_: string, source: string): string => source.replace("select(vec4f(), SLOPE", "select(vec4f(0.1), SLOPE");
  const useless = (await (await search(wholly)).row(forward))!;
  assert.equal([useless.before.samplesMs, useless.trials], [[], []]);
  assert.match(useless.wrong[0], "the heuristics' choice: element");
});

test("a product tries its variants, and none of the right ones is refused", async () => {
  const { wrong, keys, before } = (await (await search()).row(product))!;
  assert.equal(wrong, []);
  assert.is(keys[0], "matmul 4x64x32x32 ragged");
  assert.ok(before.minMs > 0);
});

const timing = (...samplesMs: number[]): Timing => ({ minMs: samplesMs[0], medianMs: samplesMs[1], samplesMs });
const LANES = { 4: { kernel: "conv2d_panel", tune: { LANES: 4 } }, 8: { kernel: "conv2d_panel", tune: { LANES: 8 } } };

function outcome(shape: string, ...after: (readonly [lanes: 4 | 8, ...samples: number[]])[]): Outcome {
  const before = timing(10, 10.1, 10.2);
  const trials = after.map(([lanes, ...samples]) => {
    return { kernel: "conv2d", shape, choice: LANES[lanes], before, timing: timing(...samples) };
  });
  return { workload: product, before, trials, keys: [`conv2d ${shape}`], wrong: [] };
}

test("a choice wins by more than the noise, over all rows of its class, losing none", () => {
  const won = (...outcomes: Outcome[]) => [...winners(outcomes)];
  assert.equal(won(outcome("a", [4, 8, 8, 8])), [["conv2d a", LANES[4]]]);
  assert.equal(won(outcome("a", [4, 9.8, 9.8, 9.8])), [], "5 % is noise");
  assert.equal(won(outcome("a", [4, 8, 11, 11])), [], "so is what its own samples spread");
  assert.equal(won(outcome("a", [4, 8, 8, 8], [8, 7, 7, 7])), [["conv2d a", LANES[8]]]);
  assert.equal(won(outcome("a", [4, 5, 5, 5]), outcome("a", [4, 12, 12, 12])), [], "one row loses");
  assert.equal(won(outcome("a", [4, 5, 5, 5]), outcome("a")), [], "not right, or hopeless, in another row");
  assert.equal(won(outcome("a", [4, 8, 8, 8]), outcome("b", [8, 8, 8, 8])).length, 2);
});

test("what is measured replaces what the table had for it, and nothing else", () => {
  const old = { f: { conv2d: { a: LANES[4], b: LANES[4] } }, g: { conv2d: { a: LANES[8] } } };
  const keys = ["conv2d a", "conv2d c d", "matmul a"];
  const merged = merge(old, "f", keys, new Map([["conv2d c d", LANES[8]]]));
  assert.equal(merged, { f: { conv2d: { b: LANES[4], "c d": LANES[8] } }, g: old.g });
  assert.equal(merge({ f: { conv2d: { a: LANES[4] } } }, "f", keys, new Map()), {}, "nothing empty is left");
  assert.equal(JSON.parse(tablesToJson(merged)), merged);
  assert.is(tablesToJson(merged).split("\n").length, 14);
});

test("the command writes a table that can be read, and refuses one that cannot", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tune-"));
  try {
    const opened = await sharedDevice();
    const gpu = new Gpu({ device: opened.device, kernels: kernelsOnDisk });
    const path = join(folder, "table.json");
    assert.equal(await readTableFile(path), {});
    const output = new ProgressLine(process.stdout, { quiet: true });
    assert.is(await tune({ ...opened, gpu, adapter: "" }, [forward], path, output), true);
    assert.equal(readdirSync(folder), ["table.json"]);
    assert.is(readFileSync(path, "utf8"), tablesToJson(await readTableFile(path)));
    writeFileSync(path, "{");
    await assertRejects(() => readTableFile(path), UserError, path, "is not what npm run bench -- --tune writes");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the table is what ops run by, shown, and the same every time", async () => {
  const { device } = await sharedDevice();
  const entry = { kernel: "activation_vec4", tune: { VECTORS: 2 } };
  const run = async (tables: object) => {
    const gpu = new Gpu({ device, kernels: kernelsOnDisk, tuned: tunedFrom(tables as never, "f") });
    using _arena = gpu.arena();
    gpu.decisions = [];
    const y = relu(Tensor.from(gpu, Float32Array.from({ length: 288 }, (_, i) => i % 7 - 3), [288]));
    return { decisions: gpu.decisions, values: await y.data() };
  };
  const tables = { f: { activation_vec4: { "64": entry } } };
  const [one, two, plain] = [await run(tables), await run(tables), await run({})];
  assert.equal(one, two);
  assert.equal(one.values, plain.values);
  assert.equal(one.decisions[0].choice, entry);
  const isDefault = plain.decisions[0].choice.tune.VECTORS === 2;
  assert.is(describeDecisions(forward, one.decisions), isDefault ? "auto" : "auto VECTORS=2");
  assert.is(describeDecisions(forward, plain.decisions), "auto");
});

test.run();
