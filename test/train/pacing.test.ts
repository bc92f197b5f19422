import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Gpu, Readback } from "../../src/runtime/gpu.ts";
import { Pacer } from "../../src/train/pacing.ts";

const gpu = (isSoftware: boolean): Gpu => ({ capabilities: { isSoftware } }) as Gpu;

/** A device that does one piece of work after the other, each taking so long, and notes how long anybody waited. */
class FakeDevice {
  waited = 0;
  pending = 0;
  #free = performance.now();

  submit(name: number, milliseconds: number): Readback {
    this.pending++;
    this.#free = Math.max(this.#free, performance.now()) + milliseconds;
    const due = this.#free;
    return {
      fetch: async () => {
        const left = Math.max(due - performance.now(), 0);
        this.waited += left;
        await sleep(left);
        this.pending--;
        return new Int32Array([name]).buffer;
      },
    };
  }
}

for (const isSoftware of [true, false]) {
  test(`results come in order, with few pieces under way (${isSoftware ? "software" : "hardware"})`, async () => {
    const device = new FakeDevice();
    const pacer = new Pacer(gpu(isSoftware));
    const results: number[] = [];
    let most = 0;
    for (let i = 0; i < 8; i++) {
      const readback = device.submit(i, 2);
      most = Math.max(most, device.pending);
      await pacer.add(readback, (data) => results.push(new Int32Array(data)[0]));
    }
    assert.ok(results.length < 8, "the last ones are not waited for");
    assert.is(most, isSoftware ? 2 : 3);
    await pacer.drain();
    assert.equal(results, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.is(device.pending, 0);
  });
}

test("on a software adapter most of the time is slept through before a promise is made", async () => {
  const run = async (isSoftware: boolean): Promise<number> => {
    const device = new FakeDevice();
    const pacer = new Pacer(gpu(isSoftware));
    for (let i = 0; i < 12; i++) await pacer.add(device.submit(i, 25), () => undefined);
    await pacer.drain();
    return device.waited;
  };
  const [software, hardware] = [await run(true), await run(false)];
  assert.ok(software < 0.6 * hardware, `waited ${software} ms on promises, ${hardware} ms without sleeping`);
});

test("a slow beginning does not hold up what follows", async () => {
  const device = new FakeDevice();
  const pacer = new Pacer(gpu(true));
  const begun = performance.now();
  for (let i = 0; i < 24; i++) await pacer.add(device.submit(i, i < 2 ? 100 : 10), () => undefined);
  await pacer.drain();
  const taken = performance.now() - begun;
  assert.ok(taken < 1000, `${taken} ms for 420 ms of work`);
});

test("an error in a result reaches whoever adds work", async () => {
  const device = new FakeDevice();
  const pacer = new Pacer(gpu(true));
  const fail = (): void => {
    throw new Error("diverged");
  };
  let message = "";
  try {
    for (let i = 0; i < 3; i++) await pacer.add(device.submit(i, 1), fail);
  } catch (error) {
    message = (error as Error).message;
  }
  assert.is(message, "diverged");
});

test.run();
