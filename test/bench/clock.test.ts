import { test } from "uvu";
import * as assert from "uvu/assert";
import { Clock, mergeTimings, summarize } from "../../bench/clock.ts";
import { convolutionPasses } from "../../bench/products.ts";
import { toRow } from "../../bench/report.ts";
import { prepare } from "../../bench/workload.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { sharedDevice } from "../support/gpu.ts";

const one = [1, 1] as const;
const shape = {
  n: 1,
  h: 8,
  w: 8,
  inChannels: 4,
  outChannels: 4,
  kernel: one,
  stride: one,
  padding: [0, 0],
  dilation: one,
  groups: 1,
} as const;

test("a pass is timed in repetitions that take 20 ms together, and leaves no memory behind", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  const clock = new Clock(gpu);
  for (const workload of convolutionPasses("layer", shape)) {
    using _arena = gpu.arena();
    const { record } = prepare(gpu, workload, workload.problem);
    record();
    await gpu.submit();
    const { live, reserved } = gpu.memory;
    const before = gpu.counters.dispatches;
    let calls = 0;
    const timing = await clock.measure(() => {
      calls++;
      return record();
    });
    assert.ok(timing.minMs > 0 && timing.medianMs >= timing.minMs, JSON.stringify(timing));
    assert.ok(timing.samplesMs.length >= 5 && timing.samplesMs[0] === Number(timing.minMs.toPrecision(4)));
    assert.is(gpu.counters.dispatches - before, calls);
    assert.ok(calls * timing.minMs >= 99.9 || calls >= 5 * 4096, `5 samples of 20 ms: ${calls} of ${timing.minMs} ms`);
    assert.is(gpu.memory.live, live);
    assert.ok(gpu.memory.reserved <= reserved + 4096, "repetitions use the same memory");
  }
});

test("time grows with work", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk });
  const clock = new Clock(gpu);
  using _arena = gpu.arena();
  const operands = Tensor.from(gpu, [0.5, 0.5], [2]);
  const out = Tensor.empty(gpu, [64 * 64]);
  const timeOf = async (iterations: number): Promise<number> => {
    const run = () => gpu.run("peak_fma.scalar", { operands, out }, { grid: 64, params: { iterations } });
    return (await clock.measure(run)).minMs;
  };
  const [little, much] = [await timeOf(20), await timeOf(200)];
  assert.ok(much > 2 * little, `${little} ms and ${much} ms for ten times the work`);
  assert.equal(
    [...(await out.data())].slice(0, 8),
    Array(8).fill(12),
    "every chain of x = x / 2 + 1 / 2 has arrived at 1",
  );
});

test("a row has the rates of the fastest sample and its share of the nearer peak", () => {
  const [layer] = convolutionPasses("layer", shape);
  assert.equal([layer.flops, layer.bytes], [2 * 64 * 16, 4 * (256 + 16 + 256)]);
  const workload = { ...layer, flops: 4e6, bytes: 1e6 };
  const timing = { medianMs: 4, minMs: 2, samplesMs: [2, 4, 5] };
  const row = toRow(workload, "tiled", timing, { gflops: 8, gbps: 100 });
  assert.equal(row, {
    name: "layer",
    op: "conv2d",
    pass: "forward",
    shape,
    variant: "tiled",
    medianMs: 4,
    minMs: 2,
    samplesMs: [2, 4, 5],
    gflops: 2,
    gbps: 0.5,
    percentOfPeak: 25,
  });
  assert.is(toRow(workload, "tiled", timing, { gflops: 1000, gbps: 1 }).percentOfPeak, 50);
});

test("samples are summed up in order, whatever their number", () => {
  assert.equal(summarize([3, 1.00004, 2]), { medianMs: 2, minMs: 1.00004, samplesMs: [1, 2, 3] });
  assert.equal(summarize([5, 1, 2, 4]), { medianMs: 3, minMs: 1, samplesMs: [1, 2, 4, 5] });
  const merged = mergeTimings(summarize([5, 1]), summarize([3]));
  assert.equal(merged, { medianMs: 3, minMs: 1, samplesMs: [1, 3, 5] });
});

test.run();
