/** Scaling series: what is made of their points, and one that is measured. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { describeGrowth, fitExponent, fitLine, growth } from "../../bench/growth.ts";
import { matmulPasses } from "../../bench/products.ts";
import { describeSeries, measureSeries, scalingSeries, seriesTitle } from "../../bench/scaling.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { checkDevice, sharedDevice } from "../support/gpu.ts";

const near = (a: number, b: number): boolean => Math.abs(a - b) < 1e-9;

test("growth is relative to the first point", () => {
  const costs = [
    { size: 19, ms: 2, bytes: 100 },
    { size: 38, ms: 3, bytes: 200 },
    { size: 76, ms: 8, bytes: 100 },
  ];
  assert.equal(growth(costs), [
    { size: 2, time: 1.5, memory: 2 },
    { size: 4, time: 4, memory: 1 },
  ]);
});

test("exponents are those of a power law, and the best ones where it does not hold", () => {
  for (const exponent of [0, 1, 2, 1.5]) {
    assert.ok(near(fitExponent([1, 2, 4, 7].map((x) => [x, 5 * x ** exponent])), exponent), `${exponent}`);
  }
  assert.ok(near(fitExponent([[1, 1], [2, 4], [4, 4]]), 1), "a dent that is symmetrical in logarithms");
  assert.ok(Number.isNaN(fitExponent([[3, 1]])));
});

test("a line says how much does not grow, and how well it fits", () => {
  const line = fitLine([1, 2, 4].map((x) => [x, 3 + x]));
  assert.ok(near(line.fixed, 0.75) && near(line.off, 0), JSON.stringify(line));
  assert.ok(fitLine([1, 2, 4].map((x) => [x, x * x])).off > 0.4, "a square is no line");
});

test("a series in words", () => {
  const costs = [1, 2, 4].map((size) => ({ size, ms: 10 * size ** 2, bytes: 2 ** 20 * size }));
  assert.equal(describeGrowth("images", costs), [
    "1 images: 10.0 ms, 1.00 MiB",
    "x2.00 images: x4.00 time, x2.00 memory",
    "x4.00 images: x16.0 time, x4.00 memory",
    "time: exponent 2.00; a + b·images within 86 %, a being below 0",
    "memory: exponent 1.00; a + b·images within 0 %, a being 0 % of the first",
  ]);
});

test("every series grows along its axis, from the smallest point on", () => {
  for (const set of ["small", "full"] as const) {
    const series = scalingSeries(set);
    assert.equal(
      series.map((each) => Object.values(seriesTitle(each)).join(" ")),
      [
        "images step scaling",
        "pixels step scaling",
        "classes scores scaling",
        "channels memory scaling",
        "positions attention scaling",
      ],
    );
    for (const { axis, points } of series) {
      const sizes = points.map(({ size }) => size);
      assert.ok(sizes.length >= 3 && String(sizes) === String([...sizes].sort((a, b) => a - b)), `${axis}: ${sizes}`);
    }
    const at = (axis: string) => series.find((each) => each.axis === axis)!.points;
    assert.equal(at("pixels").map(({ size }) => size / at("pixels")[0].size), [1, 2, 4]);
    assert.equal(at("classes").map(({ size }) => size), [19, 38, 76, 150]);
  }
});

test("points are measured one by one, each with its own memory", async () => {
  const { device } = await sharedDevice();
  const points = [16, 32].map((size) => ({
    size,
    shape: { m: size },
    subject: matmulPasses("x", { batch: 1, m: size, n: 64, k: 64, transposeA: false, transposeB: false }, ["forward"]),
  }));
  const series = { axis: "rows", op: "matmul", about: "linear", points };
  const rows = await measureSeries({ device, kernels: kernelsOnDisk, variants: {} }, series);
  await checkDevice();
  assert.equal(
    rows.map(({ name, op, pass, shape, size }) => [name, op, pass, shape, size]),
    points.map(({ size, shape }) => [`${size} rows`, "matmul", "scaling", shape, size]),
  );
  for (const { size, peakBytes, fixedBytes, minMs, samplesMs } of rows) {
    assert.equal([peakBytes, fixedBytes], [4 * (64 * 64 + 2 * size * 64), 0], "both operands and the result");
    assert.ok(minMs > 0 && samplesMs.length >= 3);
  }
  assert.match(describeSeries(series, rows), /^scaling of matmul with rows: linear\n {2}16 rows: .* ms, 24\.0 KiB\n {2}x2/);
});

test.run();
