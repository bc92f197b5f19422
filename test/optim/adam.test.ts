/** Adam as an optimiser: rules, steps of each parameter, what is saved. The rule itself: test/ops/adam.test.ts. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { Adam } from "../../src/optim/adam.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";

const RULE = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, decoupled: true } as const;

const parameters = (gpu: Gpu): Map<string, Tensor> =>
  new Map(["backbone_net.a", "b"].map((name) => [name, Tensor.from(gpu, [1, -2, 3], [3]).keep().requireGrad()]));

/** A step in which only the named parameters have a gradient. */
function step(adam: Adam, of: ReadonlyMap<string, Tensor>, names: string[], gradient: number[]): void {
  for (const name of names) of.get(name)!.grad = Tensor.from(of.get(name)!.gpu, gradient, [3]).keep();
  adam.step(0.1);
  adam.zeroGrad();
}

async function read(tensors: ReadonlyMap<string, Tensor>): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of tensors) values.set(name, (await tensor.data()) as Float32Array);
  return values;
}

test("a first step is one of lr against the sign, by the rule of the parameter", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const all = parameters(gpu);
  const adam = new Adam(all, { ...RULE, weightDecay: 0.5, rules: { backbone_net: { lr: 0.1, weightDecay: 0 } } });
  step(adam, all, [...all.keys()], [2, -0.5, 7]);
  const close = { rtol: 1e-6, atol: 0 };
  assertClose("with a rule", await all.get("backbone_net.a")!.data(), [0.99, -1.99, 2.99], [3], close);
  const want = [1, -2, 3].map((value, i) => value * (1 - 0.1 * 0.5) - [0.1, -0.1, 0.1][i]);
  assertClose("without", await all.get("b")!.data(), want, [3], close);
});

test("parameters count their own steps, and saved ones continue with the same bytes", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const [whole, parts] = [parameters(gpu), parameters(gpu)];
  const once = new Adam(whole, RULE);
  const first = new Adam(parts, RULE);
  for (const [adam, of] of [[once, whole], [first, parts]] as const) {
    step(adam, of, ["b"], [1, 2, -3]);
    step(adam, of, [...of.keys()], [0.5, 2, 1]);
  }
  assert.equal([...first.steps], [["b", 2], ["backbone_net.a", 1]]);
  const saved = new Map<string, Map<string, Float32Array>>();
  for (const [kind, tensors] of first.buffers) saved.set(kind, await read(tensors));
  assert.equal([...saved.keys()], ["exp_avg", "exp_avg_sq"]);
  const second = new Adam(parts, RULE);
  second.load(saved, new Map(first.steps));
  step(once, whole, [...whole.keys()], [-1, 2, 1]);
  step(second, parts, [...parts.keys()], [-1, 2, 1]);
  assert.equal(await read(parts), await read(whole));
});

test("a state that does not fit is refused", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const adam = new Adam(parameters(gpu), RULE);
  const values = (length = 3, name = "b") => new Map([[name, new Float32Array(length)]]);
  const refuse = (buffers: [string, Map<string, Float32Array>][], steps: [string, number][], message: RegExp): void =>
    assert.throws(
      () => adam.load(new Map(buffers), new Map(steps)),
      (error: Error) => error instanceof UserError && message.test(error.message),
    );
  const [average, squares] = [["exp_avg", values()], ["exp_avg_sq", values()]] as [string, Map<string, Float32Array>][];
  refuse([["momentum_buffer", values()]], [], /holds momentum_buffer, .* are exp_avg, exp_avg_sq/);
  refuse([average, ["exp_avg_sq", values(2)]], [["b", 1]], /exp_avg_sq of b has 2 values, the model has shape \[3\]/);
  refuse([average, ["exp_avg_sq", values(3, "c")]], [["b", 1]], /exp_avg_sq of c has 3 values, .* no parameter/);
  refuse([average], [["b", 1]], /the exp_avg_sq of b is missing/);
  refuse([average, squares], [], /the step of b is missing/);
  adam.load(new Map([average, squares]), new Map([["b", 4]]));
  assert.is(adam.steps.get("b"), 4);
});

test.run();
