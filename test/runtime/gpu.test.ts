import { test } from "uvu";
import * as assert from "uvu/assert";
import { leakyRelu, relu } from "../../src/ops/activation.ts";
import { scale } from "../../src/ops/elementwise.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { foldGroups } from "../../src/runtime/grid.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";

test("up to 65535 workgroups stay in a row, more are spread over rows with little surplus", () => {
  assert.equal(foldGroups(0), [0, 1, 1]);
  assert.equal(foldGroups(65534), [65534, 1, 1]);
  assert.equal(foldGroups(65535), [65535, 1, 1]);
  assert.equal(foldGroups(65536), [32768, 2, 1]);
  assert.equal(foldGroups(65537), [32769, 2, 1]);
  assert.equal(foldGroups(2 * 65535 + 1), [43691, 3, 1]);
  for (const groups of [65536, 99991, 131071, 1e6 + 3, 2 ** 26 + 1]) {
    const [x, y] = foldGroups(groups);
    assert.ok(x <= 65535 && y <= 65535 && x * y >= groups && x * y - groups < y, `${groups}: ${x} x ${y}`);
  }
});

for (const groups of [65535, 65536]) {
  test(`a kernel reaches every element of ${groups} workgroups`, async () => {
    const gpu = await testGpu();
    using _arena = gpu.arena();
    const pixels = groups * 64 - 1;
    const classes = Tensor.from(
      gpu,
      Int32Array.from({ length: pixels }, (_, i) => (i * 7) % 5),
      [pixels],
    );
    const memory = Tensor.from(gpu, [10, 11, 12, 13, 14], [5, 1, 1]);
    const out = Tensor.empty(gpu, [pixels, 1]);
    gpu.run(
      "memory_lookup",
      { memory, classes, out },
      {
        elements: pixels,
        params: { pixels, slot: 0 },
        constants: { SLOTS: 1, CHANNELS: 1 },
      },
    );
    const wrong = (await out.data()).findIndex((value, i) => value !== 10 + ((i * 7) % 5));
    assert.is(wrong, -1);
  });
}

test("dispatches, copies and clears run in the order in which they were recorded", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [-1, 2, -3, 4], [4]);
  const y = relu(x);
  const before = Tensor.empty(gpu, [4]);
  gpu.copy(x, before, 16);
  gpu.copy(y, x, 16);
  gpu.clear(y);
  const after = leakyRelu(x, 0.5);
  gpu.copy(after, y, 8, 4, 8); // two elements from the second on, to the third place
  assert.equal([...(await before.data())], [-1, 2, -3, 4]);
  assert.equal([...(await x.data())], [0, 2, 0, 4]);
  assert.equal([...(await after.data())], [0, 2, 0, 4]);
  assert.equal([...(await y.data())], [0, 0, 2, 0]);
  await checkDevice();
});

test("every dispatch of a step has its own params, however many there are", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, -1], [2]);
  const results = Array.from({ length: 600 }, (_, i) => scale(x, i));
  const values = await Promise.all(results.map((tensor) => tensor.data()));
  values.forEach(([a, b], i) => assert.equal([a, b], [i, -i]));
});

test("dispatches of the same kernel, buffers and params share a bind group", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _arena = gpu.arena();
  const mask = Tensor.empty(gpu, [2]);
  const record = (keep: number): void => {
    const params = { count: 2, block: 1, seed: 0, offset: 0, threshold: 0, keep };
    gpu.run("dropout", { mask }, { elements: 2, params });
  };
  for (const keep of [2, 3, 2]) record(keep);
  assert.equal([...(await mask.data())], [2, 2]);
  assert.is(gpu.bindGroups, 2);
  for (const keep of [2, 3]) record(keep);
  assert.equal([...(await mask.data())], [3, 3]);
  assert.is(gpu.bindGroups, 2);
  assert.is(gpu.counters.dispatches, 5);
});

test("a step is one submit, reading is another only if something is recorded", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, -1], [2]);
  const y = relu(relu(x));
  assert.equal(gpu.counters, { dispatches: 2, submits: 0, readbacks: 0 });
  await gpu.submit();
  await gpu.submit();
  assert.equal(gpu.counters, { dispatches: 2, submits: 1, readbacks: 0 });
  await y.data();
  assert.equal(gpu.counters, { dispatches: 2, submits: 2, readbacks: 1 });
  assert.is(gpu.pipelines, 1);
});

test("submits keep their order while the first one compiles", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [-5, 5], [2]);
  const y = leakyRelu(x, 0.75); // compiles
  const first = gpu.submit();
  gpu.clear(y); // needs nothing compiled
  const second = gpu.submit();
  await Promise.all([first, second]);
  assert.equal([...(await y.data())], [0, 0]);
});

test("mistakes in a dispatch are reported where they are made", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1], [1]);
  const constants = { OP: 0 };
  const params = { count: 1 };
  const forward = (buffers: object, options: object) => () =>
    gpu.run("activation.forward", buffers as never, options as never);
  assert.throws(
    forward({ x }, { elements: 1, params, constants }),
    /activation.forward: nothing given for binding y/,
  );
  assert.throws(
    () => gpu.run("peak_copy", { source: x, copied: x }, { elements: 1, params: {} as never }),
    /peak_copy: param count is missing/,
  );
  assert.throws(
    () => gpu.run("peak_copy", { source: x, copied: x }, { grid: [1, 65536], params: { count: 1 } }),
    /peak_copy: 1 x 65536 x 1 workgroups; WebGPU allows at most 65535 per axis/,
  );
  assert.throws(
    () => gpu.run("peak_copy", { source: x, copied: x }, { grid: 1.5, params: { count: 1 } }),
    /1.5 x 1 x 1/,
  );
});

test("a dispatch over nothing is left out", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = Tensor.empty(gpu, [0]);
  const { dispatches } = gpu.counters;
  assert.equal([...(await relu(x).data())], []);
  assert.is(gpu.counters.dispatches, dispatches);
});

test("onCompile is told of every kernel up to the last, once; results and later submits are as without", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  using _arena = gpu.arena();
  const told: [number, number][] = [];
  gpu.onCompile = (done, total) => told.push([done, total]);
  const compute = (): Promise<Iterable<number>> => {
    const x = Tensor.from(gpu, [1, -2, 3], [3]);
    return leakyRelu(relu(scale(relu(x), -2)), 0.5).data();
  };
  assert.equal([...(await compute())], [0, 0, 0]);
  await gpu.idle();
  const { pipelines, counters } = gpu;
  assert.equal(told, Array.from({ length: pipelines }, (_, i) => [i + 1, pipelines]));
  const before = counters.submits;
  await compute();
  assert.equal([counters.submits - before, told.length], [1, pipelines]);
});

test("an arena releases what was created in it, but not what was kept or created outside", async () => {
  const gpu = await testGpu();
  const outside = Tensor.from(gpu, [1], [1]);
  let [inside, kept, viewed] = [outside, outside, outside];
  {
    using _arena = gpu.arena();
    inside = Tensor.from(gpu, [2], [1]);
    kept = Tensor.from(gpu, [3], [1]).keep();
    viewed = Tensor.from(gpu, [4], [1]).view([1, 1]).keep(); // the view keeps the memory, not the tensor
  }
  assert.ok(inside.storage.isReleased);
  assert.equal([await outside.item(), await kept.item(), await viewed.item()], [1, 3, 4]);
  for (const tensor of [outside, kept, viewed]) tensor.dispose();
});

test("the innermost arena owns, and ends before the outer one", async () => {
  const gpu = await testGpu();
  const { live } = gpu.memory;
  {
    using _outer = gpu.arena();
    const a = Tensor.empty(gpu, [256]);
    {
      using _inner = gpu.arena();
      const b = Tensor.empty(gpu, [256]);
      b.dispose(); // early, and not twice
      Tensor.empty(gpu, [256]);
      assert.is(gpu.memory.live, live + 2048);
    }
    assert.is(gpu.memory.live, live + 1024);
    assert.not(a.storage.isReleased);
    Tensor.empty(gpu, [256]);
    assert.is(gpu.memory.live, live + 2048);
  }
  assert.is(gpu.memory.live, live);
});

test("an arena ends with an exception, too", async () => {
  const gpu = await testGpu();
  const { live } = gpu.memory;
  assert.throws(() => {
    using _arena = gpu.arena();
    Tensor.empty(gpu, [256]);
    throw new Error("midway");
  }, "midway");
  assert.is(gpu.memory.live, live);
  const after = Tensor.empty(gpu, [1]);
  assert.not(after.storage.isReleased);
  after.dispose();
});

test("release spares a kept tensor, dispose does not", async () => {
  const gpu = await testGpu();
  const x = Tensor.from(gpu, [1], [1]).keep();
  x.release();
  assert.is(await x.item(), 1);
  x.dispose();
  assert.ok(x.storage.isReleased);
});

test.run();
