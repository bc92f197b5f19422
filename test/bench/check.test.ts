/** Nothing wrong gets timed: right kernels pass, and damaged ones do not. */
import { suite, test } from "uvu";
import * as assert from "uvu/assert";
import { Checker } from "../../bench/check.ts";
import { attentionPasses, hardPixelsPass, interpolatePasses, lossPasses } from "../../bench/heads.ts";
import { memoryUpdatePass, rowLossPasses } from "../../bench/heads.ts";
import { convolutionPasses, matmulPasses } from "../../bench/products.ts";
import { STREAM_KINDS, streamPasses } from "../../bench/streams.ts";
import { adamStepPass, clipPass, predictionPasses, sgdStepPass } from "../../bench/unrecorded.ts";
import type { Workload } from "../../bench/workload.ts";
import { gemmVariant } from "../../src/ops/variants.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";

const pair = (value: number) => [value, value] as const;
const conv = convolutionPasses("conv", {
  n: 2,
  h: 12,
  w: 7,
  inChannels: 12,
  outChannels: 10,
  groups: 2,
  kernel: [3, 2],
  stride: [2, 1],
  padding: [2, 0],
  dilation: [2, 1],
});
const matmul = matmulPasses("product", { batch: 3, m: 70, n: 33, k: 40, transposeA: false, transposeB: true });
const map = { n: 2, h: 3, w: 4, channels: 12 };
const streams = [
  ...STREAM_KINDS.flatMap((kind) => streamPasses(`${kind} map`, kind, map)),
  ...streamPasses("odd map", "batch_norm", { ...map, channels: 5 }),
  ...interpolatePasses("map", map, pair(20)),
  ...lossPasses("map", map, pair(20)),
  hardPixelsPass("map", map, pair(20)),
  ...rowLossPasses("rows", 6),
  ...attentionPasses("map", map),
  memoryUpdatePass("memory", map, pair(20), 6),
  ...predictionPasses("scores", [1, 4, 5, 6]),
  sgdStepPass("weight", 100),
  sgdStepPass("odd weight", 19),
  adamStepPass("weight", 100),
  adamStepPass("odd weight", 19),
  clipPass("gradient", 100),
];

interface Damage {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

async function checkWith(workload: Workload, variant: string, damage?: Damage): Promise<string | null> {
  const { device } = await sharedDevice();
  const kernels = (file: string): string => {
    const source = kernelsOnDisk(file);
    if (file !== damage?.file) return source;
    assert.ok(source.includes(damage.from), `${file}.wgsl has changed: choose another damage`);
    return source.replaceAll(damage.from, damage.to);
  };
  const variants = workload.reduced ? { [workload.op.name]: variant } : {};
  const problem = await new Checker({ device, kernels, variants }).check(workload, variant);
  await checkDevice();
  return problem;
}

async function assertWrong(message: RegExp, ...args: Parameters<typeof checkWith>): Promise<void> {
  assert.match((await checkWith(...args)) ?? "right", message);
}

for (const workload of [...conv, ...matmul, ...streams]) {
  test(`${workload.name} ${workload.op.name} ${workload.pass} is right`, async () => {
    assert.is(await checkWith(workload, workload.reduced ? "tiled" : "auto"), null);
  });
}

test("a damaged base kernel is not right", async () => {
  const damages: readonly Damage[] = [
    { file: "conv2d", from: "c3 = fma(", to: "c3 = 1.001 * fma(" },
    { file: "conv2d_backward_input", from: "c3 = fma(", to: "c3 = 1.001 * fma(" },
    { file: "conv2d_backward_weight", from: "c3 = fma(", to: "c3 = 1.001 * fma(" },
  ];
  for (const [i, damage] of damages.entries()) {
    await assertWrong(/^element \d+ is .*, the f64 reference.* has .* \(tolerance /, conv[i], "tiled", damage);
  }
});

test("nor is a damaged op without variants, whichever pass is damaged", async () => {
  const [forward, backward] = streamPasses("map", "relu", map);
  const wrongForward = { file: "activation_vec4", from: "select(vec4f(), SLOPE", to: "select(vec4f(0.1), SLOPE" };
  const wrongBackward = { file: "activation_vec4", from: "dx[i] = dy[i] *", to: "dx[i] = 0.999 * dy[i] *" };
  await assertWrong(/the f64 reference has 0/, forward, "auto", wrongForward);
  await assertWrong(/the f64 reference \(gradient of input 0\)/, backward, "auto", wrongBackward);
});

const panel = suite("panel kernels");
const canShuffle = gemmVariant(await testGpu(), "conv2d", []) === "panel";
if (!canShuffle) console.log("skipped: panel kernels against the base kernel (this adapter does not choose them)");
const testPanel = canShuffle ? panel : panel.skip;

for (const workload of [...conv, ...matmul]) {
  testPanel(`${workload.op.name} ${workload.pass} agrees with the base kernel`, async () => {
    assert.is(await checkWith(workload, "panel"), null);
  });
}

testPanel("a variant that is off by a little, or in a single element, does not agree", async () => {
  const files = ["conv2d_panel", "conv2d_backward_input_panel", "conv2d_backward_weight_panel"];
  for (const [i, file] of files.entries()) {
    const damage = { file, from: "c[r] = fma(", to: "c[r] = 0.9999 * fma(" };
    await assertWrong(/^element \d+ is .*, the base kernel has /, conv[i], "panel", damage);
  }
  const lastRowMissing = { file: "conv2d_panel", from: "row0 + r < pixels", to: "row0 + r + 1u < pixels" };
  await assertWrong(/^element \d+ is NaN/, conv[0], "panel", lastRowMissing);
});

// Between them: both tiles, several of each with a ragged edge, sums that are split and sums that are not.
const dilated = { n: 1, h: 30, w: 30, groups: 1, kernel: pair(3), stride: pair(1), padding: pair(24), dilation: pair(24) };
const inFours = [
  ...convolutionPasses("few", { ...dilated, inChannels: 12, outChannels: 20 }),
  ...convolutionPasses("widening", { ...dilated, inChannels: 20, outChannels: 260 }),
  ...convolutionPasses("narrowing", { ...dilated, inChannels: 260, outChannels: 20 }),
  ...convolutionPasses("pointwise", { ...dilated, inChannels: 132, outChannels: 68, kernel: pair(1), padding: pair(0) }),
  ...convolutionPasses("strided", {
    ...dilated,
    inChannels: 24,
    outChannels: 40,
    groups: 2,
    stride: [2, 3],
    padding: [2, 0],
    dilation: [1, 2],
  }),
  ...[false, true].flatMap((turned) => [
    ...matmulPasses("product", { batch: 1, m: 132, n: 68, k: 100, transposeA: turned, transposeB: turned }),
    ...matmulPasses("products", { batch: 2, m: 132, n: 132, k: 36, transposeA: turned, transposeB: turned }),
  ]),
];

for (const workload of inFours) {
  test(`${workload.label}: blocked ${workload.op.name} ${workload.pass} agrees with the base kernel`, async () => {
    assert.is(await checkWith(workload, "blocked"), null);
  });
}

test("a blocked kernel that is off by a little does not", async () => {
  const files = ["conv2d_blocked", "conv2d_backward_input_blocked", "conv2d_backward_weight_blocked"];
  for (const [i, file] of files.entries()) {
    const damage = { file, from: "vec4f(lower.w)", to: "vec4f(0.9999 * lower.w)" };
    await assertWrong(/^element \d+ is .*, the base kernel has /, inFours[i], "blocked", damage);
  }
  const damage = { file: "matmul_blocked", from: "a_rows, k, TRANSPOSE_A", to: "a_rows, k + 4u, TRANSPOSE_A" };
  await assertWrong(/^element \d+ is .*, the base kernel has /, inFours.at(-1)!, "blocked", damage);
});

test.run();
panel.run();
