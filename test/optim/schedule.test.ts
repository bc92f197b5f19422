import { test } from "uvu";
import * as assert from "uvu/assert";
import { coupledMomentum, memoryMomentum, polyLearningRate } from "../../src/optim/schedule.ts";
import type { Warmup } from "../../src/optim/schedule.ts";
import { assertResults, hasFixtures, readFixture } from "../support/fixtures.ts";

const near = (got: number, want: number, digits: number) =>
  assert.ok(Math.abs(got - want) <= 0.5 * 10 ** -digits, `${got} instead of ${want}`);

test("poly learning rate", () => {
  const options = { baseLr: 0.01, power: 0.9, maxIters: 164190 };
  const expected = [
    [0, 0.01],
    [1, 0.00999995],
    [1000, 0.00994572],
    [82095, 0.00540528],
    [164189, 0.0001002],
  ];
  for (const [t, lr] of expected) near(polyLearningRate(t, options), lr, 8);
  near(polyLearningRate(21075, { baseLr: 0.001, power: 0.9, maxIters: 42150, minLr: 1e-4 }), 0.0005823, 8);
});

test("memory momentum, closed form and coupled", () => {
  const maxIters = 164190;
  const expected = [
    [0, 0.9],
    [1, 0.899995],
    [1000, 0.895115],
    [82095, 0.486475],
    [164189, 0.009018],
  ];
  for (const [t, momentum] of expected) {
    near(memoryMomentum(t, { momentum: 0.9, power: 0.9, floor: 0.01, maxIters }), momentum, 6);
    const lr = polyLearningRate(t, { baseLr: 0.01, power: 0.9, maxIters });
    near(coupledMomentum(lr, { momentum: 0.9, baseLr: 0.01 }), momentum, 6);
  }
  const stuff = { momentum: 1, power: 0.9, floor: 0.1, maxIters: 42150 };
  near(memoryMomentum(21075, stuff), 0.582298, 6);
  near(memoryMomentum(42149, stuff), 0.100062, 6);
});

test("a learning rate beyond its base cannot push the momentum beyond 1", () => {
  assert.is(coupledMomentum(0.02, { momentum: 0.9, baseLr: 0.01 }), 1);
});

test("warm-up", () => {
  const rate = (type: Warmup["type"], t: number) =>
    polyLearningRate(t, { baseLr: 1, power: 0, maxIters: 10, minLr: 0, warmup: { type, ratio: 0.01, iters: 4 } });
  assert.equal(
    [0, 3, 4].map((t) => rate("constant", t)),
    [0.01, 0.01, 1],
  );
  near(rate("linear", 0), 0.01, 12);
  near(rate("linear", 2), 0.505, 12);
  near(rate("exp", 0), 0.01, 12);
  near(rate("exp", 2), 0.1, 12);
  assert.is(rate("exp", 4), 1);
});

if (hasFixtures("the official poly schedule")) {
  test("the official poly schedule", () => {
    const fixture = readFixture("optim/poly_schedule.safetensors");
    for (const item of fixture.cases) {
      const { base_lr: baseLr, power, max_iters: maxIters, min_lr: minLr, warmup } = item.params;
      const options = { baseLr, power, maxIters, minLr, warmup: warmup ?? undefined };
      const lr = Float32Array.from({ length: maxIters }, (_, t) => polyLearningRate(t, options));
      assertResults(item.id, fixture, item, new Map([["lr", lr]]));
    }
  });
}

test.run();
