/** argmax and the confusion matrix: exact. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { argmax } from "../../src/ops/argmax.ts";
import { addConfusion } from "../../src/ops/confusion.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

test("argmax along every axis, with ties", async () => {
  const gpu = await testGpu({ guarded: true });
  using _arena = gpu.arena();
  const shape = [3, 5, 7];
  const random = seededRandom(1);
  const values = Float32Array.from({ length: 105 }, () => Math.round(normal(random)));
  const x = Tensor.from(gpu, values, shape);
  for (const [dim, length, inner] of [[0, 3, 35], [1, 5, 7], [2, 7, 1], [-1, 7, 1]]) {
    const got = argmax(x, dim, true);
    assert.equal(got.shape, shape.with(dim, 1));
    const want = Array.from({ length: 105 / length }, (_, row) => {
      const start = Math.floor(row / inner) * length * inner + (row % inner);
      const column = Array.from({ length }, (_, j) => values[start + j * inner]);
      return column.indexOf(Math.max(...column));
    });
    assert.equal([...(await got.data())], want, `dim ${dim}`);
  }
  const flat = argmax(x, null);
  assert.equal(flat.shape, []);
  assert.is(await flat.item(), values.indexOf(Math.max(...values)));
  await checkDevice();
});

test("argmax: NaN counts as largest, the first one wins; infinities compare", async () => {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const rows = [
    [1, NaN, 3, NaN],
    [NaN, 5, Infinity, 2],
    [-Infinity, -Infinity, -Infinity, -3e38],
    [-Infinity, -Infinity, -Infinity, -Infinity],
    [1, Infinity, Infinity, 2],
  ];
  const got = argmax(Tensor.from(gpu, rows.flat(), [5, 4]));
  assert.equal([...(await got.data())], [1, 0, 3, 0, 1]);
  assert.throws(() => argmax(Tensor.zeros(gpu, [2, 0])), /dim 1 to have non-zero size/);
});

test("confusion counts what is neither ignored nor outside the classes, and adds to what is there", async () => {
  const gpu = await testGpu({ guarded: true });
  using _arena = gpu.arena();
  const random = seededRandom(2);
  const pixels = 1013;
  const label = Int32Array.from({ length: pixels }, (_, i) => (i % 9 === 4 ? 255 : Math.floor(i / 40) % 6 - 1)); // runs
  const prediction = label.map((t) => (random() < 0.7 ? t : Math.floor(random() * 7) - 1));
  const want = new Array<number>(25).fill(2);
  for (const [i, t] of label.entries()) {
    const p = prediction[i];
    if (t >= 0 && t < 5 && t !== 3 && p >= 0 && p < 5) want[t * 5 + p]++;
  }
  const confusion = Tensor.from(gpu, new Uint32Array(25).fill(2), [5, 5]);
  const tensors = [prediction, label].map((data) => Tensor.from(gpu, data, [pixels]));
  addConfusion(confusion, tensors[0], tensors[1], { ignoreIndex: 3 });
  assert.equal([...(await confusion.data())], want);
  await checkDevice();
  assert.throws(() => addConfusion(tensors[0], tensors[0], tensors[1], { ignoreIndex: 3 }), /u32 \[K, K\], got i32 \[1013\]/);
});

test.run();
