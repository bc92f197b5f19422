/** The comparison with other libraries, as far as it goes without them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { difference } from "../../bench/peers/evaluation.ts";
import { readOptions } from "../../bench/peers/options.ts";
import { permuted } from "../../bench/peers/peer.ts";
import { ComparisonTable, evaluationLines, geometricMean } from "../../bench/peers/report.ts";
import { floorLines, means, ratio, stepLine, verdict } from "../../bench/peers/report.ts";
import type { ComparedRow } from "../../bench/peers/report.ts";
import { matmulPasses } from "../../bench/products.ts";
import { UserError } from "../../src/errors.ts";
import { assertRejects } from "../support/throws.ts";

function row(op: string, pass: ComparedRow["pass"], ms: number, peers: ComparedRow["peers"]): ComparedRow {
  return { name: "layer", op, pass, shape: {}, ms, gflops: 8, peers };
}

const REFUSAL = { cannot: "no dilation" };
const rows = [
  row("conv2d", "forward", 2, { tfjs: { ms: 20 }, jax: { ms: 8 } }),
  row("conv2d", "backwardInput", 1, { tfjs: REFUSAL, jax: { ms: 2 } }),
  row("matmul", "backwardInput", 4, { tfjs: { ms: 10 }, jax: { ms: 32 } }),
];

test("ratios say how much longer a peer takes; their mean is geometric and leaves out what a peer cannot do", () => {
  assert.equal(
    rows.map((one) => [ratio(one, "tfjs"), ratio(one, "jax"), ratio(one, "torch")]),
    [
      [10, 4, null],
      [null, 2, null],
      [2.5, 8, null],
    ],
  );
  assert.ok(Math.abs(geometricMean([10, 2.5]) - 5) < 1e-12);
  const cells = means(rows, ["tfjs", "jax"]).map((line) => line.trim().split(/ {2,}/));
  assert.equal(cells, [
    ["geometric means", "TF.js", "jax-js"],
    ["convolution forward", "10.00 of", "1", "4.00 of", "1"],
    ["convolution input gradient", "-", "2.00 of", "1"],
    ["convolution weight gradient", "-", "-"],
    ["matrix products", "2.50 of", "1", "8.00 of", "1"],
    ["all rows", "5.00 of", "2", "4.00 of", "3"],
  ]);
});

test("targets are met on their bounds and missed below them, and the worst row is named", () => {
  assert.equal(verdict(rows), [
    "TF.js: 5.00 in the geometric mean, target 5: reached",
    "TF.js: 0 of 2 rows below 2.5, target 0: reached; the worst 2.50, layer matmul backwardInput",
    "jax-js: 4.00 in the geometric mean, target 4: reached",
    "jax-js: 1 of 3 rows below 2.5, target 0: missed; the worst 2.00, layer conv2d backwardInput",
  ]);
  assert.match(verdict(rows.slice(2))[0], "TF.js: 2.50 in the geometric mean, target 5: missed");
  const low = "of 1 ratios below 2.5";
  assert.match(floorLines(rows, ["tfjs", "jax"], 0.5)[0], `takes 500 us: ${low}, 0 are`);
  assert.match(floorLines(rows, ["tfjs", "jax"], 1)[0], `takes 1000 us: ${low}, 1 are`);
  assert.equal(verdict([rows[1]]).length, 2, "nothing is said of a peer without a time");
});

test("the table numbers each reason for a missing ratio once", () => {
  const [workload] = matmulPasses("layer", { batch: 1, m: 2, n: 3, k: 4, transposeA: false, transposeB: false });
  const table = new ComparisonTable([workload], ["tfjs", "jax", "torch"]);
  const lines = [rows[0], rows[1], rows[1]].map((one) => table.row(one, workload.label));
  assert.is(new Set([table.header(), ...lines].map(({ length }) => length)).size, 1, "columns are aligned");
  assert.match(lines[0], /10\.00 +4\.00 +-$/);
  assert.match(lines[2], /cannot \[1\] +2\.00 +-$/);
  assert.equal(table.footnotes(), ["[1] TF.js: no dilation"]);
});

test("a training step is a ratio, or the reason why not", () => {
  const step = { ms: 10, losses: [1] };
  assert.match(stepLine({ ...step, peers: { tfjs: { ms: 50 } } }), /10\.0 ms, TF\.js 50\.0 ms: 5\.00 times.*reached$/);
  assert.match(stepLine({ ...step, peers: { tfjs: { ms: 49 } } }), /4\.90 times.*missed$/);
  assert.match(stepLine({ ...step, peers: { tfjs: { cannot: "another loss" } } }), /not timed: another loss$/);
});

test("an evaluation is a ratio to each way of ONNX Runtime, once their logits are ours", () => {
  const lines = evaluationLines({ ms: 20, peers: { cpu: { ms: 10 }, webgpu: { cannot: "no device" } } });
  assert.match(lines[0], /20\.0 ms$/);
  assert.match(lines[1], /CPU.* 10\.0 ms: 0\.50 times$/);
  assert.match(lines[2], /WebGPU not timed: no device$/);
  const [want, close, far] = [Float32Array.of(-8, 1), Float32Array.of(-8, 1.0007), Float32Array.of(-8, 1.001)];
  assert.is(difference(close, want), null);
  assert.match(difference(far, want)!, /logit 1 is 1\.00\d+, ours 1$/);
  assert.match(difference(Float32Array.of(NaN, 1), want)!, "logit 0 is NaN");
  assert.match(difference(close.subarray(1), want)!, "1 logits, ours are 2");
});

test("axes are reordered as the other library has them", () => {
  const image = { data: Float32Array.from({ length: 12 }, (_, i) => i), shape: [1, 2, 2, 3] }; // NHWC
  const turned = permuted(image, [0, 3, 1, 2]);
  assert.equal(turned, { data: Float32Array.of(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11), shape: [1, 3, 2, 2] });
  assert.equal(permuted(turned, [0, 2, 3, 1]), image);
});

test("options select rows, the step, and times from PyTorch", async () => {
  const folder = mkdtempSync(join(tmpdir(), "peers-"));
  try {
    const file = join(folder, "torch.json");
    const timed = { name: "square 512", op: "matmul", pass: "forward", ms: 3 };
    writeFileSync(file, JSON.stringify({ torch: "2.0", device: "CPU", rows: [timed] }));
    const { workloads, step, torch } = readOptions(["--filter", "^square 512", "--torch", file])!;
    assert.equal(
      workloads.map(({ name, op }) => [name, op.name]),
      [["square 512", "matmul"]],
    );
    assert.equal([step, torch!.ms.get("square 512 matmul forward"), torch!.device], [false, 3, "CPU"]);
    const onlyStep = readOptions(["--filter", "^training step$"])!;
    assert.equal([onlyStep.workloads.length, onlyStep.step, onlyStep.evaluation], [0, true, false]);
    const onlyEvaluation = readOptions(["--filter", "^evaluation$"])!;
    assert.equal([onlyEvaluation.workloads.length, onlyEvaluation.step, onlyEvaluation.evaluation], [0, false, true]);
    const all = readOptions([])!;
    assert.ok(all.step && all.workloads.length > 100);
    assert.equal([...new Set(all.workloads.map(({ op }) => op.name))].sort(), ["conv2d", "matmul"]);

    writeFileSync(file, "{}");
    await assertRejects(() => readOptions(["--torch", file]), UserError, `--torch ${file}`, "torch_bench.py");
    await assertRejects(() => readOptions(["--filter", "relu"]), UserError, "--filter relu", '"training step"');
    await assertRejects(() => readOptions(["--set", "large"]), UserError, "--set large", "small or full");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
