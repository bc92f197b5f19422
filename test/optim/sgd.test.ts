import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { polyLearningRate } from "../../src/optim/schedule.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { assertResults, hasFixtures, readFixture } from "../support/fixtures.ts";
import { testGpu } from "../support/gpu.ts";

const parameter = (gpu: Gpu, values: ArrayLike<number>, shape: readonly number[]): Tensor =>
  Tensor.from(gpu, Float32Array.from(values), shape).keep().requireGrad();

const give = (tensor: Tensor, grad: ArrayLike<number>): void => {
  tensor.grad = Tensor.from(tensor.gpu, Float32Array.from(grad), tensor.shape).keep();
};

test("momentum and weight decay", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const p = parameter(gpu, [1], [1]);
  const sgd = new Sgd(new Map([["p", p]]), { momentum: 0.9, weightDecay: 5e-4 });
  const expected = [
    [0.5, 0.5005, 0.994995],
    [0.2, 0.6509475, 0.98848553],
    [-0.1, 0.48634699, 0.98362206],
  ];
  for (const [grad, velocity, value] of expected) {
    give(p, [grad]);
    sgd.step(0.01);
    sgd.zeroGrad();
    const buffer = sgd.buffers.get("momentum_buffer")!.get("p")!;
    assertClose("velocity", await buffer.data(), [velocity], [1], { rtol: 2e-7, atol: 0 });
    assertClose("parameter", await p.data(), [value], [1], { rtol: 2e-7, atol: 0 });
  }
  assert.is(p.grad, null);
});

test("rules: of those that fit a name the longest one multiplies learning rate and weight decay", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const names = ["backbone_net.conv1.weight", "backbone_net.bn1.weight", "decoder.0.weight"];
  const parameters = new Map(names.map((name) => [name, parameter(gpu, [1], [1])]));
  const rules = { backbone_net: { lr: 0.1, weightDecay: 2 }, "backbone_net.bn": { lr: 0.5, weightDecay: 0 } };
  const sgd = new Sgd(parameters, { momentum: 0, weightDecay: 0.25, rules });
  for (const tensor of parameters.values()) give(tensor, [0.5]);
  sgd.step(0.1);
  const values = await Promise.all([...parameters.values()].map((tensor) => tensor.item()));
  const expected = [1 - 0.01 * (0.5 + 0.5), 1 - 0.05 * 0.5, 1 - 0.1 * (0.5 + 0.25)];
  assertClose("parameters", values, expected, [3], { rtol: 2e-7, atol: 0 });
  sgd.zeroGrad();
});

test("saved momentum continues with the same bytes; parameters without gradient stay", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const options = { momentum: 0.9, weightDecay: 0.1 };
  const start = () => new Map(["a", "b"].map((name) => [name, parameter(gpu, [1, -2, 3], [3])]));
  const run = async (sgd: Sgd, parameters: ReadonlyMap<string, Tensor>, steps: readonly number[]) => {
    for (const t of steps) {
      give(parameters.get("a")!, [Math.sin(t), Math.cos(t), 0]);
      sgd.step(0.1);
      sgd.zeroGrad();
    }
    return parameters.get("a")!.data();
  };
  const whole = start();
  const want = await run(new Sgd(whole, options), whole, [1, 2, 3]);
  const parts = start();
  const first = new Sgd(parts, options);
  await run(first, parts, [1, 2]);
  const saved = new Map([["a", (await first.buffers.get("momentum_buffer")!.get("a")!.data()) as Float32Array]]);
  const second = new Sgd(parts, options);
  second.load(new Map([["momentum_buffer", saved]]), new Map());
  assert.equal(await run(second, parts, [3]), want);
  assert.equal([...(await whole.get("b")!.data())], [1, -2, 3]);
  assert.equal([...second.buffers.get("momentum_buffer")!.keys()], ["a"]);
});

test("a state that does not fit is refused", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const sgd = new Sgd(new Map([["p", parameter(gpu, [1], [1])]]), { momentum: 0.9, weightDecay: 0 });
  for (const [name, size, message] of [
    ["q", 1, /q has 1 values, the model has no parameter/],
    ["p", 2, /shape \[1\]/],
  ] as const) {
    assert.throws(
      () => sgd.load(new Map([["momentum_buffer", new Map([[name, new Float32Array(size)]])]]), new Map()),
      (error: Error) => {
        assert.instance(error, UserError);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

if (hasFixtures("optimiser trajectories of PyTorch")) {
  test("trajectories of PyTorch's SGD under the official schedule", async () => {
    const fixture = readFixture("optim/trajectories.safetensors");
    const gpu = await testGpu();
    const cases = fixture.cases.filter(({ params }) => params["optimizer"]["type"] === "SGD");
    assert.ok(cases.length > 0);
    for (const item of cases) {
      using _ = gpu.arena();
      const {
        lr: baseLr,
        momentum = 0,
        weight_decay: weightDecay = 0,
        nesterov,
        dampening,
      } = item.params.optimizer as Record<string, never>;
      const {
        power,
        min_lr: minLr,
        max_iters: maxIters,
        warmup_cfg: warmup,
      } = item.params.scheduler as Record<string, never>;
      const names = Array.from({ length: item.params.param_count }, (_, i) => `param_${i}`);
      const parameters = new Map(
        names.map((name) => {
          const { data, shape } = fixture.get(item, name);
          return [name, parameter(gpu, data as Float32Array, shape)];
        }),
      );
      const sgd = new Sgd(parameters, { momentum, weightDecay, nesterov, dampening });
      const results = new Map<string, ArrayLike<number>>();
      const rates: number[] = [];
      for (let t = 0; t < item.params.steps; t++) {
        names.forEach((name, i) =>
          give(parameters.get(name)!, fixture.get(item, `grad_${i}_step_${t}`).data as Float32Array),
        );
        rates.push(polyLearningRate(t, { baseLr, power, maxIters, minLr, warmup }));
        sgd.step(rates[t]);
        sgd.zeroGrad();
        for (const [name, tensor] of parameters) results.set(`${name}_after_step_${t}`, await tensor.data());
      }
      for (const [i, name] of names.entries()) {
        const velocity = sgd.buffers.get("momentum_buffer")?.get(name);
        if (velocity) results.set(`momentum_buffer_${i}`, await velocity.data());
      }
      results.set("lr", rates);
      assertResults(item.id, fixture, item, results);
    }
  });
}

test.run();
