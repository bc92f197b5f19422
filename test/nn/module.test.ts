import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { Dropout } from "../../src/nn/dense.ts";
import { BatchNorm2d, Conv2d, Dropout2d, ReLU, Sequential, withFrozenStatistics } from "../../src/nn/layers.ts";
import { Module } from "../../src/nn/module.ts";
import type { Layer } from "../../src/nn/module.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { readTensors } from "../../src/nn/readback.ts";
import { fromTorch, toTorch } from "../../src/nn/state.ts";
import type { StateTensor } from "../../src/nn/state.ts";
import { checkpoint } from "../../src/ops/checkpoint.ts";
import { backward } from "../../src/ops/define.ts";
import { sum } from "../../src/ops/reduce.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

class Net extends Module {
  readonly stem: Sequential;
  readonly twin: Layer;

  constructor(random = new RandomState(0)) {
    super();
    this.stem = this.child(
      "stem",
      new Sequential(new Conv2d(3, 4, [3, 2]), new BatchNorm2d(4), new Dropout2d(0.5, random)),
    );
    this.twin = this.child("twin", this.stem.layers[0]);
  }

  forward(x: Tensor): Tensor {
    return this.stem.forward(x);
  }
}

const NORM = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"].map((name) => `stem.1.${name}`);
const NAMES = ["stem.0.weight", "stem.0.bias", ...NORM, "twin.weight", "twin.bias"];

test("names and PyTorch shapes are known without a device; a shared module appears twice, its parameters once", () => {
  const net = new Net();
  const shapes = net.stateShapes();
  assert.equal([...shapes.keys()], NAMES);
  assert.equal(shapes.get("stem.0.weight"), [4, 3, 3, 2]);
  assert.equal(shapes.get("stem.1.num_batches_tracked"), []);
  assert.equal([...net.parameterVariables().keys()], NAMES.slice(0, 4));
  assert.is(net.parameterCount(), 4 * 3 * 3 * 2 + 4 + 4 + 4);
});

test("a module that is not on a device says what to do", () => {
  assert.throws(() => new Net().parameters(), /initialize\(gpu, seed\)/);
});

test("the same seed gives the same bytes, a name its own stream, within U(-b, b)", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const read = async (module: Module, seed: number) => [...(await module.initialize(gpu, seed).stateDict()).values()];
  const state = await read(new Net(), 7);
  assert.equal(state, await read(new Net(), 7));
  assert.not.equal(state, await read(new Net(), 8));
  const weight = state[0].data as Float32Array;
  const bound = 1 / Math.sqrt(3 * 3 * 2);
  assert.ok(weight.every((value) => Math.abs(value) <= bound));
  assert.ok(Math.max(...weight) > 0.8 * bound && Math.min(...weight) < -0.8 * bound);
  assert.is(new Set(weight).size, weight.length);
  const alone = await read(new Sequential(new Conv2d(3, 4, [3, 2])), 7);
  assert.not.equal(alone[0].data, weight, "0.weight and stem.0.weight are different streams");
});

test("a state dict survives the round trip, counters included", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const net = new Net().initialize(gpu, 1);
  net.forward(
    Tensor.from(
      gpu,
      Float32Array.from({ length: 2 * 5 * 5 * 3 }, (_, i) => Math.sin(i)),
      [2, 5, 5, 3],
    ),
  );
  const state = await net.stateDict();
  assert.equal(state.get("stem.1.num_batches_tracked")!.data, BigInt64Array.of(1n));
  assert.not.equal(state.get("stem.1.running_mean")!.data, new Float32Array(4));
  const other = new Net().initialize(gpu, 2);
  assert.equal(other.loadStateDict(state), { missing: [], unexpected: [] });
  assert.equal(await other.stateDict(), state);
  state.set("stem.1.num_batches_tracked", { shape: [], data: Int32Array.of(9) });
  other.loadStateDict(state);
  assert.equal((await other.stateDict()).get("stem.1.num_batches_tracked")!.data, BigInt64Array.of(9n));
});

test("OIHW and HWIO", () => {
  const shape = [2, 3, 2, 5]; // kh, kw, i, o
  const oihw = Float32Array.from({ length: 60 }, (_, index) => index);
  const hwio = fromTorch(oihw, shape, "HWIO");
  const [h, w, i, o] = [1, 2, 0, 4];
  assert.is(hwio[((h * 3 + w) * 2 + i) * 5 + o], ((o * 2 + i) * 2 + h) * 3 + w);
  assert.equal(toTorch(hwio, shape, "HWIO"), oihw);
});

test("loading lists what is missing, unexpected and of another shape, and changes nothing", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const net = new Net().initialize(gpu, 1);
  const before = await net.stateDict();
  const wrong = new Map<string, StateTensor>(before);
  wrong.delete("stem.1.bias");
  wrong.set("fc.weight", { shape: [1], data: new Float32Array(1) });
  wrong.set("stem.0.weight", { shape: [4, 3, 3, 3], data: new Float32Array(108) });
  wrong.set("stem.0.bias", { shape: [4], data: new Float32Array(4) });
  const message = ["1 missing:", "  stem.1.bias", "1 unexpected:", "  fc.weight", "1 of another shape:"];
  for (const strict of [true, false]) {
    assert.throws(
      () => net.loadStateDict(wrong, { strict }),
      (error: Error) => {
        assert.instance(error, UserError);
        assert.match(error.message, message.join("\n"));
        assert.match(error.message, "  stem.0.weight has shape [4, 3, 3, 3], expected [4, 3, 3, 2]");
        return true;
      },
    );
  }
  assert.equal(await net.stateDict(), before);
});

test("not strict: loads what fits and reports the rest; reinitialize keeps what is there", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const net = new Net().initialize(gpu, 1);
  const before = await net.stateDict();
  const partial = new Map<string, StateTensor>([
    ["stem.0.bias", { shape: [4], data: Float32Array.of(1, 2, 3, 4) }],
    ["fc.weight", { shape: [1], data: new Float32Array(1) }],
    ["stem.1.weight", { shape: [7], data: new Float32Array(7) }],
  ]);
  const report = net.loadStateDict(partial, { strict: false, reinitialize: ["stem.1."] });
  assert.equal(report, { missing: ["stem.0.weight", "twin.weight", "twin.bias"], unexpected: ["fc.weight"] });
  const after = await net.stateDict();
  assert.equal([...after.get("stem.0.bias")!.data], [1, 2, 3, 4]);
  assert.equal(after.get("stem.1.weight"), before.get("stem.1.weight"));
});

test("train and eval reach every child; requireGrad reaches every parameter", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const net = new Net().initialize(gpu, 1);
  assert.equal([net.training, net.eval().stem.layers[1].training, net.train().twin.training], [true, false, true]);
  const x = Tensor.zeros(gpu, [2, 4, 4, 3]);
  net.requireGrad(false);
  assert.is(net.eval().forward(x).tracksGrad, false);
  net.requireGrad();
  backward(sum(net.forward(x)));
  for (const [name, parameter] of net.namedParameters()) assert.ok(parameter.grad, name);
});

test("dropout masks continue where a restored counter says", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const random = new RandomState(5);
  const layer = new Dropout2d(0.5, random);
  const x = Tensor.from(gpu, new Float32Array(2 * 1 * 1 * 64).fill(1), [2, 1, 1, 64]);
  const first = await layer.forward(x).data();
  const second = await layer.forward(x).data();
  assert.not.equal(first, second);
  assert.is(random.counter, 2);
  assert.equal(await new Dropout2d(0.5, new RandomState(5, 1)).forward(x).data(), second);
  assert.ok(first.every((value) => value === 0 || value === 2));
  assert.is(layer.eval().forward(x), x);
});

test("many tensors are read in few reads, in order", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const tensors = [3, 1, 5].map((size, i) => Tensor.from(gpu, new Float32Array(size).fill(i), [size]));
  const before = gpu.counters.readbacks;
  assert.equal(await readTensors(tensors), [new Float32Array(3), Float32Array.of(1), new Float32Array(5).fill(2)]);
  assert.is(gpu.counters.readbacks, before + 1);
  assert.equal(await readTensors([]), []);
});

test("disposing a module gives all its memory back", async () => {
  const gpu = await testGpu();
  const before = gpu.memory.live;
  const net = new Net().initialize(gpu, 1);
  assert.ok(gpu.memory.live > before);
  net.dispose();
  assert.is(gpu.memory.live, before);
  assert.is(new Sequential(new ReLU()).initialize(gpu, 0).parameterCount(), 0);
});

test("a block that is computed again drops what it dropped the first time", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  for (const Kind of [Dropout, Dropout2d]) {
    const layer = new Kind(0.5, new RandomState(5));
    const x = Tensor.from(gpu, new Float32Array(64).fill(1), [1, 2, 2, 16]).requireGrad();
    const y = checkpoint((v) => layer.forward(v), x);
    const kept = await y.keep().data();
    backward(y, { grad: Tensor.from(gpu, new Float32Array(64).fill(1), x.shape) });
    assert.equal(await x.grad!.data(), kept);
  }
});

test("memory rows that pass as well as pixels end up in running statistics, unless these are frozen", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const pixels = Tensor.zeros(gpu, [1, 2, 2, 1]);
  const rows = Tensor.from(gpu, [1, 1, 1], [3, 1, 1, 1]);
  const run = async (passRows: (layers: Sequential) => void) => {
    const layers = new Sequential(new Sequential(new BatchNorm2d(1))).initialize(gpu, 0).train();
    for (let t = 0; t < 100; t++) {
      layers.forward(pixels);
      passRows(layers);
    }
    const state = await layers.stateDict();
    layers.dispose();
    return [...state.values()].slice(2).map(({ data }) => Number(data[0]));
  };
  const [mean, , count] = await run((layers) => layers.forward(rows));
  assert.ok(Math.abs(mean - 0.526316) < 1e-6, `running mean ${mean}`);
  assert.is(count, 200);
  const frozen = await run((layers) => withFrozenStatistics(layers, () => layers.forward(rows)));
  assert.equal([frozen[0], frozen[2]], [0, 100]);
});

test.run();
