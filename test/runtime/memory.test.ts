import { test } from "uvu";
import * as assert from "uvu/assert";
import { relu } from "../../src/ops/activation.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { BufferPool, sizeClass } from "../../src/runtime/memory.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";

async function freshGpu(): Promise<Gpu> {
  return new Gpu({ device: (await sharedDevice()).device, kernels: kernelsOnDisk });
}

test("sizes are rounded up to one of eight per power of two", () => {
  assert.is(sizeClass(0), 256);
  assert.is(sizeClass(1), 256);
  assert.is(sizeClass(256), 256);
  assert.is(sizeClass(257), 512);
  assert.is(sizeClass(2048), 2048);
  assert.is(sizeClass(2049), 2304);
  assert.is(sizeClass(2 ** 20), 2 ** 20);
  assert.is(sizeClass(2 ** 20 + 1), 2 ** 20 + 2 ** 17);
  for (let bytes = 1; bytes < 2 ** 30; bytes = Math.ceil(bytes * 1.37)) {
    const size = sizeClass(bytes);
    assert.ok(size >= bytes && size % 256 === 0, `${bytes} -> ${size}`);
    assert.ok(size - bytes < Math.max(256, bytes / 8 + 1), `${bytes} -> ${size} wastes more than an eighth`);
    assert.is(sizeClass(size), size);
  }
});

test("released memory cannot be used, and says so", async () => {
  const gpu = await testGpu();
  const x = Tensor.from(gpu, [1, 2], [2]);
  x.dispose();
  assert.ok(x.storage.isReleased);
  assert.throws(() => x.storage.buffer, /has been released .* Call keep\(\)/);
  assert.throws(() => relu(x), /has been released/);
  assert.throws(() => x.view([2, 1]), /Cannot share memory that has been released/);
  await assertRejects(() => x.data(), Error, "has been released");
});

test("shared memory lives until its last owner is gone, and a second dispose does nothing", async () => {
  const gpu = await testGpu();
  const x = Tensor.from(gpu, [1, 2, 3, 4], [4]);
  const view = x.view([2, 2]);
  x.dispose();
  x.dispose();
  assert.equal([...(await view.data())], [1, 2, 3, 4]);
  view.dispose();
  assert.ok(view.storage.isReleased);
});

test("within a step, released memory is used again by what comes later", async () => {
  const gpu = await freshGpu();
  using _arena = gpu.arena();
  const first = Tensor.empty(gpu, [100]);
  const { buffer } = first.storage;
  first.dispose();
  assert.is(Tensor.empty(gpu, [90]).storage.buffer, buffer);
});

test("an upload never lands in memory that recorded commands still read", async () => {
  const gpu = await freshGpu();
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, -2, 3, -4], [4]);
  const { buffer } = x.storage;
  const y = relu(x);
  x.dispose();
  const other = Tensor.from(gpu, [9, 9, 9, 9], [4]); // the queue writes it before y is computed
  assert.is.not(other.storage.buffer, buffer);
  assert.equal([...(await y.data())], [1, 0, 3, 0]);
  assert.is(Tensor.from(gpu, [5], [1]).storage.buffer, buffer, "once submitted, the memory is free");
});

test("nor while a submit waits for its pipelines", async () => {
  const gpu = await freshGpu(); // nothing is compiled yet
  using _arena = gpu.arena();
  const x = Tensor.from(gpu, [1, -2, 3, -4], [4]);
  const { buffer } = x.storage;
  const y = relu(x);
  x.dispose();
  const submitted = gpu.submit();
  const other = Tensor.from(gpu, [9, 9, 9, 9], [4]);
  assert.is.not(other.storage.buffer, buffer);
  await submitted;
  assert.equal([...(await y.data())], [1, 0, 3, 0]);
});

test("a tensor beyond the device's limit is refused with its size", async () => {
  const { device } = await sharedDevice();
  const limit = device.limits.maxBufferSize;
  const gpu = await testGpu();
  const { live } = gpu.memory;
  const size = Math.ceil(limit / 4) + 1;
  assert.throws(
    () => Tensor.empty(gpu, [size]),
    new RegExp(`A tensor of ${4 * size} bytes exceeds .* ${limit} bytes`),
  );
  assert.is(gpu.memory.live, live);
});

test("a kernel is not shown more than a binding may have", async () => {
  const gpu = await testGpu({ maxBinding: 256 });
  using _arena = gpu.arena();
  const [x, y] = [Tensor.zeros(gpu, [65]), Tensor.zeros(gpu, [65])];
  const options = { elements: 65, params: { count: 65 }, constants: { OP: 0 } };
  assert.throws(() => gpu.run("activation.forward", { x, y }, options), /x has 260 bytes, .* at most 256 at a time/);
});

test("a part is the memory that it is of, and keeps it", async () => {
  const gpu = await testGpu();
  const x = Tensor.from(gpu, Float32Array.from({ length: 100 }, (_, i) => i), [100]);
  const part = x.part(64, [2, 18]);
  gpu.clear(part);
  assert.is(x.storage.version, 1);
  assert.equal([...(await x.data())].slice(62, 67), [62, 63, 0, 0, 0]);
  x.dispose();
  assert.equal([...(await part.data())], new Array(36).fill(0));
  part.dispose();
  assert.ok(x.storage.isReleased);
});

test("live, peak and reserved bytes are counted, and trim gives back what is free", async () => {
  const gpu = await freshGpu();
  const [a, b] = [Tensor.empty(gpu, [1024]), Tensor.empty(gpu, [512])];
  assert.equal(gpu.memory, { live: 6144, peak: 6144, reserved: 6144 });
  a.dispose();
  await gpu.submit();
  const again = Tensor.empty(gpu, [1024]);
  assert.equal(gpu.memory, { live: 6144, peak: 6144, reserved: 6144 });
  again.dispose();
  b.dispose();
  await gpu.trim();
  assert.equal(gpu.memory, { live: 0, peak: 6144, reserved: 0 });
});

test("guarded memory is NaN inside and around, and never used twice", async () => {
  const { device } = await sharedDevice();
  const pool = new BufferPool(device, true);
  const storage = pool.acquire(8, false);
  const { buffer } = storage;
  assert.is(storage.offset, 1024);
  assert.is(buffer.size, 1024 + 8 + 1024);
  storage.release();
  assert.is.not(pool.acquire(8, false).buffer, buffer);
  const gpu = await testGpu({ guarded: true });
  using _arena = gpu.arena();
  assert.equal([...(await Tensor.empty(gpu, [2]).data())], [NaN, NaN]);
  await checkDevice();
});

test.run();
