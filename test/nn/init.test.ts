import { test } from "uvu";
import * as assert from "uvu/assert";
import { initialValues, ones, uniformFanIn, zeros } from "../../src/nn/init.ts";
import { philox4x32 } from "../../src/random.ts";

test("Philox 4x32-10 gives the known answers of its authors' Random123", () => {
  const all = 0xffffffff;
  const hex = (words: readonly number[]) => words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
  assert.is(hex(philox4x32([0, 0, 0, 0], [0, 0])), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  assert.is(hex(philox4x32([all, all, all, all], [all, all])), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  const pi = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0] as const;
  assert.is(hex(philox4x32([pi[0], pi[1], pi[2], pi[3]], [pi[4], pi[5]])), "d16cfe09 94fdcceb 5001e420 24126ea1");
});

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
