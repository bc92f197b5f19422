/** Which variant of the matrix-product kernels is taken where. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Gpu } from "../../src/runtime/gpu.ts";
import type { Choice } from "../../src/runtime/choice.ts";
import { blockedPlan, gemmChoice, gemmVariant, tileOf } from "../../src/ops/variants.ts";

/** All that the choice looks at. */
function adapter(isSoftware: boolean, forced?: string, table: Readonly<Record<string, Choice>> = {}): Gpu {
  const capabilities = { isSoftware, hasSubgroups: true, subgroupSize: 8 };
  const tuned = { get: (kernel: string, shape: string) => table[`${kernel} ${shape}`] };
  return { capabilities, variants: forced ? { conv2d: forced } : {}, tuned, decisions: null } as unknown as Gpu;
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
  const gpu = adapter(false);
  const plan = (rows: number, cols: number, depth: number) => {
    const product = { kernel: "conv2d", lengths: [64, 64], rows, cols, slices: 1, depth } as const;
    const { variant, tune } = gemmChoice(gpu, product);
    assert.is(variant, "blocked");
    return { tune, ...blockedPlan(gpu, product, tune) };
  };
  assert.equal(plan(32768, 128, 576), { tune: { ROWS: 128 }, tiles: [2, 256], splits: 1 });
  assert.equal(plan(32767, 64, 576), { tune: { ROWS: 64 }, tiles: [1, 512], splits: 1 });
  assert.equal(plan(8192, 64, 4608), { tune: { ROWS: 64 }, tiles: [1, 128], splits: 4 });
  assert.equal(plan(64, 64, 1000), { tune: { ROWS: 64 }, tiles: [1, 1], splits: 3 });
});

const product = { kernel: "conv2d", lengths: [64, 64], rows: 8192, cols: 64, slices: 1, depth: 576 } as const;
const [panel, blocked] = [
  { kernel: "conv2d_panel", tune: { LANES: 4, PANELS: 1 } },
  { kernel: "conv2d_blocked", tune: { ROWS: 128 } },
];

test("what is forced comes before the table, and the table before the heuristics", () => {
  const table = { "conv2d 1x8192x64x512": panel };
  const choiceOf = (isSoftware: boolean, forced?: string, entries?: Readonly<Record<string, Choice>>) =>
    gemmChoice(adapter(isSoftware, forced, entries), product);
  assert.equal(choiceOf(true), { variant: "panel", tune: { LANES: 8, PANELS: 2 } });
  assert.equal(choiceOf(true, undefined, table), { variant: "panel", tune: { LANES: 4, PANELS: 1 } });
  assert.equal(choiceOf(false, undefined, table), { variant: "panel", tune: { LANES: 4, PANELS: 1 } });
  assert.equal(choiceOf(true, "panel", table), { variant: "panel", tune: { LANES: 4, PANELS: 1 } });
  assert.equal(choiceOf(true, "tiled", table), { variant: "tiled", tune: {} });
  assert.equal(choiceOf(false, "blocked", table), { variant: "blocked", tune: { ROWS: 64 } });
});

test("narrow products have narrow panels where the table says nothing", () => {
  const lanes = (cols: number) => gemmChoice(adapter(true), { ...product, cols }).tune.LANES;
  assert.equal([lanes(13), lanes(16), lanes(17)], [4, 4, 8]);
});

test("large products have two panels at once", () => {
  const panels = (rows: number, cols: number) => gemmChoice(adapter(true), { ...product, rows, cols }).tune.PANELS;
  assert.equal([panels(8192, 64), panels(256, 64), panels(2 ** 20, 32)], [2, 1, 1]);
});

test("the table serves its class of shapes, and kernels that can run", () => {
  const gpu = adapter(true, undefined, { "conv2d 1x8192x64x512": blocked, "conv2d 1x8192x64x512 ragged": blocked });
  const variant = (other: Partial<typeof product> | object) => gemmChoice(gpu, { ...product, ...other }).variant;
  assert.is(variant({ rows: 9000, cols: 80, depth: 500 }), "blocked");
  assert.is(variant({ rows: 12000 }), "panel");
  assert.is(variant({ slices: 2 }), "panel");
  assert.is(variant({ kernel: "conv2d_backward_input" }), "panel");
  assert.is(variant({ lengths: [64, 19] }), "panel", "blocked cannot take 19 channels");
});

test("decisions are collected with what could have been taken", () => {
  const gpu = adapter(true, undefined, { "relu 1024": { kernel: "relu", tune: { VECTORS: 2 } } });
  gpu.decisions = [];
  assert.equal(tileOf(gpu, "relu", [1000], { VECTORS: 16 }), { VECTORS: 2 });
  gemmChoice(gpu, { ...product, lengths: [64, 19] });
  const heuristic = { kernel: "conv2d_panel", tune: { LANES: 8, PANELS: 2 } };
  const choice = { kernel: "relu", tune: { VECTORS: 2 } };
  assert.equal(gpu.decisions, [
    { kernel: "relu", shape: "1024", files: ["relu"], heuristic: { kernel: "relu", tune: { VECTORS: 16 } }, choice },
    {
      ...{ kernel: "conv2d", shape: "1x8192x64x512 ragged", files: ["conv2d", "conv2d_panel"] },
      ...{ heuristic, choice: heuristic },
    },
  ]);
});

test.run();
