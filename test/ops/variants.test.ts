/** Which variant of the matrix-product kernels is taken where. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { blockedPlan, gemmVariant } from "../../src/ops/variants.ts";

/** All that the choice looks at. */
function adapter(isSoftware: boolean, forced?: string): Gpu {
  const capabilities = { isSoftware, hasSubgroups: true, subgroupSize: 8 };
  return { capabilities, variants: forced ? { conv2d: forced } : {} } as unknown as Gpu;
}

test("GPUs take the blocked kernels for whole vectors and whole steps, CPU adapters never", () => {
  const cases: readonly (readonly [lengths: readonly number[], variant: string])[] = [
    [[64, 256], "blocked"],
    [[16, 20], "blocked"],
    [[3, 64], "tiled"],
    [[512, 19], "tiled"],
    [[12, 64], "tiled"],
  ];
  for (const [lengths, variant] of cases) {
    assert.is(gemmVariant(adapter(false), "conv2d", lengths), variant, String(lengths));
    assert.is(gemmVariant(adapter(true), "conv2d", lengths), "panel");
    assert.is(gemmVariant(adapter(false, "tiled"), "conv2d", lengths), "tiled");
  }
});

test("forced, they take whole vectors of any number and say what they cannot take", () => {
  for (const isSoftware of [true, false]) {
    assert.is(gemmVariant(adapter(isSoftware, "blocked"), "conv2d", [4, 12]), "blocked");
    assert.throws(
      () => gemmVariant(adapter(isSoftware, "blocked"), "conv2d", [64, 19]),
      /conv2d: the variant blocked .* multiples of 4 long, these are 64, 19/,
    );
  }
});

test("the large tile where it fills the GPU, else the small one, else split sums", () => {
  const plan = (rows: number, cols: number, depth: number) =>
    blockedPlan(adapter(false), { rows, cols, slices: 1, depth });
  assert.equal(plan(32768, 128, 576), { tune: { ROWS: 128 }, tiles: [2, 256], splits: 1 });
  assert.equal(plan(32767, 64, 576), { tune: { ROWS: 64 }, tiles: [1, 512], splits: 1 });
  assert.equal(plan(8192, 64, 4608), { tune: { ROWS: 64 }, tiles: [1, 128], splits: 4 });
  assert.equal(plan(64, 64, 1000), { tune: { ROWS: 64 }, tiles: [1, 1], splits: 3 });
});

test.run();
