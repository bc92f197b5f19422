/** The memory update: the official code's results, the edge cases of METHOD.md 2.5, what stays untouched. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { updateMemory } from "../../src/ops/memory.ts";
import type { MemoryStrategy, MemoryUpdateOptions } from "../../src/ops/memory.options.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { assertClose } from "../support/compare.ts";
import { channelsLast, readFixture } from "../support/fixtures.ts";
import type { Fixture, FixtureCase } from "../support/fixtures.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const IGNORE = 255;
const DEFAULTS: MemoryUpdateOptions = { momentum: 0.9, strategy: "cosine_similarity", ignoreIndex: IGNORE };
const TOLERANCE = { rtol: 2e-6, atol: 1e-6 };

interface Input {
  readonly memory: readonly number[] | Float32Array;
  readonly memoryShape: Shape;
  readonly features: readonly number[] | Float32Array;
  readonly featuresShape: Shape;
  readonly labels: readonly number[] | Int32Array;
  /** Default: the features' height and width. */
  readonly size?: readonly [number, number];
  readonly options?: Partial<MemoryUpdateOptions>;
}

async function update(input: Input): Promise<Float32Array> {
  const gpu = await testGpu({ guarded: true });
  using _arena = gpu.arena();
  const [n, h, w] = input.featuresShape;
  const memory = Tensor.from(gpu, Float32Array.from(input.memory), input.memoryShape);
  const features = Tensor.from(gpu, Float32Array.from(input.features), input.featuresShape);
  const labels = Tensor.from(gpu, Int32Array.from(input.labels), [n, ...(input.size ?? [h, w])]);
  const result = updateMemory(memory, features, labels, { ...DEFAULTS, ...input.options });
  const updated = Float32Array.from(await result.data());
  const after = Float32Array.from(await memory.data());
  assert.equal(bytes(after), bytes(Float32Array.from(input.memory)), "the memory that forward used has changed");
  await checkDevice();
  return updated;
}

/** Pixels of one class in one row of an image, against one slot per class. */
function updateRow(memory: readonly number[][], pixels: readonly number[][], labels: readonly number[], options = {}) {
  const channels = memory[0].length;
  return update({
    memory: memory.flat(),
    memoryShape: [memory.length, 1, channels],
    features: pixels.flat(),
    featuresShape: [1, 1, pixels.length, channels],
    labels,
    options,
  });
}

const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const fixture = (name: string): Fixture =>
  readFixture(new URL(`../fixtures/mcibi/${name}.safetensors`, import.meta.url).href);

interface Params {
  readonly strategy: MemoryStrategy;
  readonly ignore_index: number;
  readonly steps?: number;
  readonly effective_momentum?: readonly number[];
  readonly momentum_cfg: { readonly base_momentum: number };
  readonly learning_rates: readonly number[];
  readonly well_defined?: boolean;
}

function step(
  file: Fixture,
  item: FixtureCase,
  memory: Float32Array,
  suffix: string,
  momentum: number,
  labels?: Int32Array,
): Promise<Float32Array> {
  const params = item.params as unknown as Params;
  const features = file.get(item, `features${suffix}`);
  const { values, shape } = channelsLast(features.data as Float32Array, features.shape);
  return update({
    memory,
    memoryShape: file.get(item, "memory_before").shape,
    features: values,
    featuresShape: shape,
    labels: labels ?? (file.get(item, `segmentation${suffix}`).data as Int32Array),
    options: { momentum, strategy: params.strategy, ignoreIndex: params.ignore_index, unassigned: "decay" },
  });
}

function assertResult(file: Fixture, item: FixtureCase, name: string, got: Float32Array): void {
  const [rtol, atol] = item.expected[name];
  const want = file.get(item, name);
  assertClose(`${item.id} (${item.note}) ${name}`, got, want.data as Float32Array, want.shape, { rtol, atol });
}

test("equals the official update, step by step", async () => {
  const file = fixture("memory_update");
  assert.is(file.cases.length, 19);
  for (const item of file.cases) {
    const { steps, effective_momentum: momenta } = item.params as unknown as Required<Params>;
    let memory = file.get(item, "memory_before").data as Float32Array;
    for (let t = 0; t < steps; t++) {
      memory = await step(file, item, memory, `_step_${t}`, momenta[t]);
      assertResult(file, item, `memory_after_step_${t}`, memory);
    }
  }
});

test("equals the official update in well-defined degenerate cases, and stays finite in the others", async () => {
  const file = fixture("memory_update_edge");
  let compared = 0;
  for (const item of file.cases) {
    const params = item.params as unknown as Params;
    const before = file.get(item, "memory_before").data as Float32Array;
    const run = (labels?: Int32Array) => step(file, item, before, "", params.momentum_cfg.base_momentum, labels);
    if (params.well_defined) {
      // A label of -1 indexes the official memory from its end; we skip it, so the case is run as what it amounts to.
      const labels = file.get(item, "segmentation").data as Int32Array;
      const classes = file.get(item, "memory_before").shape[0];
      assertResult(file, item, "memory_after", await run(labels.map((label) => (label === -1 ? classes - 1 : label))));
      compared++;
    } else if (item.expected_error === undefined) {
      assert.ok((await run()).every(Number.isFinite), `${item.id} (${item.note}) is not finite`);
    }
  }
  assert.is(compared, 9);
});

test("test vectors: weights grow with the distance from the memory", async () => {
  const pixels = [[1, 0, 0], [0, 1, 0], [1, 0, 1], [2, 0, 1]];
  const run = (options: Partial<MemoryUpdateOptions>) => updateRow([[1, 0, 1]], pixels, [0, 0, 0, 0], options);
  const check = async (options: Partial<MemoryUpdateOptions>, want: number[]) =>
    assertClose(JSON.stringify(options), await run(options), want, [3], { rtol: 0, atol: 2e-6 });
  await check({ momentum: 0.9 }, [0.36482, 0.669538, 0.134358]);
  await check({ momentum: 0.5 }, [0.647122, 0.371966, 0.519088]);
  await check({ momentum: 1 }, [0.294245, 0.743931, 0.038176]);
  await check({ momentum: 1, strategy: "mean" }, [1, 0.25, 0.5]);
  await check({ momentum: 0 }, [1, 0, 1]);
});

test("an empty slot takes the mean of its class whatever the momentum", async () => {
  const got = await updateRow([[0, 0], [3, 4]], [[1, 2], [3, 6], [5, 5]], [0, 0, IGNORE], { momentum: 0.1 });
  assertClose("memory", got, [2, 4, 3, 4], [2, 2], TOLERANCE);
});

test("a slot with any value above zero is not empty, however small", async () => {
  const got = await updateRow([[1e-30, 0]], [[1, 1]], [0], { momentum: 0.5 });
  assertClose("memory", got, [0.5, 0.5], [1, 2], TOLERANCE);
});

test("a single pixel has weight 1", async () => {
  const got = await updateRow([[1, 0]], [[3, 4]], [0], { momentum: 0.5 });
  assertClose("memory", got, [2, 2], [1, 2], TOLERANCE);
});

test("weights are uniform where every pixel is parallel to the memory", async () => {
  const single = await updateRow([[0, 2]], [[0, 5]], [0], { momentum: 0.5 });
  assertClose("one pixel", single, [0, 3.5], [1, 2], TOLERANCE);
  const many = await updateRow([[0, 2]], [[0, 1], [0, 2], [0, 6]], [0, 0, 0], { momentum: 1 });
  assertClose("many pixels", many, [0, 3], [1, 2], TOLERANCE);
  const row = [0.3, 0.7, 0.11, 0.9, 0.51];
  const lengths = [1, 7, 0.3, 2.2, 0.9, 5, 11];
  const pixels = lengths.map((length) => row.map((v) => length * v));
  const rounded = await updateRow([row], pixels, lengths.map(() => 0), { momentum: 1 });
  const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
  assertClose("parallel up to rounding", rounded, row.map((v) => mean * v), [1, 5], TOLERANCE);
});

test("a pixel without features has cosine 0: it counts like an orthogonal one", async () => {
  const got = await updateRow([[2, 0]], [[0, 0], [0, 6]], [0, 0], { momentum: 1 });
  assertClose("memory", got, [0, 3], [1, 2], TOLERANCE);
});

for (const strategy of ["cosine_similarity", "mean"] as const) {
  test(`a pixel without features is left out when told so (${strategy})`, async () => {
    const options = { momentum: 1, strategy, skipZeroFeatures: true } as const;
    const pixels = [[0, 0], [0, 6], [1e-7, 0], [0, 0], [4, 0], [NaN, 0]];
    const memory = [[2, 0], [3, 4], [0, 0], [5, 6]];
    const got = await updateRow(memory, pixels, [0, 0, 0, 1, 2, 3], options);
    assertClose("memory", got, [0, 6, 3, 4, 4, 0, 5, 6], [4, 2], TOLERANCE);
    const empty = await updateRow([[0, 0]], [[0, 0], [2, 4]], [0, 0], options);
    assertClose("an empty slot", empty, [2, 4], [1, 2], TOLERANCE);
  });
}

test("labels that no class has change nothing and reach no memory", async () => {
  const memory = [[1, 2], [3, 4]];
  const pixels = [[5, 6], [7, 8], [9, 1], [2, 3], [4, 5]];
  const got = await updateRow(memory, pixels, [IGNORE, -1, 2, 2 ** 31 - 1, -(2 ** 31)]);
  assert.equal(got, Float32Array.from(memory.flat()));
});

test("the ignored label may be the number of a class", async () => {
  const got = await updateRow([[1, 0], [0, 1]], [[4, 0], [0, 4]], [0, 1], { ignoreIndex: 0, momentum: 0.5 });
  assertClose("memory", got, [1, 0, 0, 2.5], [2, 2], TOLERANCE);
});

test("classes without pixels keep their bytes, of any value", async () => {
  const memory = new Float32Array(4 * 3);
  const words = new Uint32Array(memory.buffer);
  words.set([0x00000001, 0x80000000, 0x7f7fffff], 0); // subnormal, -0, the largest number
  words.set([0x7fc12345, 0xff800000, 0x3f800000], 3); // NaN with a payload, -infinity, 1
  memory.set([1, 2, 3], 9);
  const got = await update({
    memory,
    memoryShape: [4, 1, 3],
    features: Float32Array.from({ length: 12 }, (_, i) => i),
    featuresShape: [1, 2, 2, 3],
    labels: new Int32Array(16).fill(3),
    size: [4, 4],
  });
  assert.equal(bytes(got).slice(0, 36), bytes(memory).slice(0, 36));
  assert.is.not(got[9], 1);
});

for (const strategy of ["cosine_similarity", "mean"] as const) {
  for (const value of [NaN, Infinity, -Infinity]) {
    test(`${value} among the features stops the update of its class alone (${strategy})`, async () => {
      const features = [1, 1, value, 0, 1, 3, 2, 2];
      const memory = [[2, 1], [5, 5], [0, 0]];
      const labels = [0, 1, 2, 0];
      const pixels = [0, 2, 4, 6].map((i) => features.slice(i, i + 2));
      const got = await updateRow(memory, pixels, labels, { strategy, momentum: 0.5 });
      assert.equal(got.slice(2, 4), Float32Array.of(5, 5));
      assertClose("an empty slot is still filled", got.slice(4), [1, 3], [2], TOLERANCE);
      assert.ok(got.slice(0, 2).every(Number.isFinite) && got[0] !== 2, `class 0 is ${got.slice(0, 2)}`);
      const first = await updateRow([[0, 0], [1, 1]], [[value, 1], [1, 2]], [0, 1], { strategy });
      assert.equal(first.slice(0, 2), Float32Array.of(0, 0), "an empty slot stays empty");
    });
  }
}

test("features too large for the squares in f32 are refused like infinity", async () => {
  const got = await updateRow([[1, 0], [0, 1]], [[1e30, 1e30], [0, 3]], [0, 1], { momentum: 0.5 });
  assertClose("memory", got, [1, 0, 0, 2], [2, 2], TOLERANCE);
});

test("several slots: the first empty one takes the whole class and the others wait", async () => {
  const input = { memoryShape: [1, 3, 2], featuresShape: [1, 1, 2, 2], features: [1, 0, 0, 3], labels: [0, 0] };
  const first = await update({ ...input, memory: [0, 0, 0, 0, 0, 0] });
  assertClose("slot 0", first, [0.5, 1.5, 0, 0, 0, 0], [3, 2], TOLERANCE);
  const second = await update({ ...input, memory: first, features: [4, 0, 0, 2] });
  assertClose("slot 1", second, [0.5, 1.5, 2, 1, 0, 0], [3, 2], TOLERANCE);
  const gap = await update({ ...input, memory: [0, 0, 7, 7, 0, 0] });
  assertClose("slot 0 before slot 2", gap, [0.5, 1.5, 7, 7, 0, 0], [3, 2], TOLERANCE);
});

test("several slots: a pixel moves the most similar one, the first of equals; the rest stay or decay", async () => {
  const input = {
    memory: [1, 0, 0, 1, 1, 0],
    memoryShape: [1, 3, 2],
    features: [4, 0, 3, 0],
    featuresShape: [1, 1, 2, 2],
    labels: [0, 0],
    options: { momentum: 0.5 },
  };
  assertClose("kept", await update(input), [2.25, 0, 0, 1, 1, 0], [3, 2], TOLERANCE);
  const decayed = await update({ ...input, options: { momentum: 0.5, unassigned: "decay" } });
  assertClose("decayed", decayed, [2.25, 0, 0, 0.5, 0.5, 0], [3, 2], TOLERANCE);
  const absent = await update({ ...input, labels: [IGNORE, IGNORE], options: { unassigned: "decay" } });
  assert.equal(absent, Float32Array.from(input.memory), "a class without pixels does not decay");
});

const RANDOM: Input = (() => {
  const random = seededRandom(5);
  return {
    memory: Float32Array.from({ length: 7 * 2 * 12 }, () => normal(random)),
    memoryShape: [7, 2, 12],
    features: Float32Array.from({ length: 3 * 5 * 6 * 12 }, () => normal(random)),
    featuresShape: [3, 5, 6, 12],
    labels: Int32Array.from({ length: 3 * 33 * 47 }, () => Math.floor(random() * 9) - 1),
    size: [33, 47],
  };
})();

test("two runs give the same bytes", async () => {
  assert.equal(bytes(await update(RANDOM)), bytes(await update(RANDOM)));
});

test("is not recorded, reads nothing back, and holds nothing of the labels' size times the channels", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk }); // its own, whose peak no other test has raised
  using _arena = gpu.arena();
  const features = Tensor.zeros(gpu, [2, 16, 16, 64]).requireGrad();
  const memory = Tensor.zeros(gpu, [19, 1, 64]).requireGrad();
  const labels = Tensor.zeros(gpu, [2, 256, 256], "i32");
  const before = gpu.memory.peak;
  const updated = updateMemory(memory, features, labels, DEFAULTS);
  assert.is(updated.node, null);
  assert.is(gpu.counters.readbacks + gpu.counters.submits, 0);
  assert.ok(gpu.memory.peak - before < (2 * 256 * 256 * 64 * 4) / 10, `${gpu.memory.peak - before} bytes`);
  await gpu.idle();
  await checkDevice();
});

test("refuses what it cannot do, and says what it expected", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const memory = Tensor.zeros(gpu, [3, 2, 4]);
  const features = Tensor.zeros(gpu, [1, 3, 4, 4]);
  const labels = Tensor.zeros(gpu, [1, 6, 8], "i32");
  const good = { memory, features, labels };
  const refuses = (pattern: RegExp, change: Partial<typeof good>, options = {}) => {
    const given = { ...good, ...change };
    assert.throws(() => updateMemory(given.memory, given.features, given.labels, { ...DEFAULTS, ...options }), pattern);
  };
  refuses(/"mean" cannot tell 2 slots per class apart/, {}, { strategy: "mean" });
  refuses(/unknown strategy "max"; expected "cosine_similarity" or "mean"/, {}, { strategy: "max" });
  refuses(/momentum is 1.8; expected 0 to 1/, {}, { momentum: 1.8 });
  refuses(/momentum is NaN/, {}, { momentum: NaN });
  refuses(/memory has shape \[3, 8\]; expected \[classes, slots, channels\]/, { memory: memory.view([3, 8]) });
  refuses(/features have shape \[1, 4, 6, 2\]; expected \[n, h, w, 4\]/, { features: features.view([1, 4, 6, 2]) });
  refuses(/labels are i32 of shape \[2, 3, 8\]; expected i32 of shape \[1, H, W\]/, { labels: labels.view([2, 3, 8]) });
  refuses(/labels are f32/, { labels: Tensor.zeros(gpu, [1, 6, 8]) });
});

test.run();
