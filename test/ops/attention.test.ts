/** Attention: the chunks make no difference, no buffer is larger than allowed, bad input is refused. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attention } from "../../src/ops/attention.ts";
import { backward } from "../../src/ops/define.ts";
import { Gpu } from "../../src/runtime/gpu.ts";
import { MetaGpu } from "../../src/runtime/meta.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { checkDevice, sharedDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const [N, P, S, D, DV] = [3, 11, 13, 5, 4];
const TOLERANCE = { rtol: 1e-5, atol: 1e-6 };

/** Output and gradients of q, k, v. */
async function run(scoreBytes?: number): Promise<Float32Array[]> {
  const gpu = await testGpu({ guarded: true });
  using _arena = gpu.arena();
  const random = seededRandom(3);
  const tensor = (...shape: number[]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => normal(random));
    return Tensor.from(gpu, values, shape);
  };
  const inputs = [tensor(N, P, D), tensor(N, S, D), tensor(N, S, DV)] as const;
  for (const input of inputs) input.requireGrad();
  const y = attention(...inputs, { scale: D ** -0.5, scoreBytes }).keep();
  backward(y, { grad: tensor(N, P, DV) });
  const tensors = [y, ...inputs.map((x) => x.grad!)];
  const results = await Promise.all(tensors.map(async (x) => Float32Array.from(await x.data())));
  await checkDevice();
  return results;
}

test("any limit on the scores gives the same output and gradients", async () => {
  const whole = await run();
  const oneRow = 4 * S;
  for (const rows of [1, 4, P, 2 * P, N * P]) {
    const parts = await run(rows * oneRow);
    parts.forEach((part, i) => {
      assertClose(`${["y", "dq", "dk", "dv"][i]}, ${rows} rows`, part, whole[i], [part.length], TOLERANCE);
    });
  }
});

test("two runs give the same bytes, in one chunk and in many", async () => {
  for (const scoreBytes of [undefined, 3 * 4 * S]) assert.equal(await run(scoreBytes), await run(scoreBytes));
});

test("holds no more scores than it was allowed, and takes several chunks rather than fail", async () => {
  const { device } = await sharedDevice();
  const gpu = new Gpu({ device, kernels: kernelsOnDisk }); // its own, whose peak no other test has raised
  using _arena = gpu.arena();
  const x = Tensor.zeros(gpu, [1, 512, 8]).requireGrad();
  const scoreBytes = 16 * 512 * 4;
  const before = gpu.memory.peak;
  const y = attention(x, x, x, { scale: 1, scoreBytes });
  backward(y, { grad: Tensor.zeros(gpu, y.shape) });
  const scratch = gpu.memory.peak - before;
  assert.ok(scratch < 2 * scoreBytes + 16 * x.size * 4, `${scratch} bytes; all scores would take ${512 * 512 * 4}`);
  await gpu.idle();
  x.grad!.dispose();
});

test("memory grows linearly with the positions of an image, in both directions", async () => {
  const { device } = await sharedDevice();
  const peakAt = (positions: number): number => {
    const gpu = new Gpu({ device, kernels: kernelsOnDisk });
    using _arena = gpu.arena(); // recorded, and never submitted: memory is accounted for as it is recorded
    const [q, k, v] = [0, 1, 2].map(() => Tensor.empty(gpu, [1, positions, 8]).requireGrad());
    const y = attention(q, k, v, { scale: 1 });
    backward(y, { grad: Tensor.empty(gpu, y.shape) });
    return gpu.memory.peak;
  };
  const peaks = [4096, 8192, 16384].map(peakAt); // all scores would take 64, 256 and 1024 MiB
  const [first, second] = [(peaks[1] - peaks[0]) / 4096, (peaks[2] - peaks[1]) / 8192];
  assert.ok(second < 1.1 * first, `${first} bytes per further position, then ${second}`);
  assert.ok(peaks[2] < 40 * 2 ** 20, `${peaks[2]} bytes at the peak`);
});

test("gradients go only where they are wanted", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const q = Tensor.zeros(gpu, [1, 3, 2]);
  const v = Tensor.zeros(gpu, [1, 4, 2]).requireGrad();
  const y = attention(q, Tensor.zeros(gpu, [1, 4, 2]), v, { scale: 1 });
  backward(y, { grad: Tensor.from(gpu, new Float32Array(6).fill(1), [1, 3, 2]) });
  assertClose("dv", await v.grad!.data(), new Array(8).fill(0.75), v.shape, TOLERANCE); // 3 queries, 4 equal keys
  assert.is(q.grad, null);
  v.grad!.dispose();
});

test("refuses shapes that do not fit and limits below one query", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const tensor = (...shape: number[]) => Tensor.zeros(gpu, shape);
  const refuses = (q: Tensor, k: Tensor, v: Tensor, pattern: RegExp, scoreBytes?: number) =>
    assert.throws(() => attention(q, k, v, { scale: 1, scoreBytes }), pattern);
  const shapes = /takes q \[n, p, d\], k \[n, s, d\] and v \[n, s, dv\]; got/;
  refuses(tensor(1, 2, 3), tensor(1, 4, 5), tensor(1, 4, 3), shapes);
  refuses(tensor(1, 2, 3), tensor(1, 4, 3), tensor(1, 5, 3), shapes);
  refuses(tensor(2, 2, 3), tensor(1, 4, 3), tensor(1, 4, 3), shapes);
  refuses(tensor(2, 3), tensor(4, 3), tensor(4, 3), shapes);
  refuses(tensor(1, 2, 3), tensor(1, 0, 3), tensor(1, 0, 3), shapes);
  const limit = /one query over 4 keys take 16 bytes and the limit is 15/;
  refuses(tensor(1, 2, 3), tensor(1, 4, 3), tensor(1, 4, 3), limit, 15);
});

test("of very many keys at least 64 queries are taken at a time, unless less is asked for", () => {
  const chunksWith = (scoreBytes?: number): number => {
    let chunks = 0;
    const gpu = new (class extends MetaGpu {
      override run(name?: string): void {
        if (name === "attention.probabilities") chunks++;
      }
    })();
    const [q, k] = [Tensor.empty(gpu, [1, 128, 4]), Tensor.empty(gpu, [1, 2 ** 17, 4])];
    attention(q, k, k, { scale: 1, scoreBytes });
    return chunks;
  };
  assert.is(chunksWith(), 2);
  assert.is(chunksWith(2 ** 24), 4);
});

test.run();
