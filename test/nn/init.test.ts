import { test } from "uvu";
import * as assert from "uvu/assert";
import { initialValues, ones, uniformFanIn, zeros } from "../../src/nn/init.ts";

test("uniform values have the mean and variance of U(-b, b), b = 1 / sqrt(fan_in)", () => {
  const values = initialValues(100_000, uniformFanIn(25), 1, "a.weight");
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + value * value, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.2 * 0.01, `mean ${mean}`);
  assert.ok(Math.abs(variance / (0.04 / 3) - 1) < 0.02, `variance ${variance}`);
});

test("constants", () => {
  assert.equal(initialValues(2, zeros, 1, "a"), Float32Array.of(0, 0));
  assert.equal(initialValues(2, ones, 1, "a"), Float32Array.of(1, 1));
});

test.run();
