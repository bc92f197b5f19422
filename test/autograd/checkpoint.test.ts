/** Recomputation: the bytes of gradients, what is kept, what happens once, what is refused. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isRepeated, once } from "../../src/autograd/checkpoint.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import { relu } from "../../src/ops/activation.ts";
import { checkpoint } from "../../src/ops/checkpoint.ts";
import { backward } from "../../src/ops/define.ts";
import { add, mul, scale } from "../../src/ops/elementwise.ts";
import { sum } from "../../src/ops/reduce.ts";
import { sgdStep } from "../../src/ops/sgd.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

const parameter = (gpu: Gpu, values: readonly number[]): Tensor =>
  Tensor.from(gpu, values, [values.length]).requireGrad();
const valuesOf = async (x: Tensor | null): Promise<number[]> => [...(await x!.data())];

type Runner = (fn: (x: Tensor) => Tensor, x: Tensor) => Tensor;
const plain: Runner = (fn, x) => fn(x);
const recomputed: Runner = (fn, x) => checkpoint(fn, x);

test("gradients that meet inside and outside of parts are added up in the order of the whole graph", async () => {
  const gpu = await testGpu();
  const gradients = async (run: Runner): Promise<number[][]> => {
    using _arena = gpu.arena();
    const w = parameter(gpu, [0.1, 0.7, -0.3]);
    const x = parameter(gpu, [1 / 3, -2 / 7, 1e-3]);
    const below = scale(x, 1.1);
    // Five gradients meet in `below`, four of them from a part: of unlike sizes, so that another order shows.
    const part = run((v) => add(add(mul(v, w), scale(v, 1e6)), scale(mul(v, v), -999999.7)), below);
    const nested = run((v) => run((u) => mul(u, w), mul(v, w)), part);
    backward(sum(add(nested, scale(below, 0.12345))));
    return [await valuesOf(x.grad), await valuesOf(w.grad)];
  };
  const expected = await gradients(plain);
  assert.ok(expected.flat().every((value) => value !== 0));
  assert.equal(await gradients(recomputed), expected);
});

test("between forward and backward a part keeps its input and its result, and backward releases them", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, Array.from({ length: 1024 }, (_, i) => i));
  const before = gpu.memory.live;
  const y = checkpoint((v) => scale(relu(scale(v, 2)), 0.5), x);
  assert.is(gpu.memory.live - before, 4096);
  backward(y, { grad: Tensor.from(gpu, new Float32Array(1024).fill(1), [1024]) });
  assert.ok(y.storage.isReleased);
  assert.is(gpu.memory.live - before, 2 * 4096, "the seed and the gradient of x");
  assert.equal((await valuesOf(x.grad)).slice(0, 3), [0, 1, 1]);
});

test("an input without gradient: the parameters inside get theirs; without any, nothing is recorded", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const w = parameter(gpu, [2, 3]);
  const data = Tensor.from(gpu, [5, 7], [2]);
  backward(sum(checkpoint((v) => mul(mul(v, w), w), data)));
  assert.equal(await valuesOf(w.grad), [20, 42]);
  assert.is(data.grad, null);
  assert.is(checkpoint((v) => mul(v, v), data).node, null);
  assert.is(noGrad(() => checkpoint((v) => mul(v, w), data)).node, null);
  assert.is(checkpoint((v) => v, w), w, "what comes through unchanged stays what it is");
});

test("backward inside of noGrad records the part all the same; retainGraph runs it once more", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [3]);
  let runs = 0;
  const y = checkpoint((v) => (runs++, mul(v, v)), x);
  noGrad(() => backward(y, { retainGraph: true }));
  backward(y);
  assert.equal([await valuesOf(x.grad), runs], [[12], 3]);
  assert.throws(() => backward(y), /second time: the values saved by checkpoint have already been freed/);
});

test("effects happen once, and their results come again, in nested parts too", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1]);
  let drawn = 0;
  const seen: [string, number, boolean][] = [];
  const draw = (where: string, v: Tensor): Tensor => {
    const factor = once(() => ++drawn);
    seen.push([where, factor, isRepeated()]);
    return scale(mul(v, v), factor);
  };
  const inner = (v: Tensor): Tensor => draw("inner", v);
  const y = checkpoint((v) => draw("last", checkpoint(inner, draw("first", v))), x);
  backward(y);
  assert.is(drawn, 3);
  assert.equal(seen, [
    ["first", 1, false],
    ["inner", 2, false],
    ["last", 3, false],
    ["first", 1, true],
    ["inner", 2, true],
    ["last", 3, true],
    ["inner", 2, true],
  ]);
  assert.equal(await valuesOf(x.grad), [8 * 3 * 2 ** 2]); // 3 (2 (x²)²)²
  assert.equal([isRepeated(), once(() => "outside")], [false, "outside"]);
});

test("a value that changes between forward and backward is reported, an input or not", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const w = parameter(gpu, [1, 2]);
  const y = sum(checkpoint((v) => mul(v, w), Tensor.from(gpu, [1, 1], [2])));
  sgdStep(w, Tensor.from(gpu, [1, 1], [2]), null, { lr: 0.1, first: true });
  assert.throws(() => backward(y), /inplace operation: a tensor of shape \[2\] that mul saved is at version 1/);
});

test("results from outside that require grad, other operations the second time and other results are refused", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const x = parameter(gpu, [1, 2]);
  const outside = scale(x, 2);
  assert.throws(() => checkpoint((v) => mul(v, outside), x), /uses a result of scale from outside that requires grad/);
  assert.throws(() => checkpoint(() => 3 as never, x), /has to return one tensor at once/);
  const withoutInput = [] as unknown as [Tensor];
  assert.throws(() => checkpoint(() => x, ...withoutInput), /at least one input/);
  const fails = (v: Tensor): Tensor => {
    scale(v, 2);
    throw new Error("of its own");
  };
  const { live } = gpu.memory;
  assert.throws(() => checkpoint(fails, x), /of its own/);
  assert.equal([isRepeated(), gpu.memory.live], [false, live]);
  let runs = 0;
  const y = checkpoint((v) => (runs++ === 0 ? mul(v, v) : scale(v, 2)), x);
  assert.throws(() => backward(sum(y)), /did something else the second time: scale instead of mul/);
});

test.run();
