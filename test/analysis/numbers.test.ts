/** The figures of an analysis against values worked out by hand. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cosineMatrix } from "../../src/analysis/cosine.ts";
import { symmetricEigen } from "../../src/analysis/eigen.ts";
import { EntropyMeter, normalizedEntropy } from "../../src/analysis/entropy.ts";
import { pca, project } from "../../src/analysis/pca.ts";
import type { Points } from "../../src/analysis/points.ts";
import { ClassSampler } from "../../src/analysis/sampler.ts";
import { ScatterMeter } from "../../src/analysis/scatter.ts";
import { silhouette } from "../../src/analysis/silhouette.ts";
import { contrast, legible } from "../../src/analysis/style.ts";
import { jointProbabilities, tsne } from "../../src/analysis/tsne.ts";
import { pseudoRandom } from "../support/mutate.ts";

const pointsOf = (rows: readonly (readonly number[])[]): Points => {
  return { count: rows.length, channels: rows[0]?.length ?? 2, data: Float64Array.from(rows.flat()) };
};
const near = (got: number | null, wanted: number, what = "", tolerance = 1e-12): void => {
  assert.ok(got !== null && Math.abs(got - wanted) <= tolerance, `${what} ${got} instead of ${wanted}`);
};

test("scatter: two classes of two and one vectors, and one without", () => {
  const meter = new ScatterMeter(3, 2);
  // Class 0: (0, 0), (2, 0), mean (1, 0); class 2: (4, 3). The mean of all is (2, 1).
  for (const [label, ...vector] of [[0, 0, 0], [0, 2, 0], [2, 4, 3]]) meter.add(label, [9, ...vector], 1);
  const { count, within, between, ratio, balanced, classes } = meter.summary();
  assert.is(count, 3);
  near(within, 2 / 3);
  near(between, (2 * 2 + 1 * 8) / 3);
  near(ratio, 6);
  // Classes alike: the mean of the means is (2.5, 1.5), 1.5^2 + 1.5^2 from either.
  near(balanced.within, 1 / 2);
  near(balanced.between, 4.5);
  near(balanced.ratio, 9);
  assert.equal(classes.map((c) => c.count), [2, 0, 1]);
  assert.is(classes[1].nearest, null);
  assert.ok(Number.isNaN(classes[1].within));
  assert.equal(classes[0].nearest, { label: 2, distance: Math.sqrt(18) });
});

test("scatter: within and between sum up to the scatter of all; one class alone has no ratio between", () => {
  const random = pseudoRandom(1);
  const vectors = Array.from({ length: 200 }, () => [1e4 + random(), random(), random()]);
  const meter = new ScatterMeter(4, 3);
  vectors.forEach((vector, i) => meter.add(i % 4, vector));
  const { within, between } = meter.summary();
  const mean = [0, 1, 2].map((c) => vectors.reduce((sum, vector) => sum + vector[c], 0) / 200);
  const all = vectors.reduce((sum, v) => sum + v.reduce((s, value, c) => s + (value - mean[c]) ** 2, 0), 0) / 200;
  near(within + between, all, "total", 1e-9);
  const single = new ScatterMeter(2, 1);
  single.add(0, [3]);
  assert.is(single.summary().ratio, null);
  assert.is(single.summary().classes[0].nearest, null);
});

test("silhouette: by hand, of a vector alone, of one class, of vectors that coincide", () => {
  // On a line: class 0 at 0 and 1, class 1 at 5 and 7.
  const line = pointsOf([[0], [1], [5], [7]]);
  const wanted = [(6 - 1) / 6, (5 - 1) / 5, (4.5 - 2) / 4.5, (6.5 - 2) / 6.5];
  const { mean, classes } = silhouette(line, [0, 0, 1, 1], 3);
  near(mean, wanted.reduce((sum, s) => sum + s, 0) / 4);
  near(classes[0], (wanted[0] + wanted[1]) / 2);
  near(classes[1], (wanted[2] + wanted[3]) / 2);
  assert.is(classes[2], null);
  const alone = silhouette(pointsOf([[0], [1], [9]]), [0, 0, 1], 2);
  assert.is(alone.classes[1], 0);
  near(alone.mean, ((9 - 1) / 9 + (8 - 1) / 8) / 3);
  assert.equal(silhouette(line, [1, 1, 1, 1], 2), { mean: null, classes: [null, null] });
  assert.equal(silhouette(pointsOf([]), [], 2), { mean: null, classes: [null, null] });
  assert.equal(silhouette(pointsOf([[1], [1], [1], [1]]), [0, 0, 1, 1], 2), { mean: 0, classes: [0, 0] });
});

test("eigenvectors: of a known matrix, and A v = lambda v of a random one", () => {
  const { values, vectors } = symmetricEigen(Float64Array.of(2, 1, 1, 2), 2);
  near(values[0], 3);
  near(values[1], 1);
  for (const value of vectors[0]) near(value, Math.SQRT1_2);
  const n = 12;
  const random = pseudoRandom(2);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = random() - 0.5;
  const eigen = symmetricEigen(a, n);
  eigen.vectors.forEach((vector, k) => {
    for (let i = 0; i < n; i++) {
      const product = vector.reduce((sum, value, j) => sum + a[i * n + j] * value, 0);
      near(product, eigen.values[k] * vector[i], `vector ${k}`);
    }
    assert.ok(k === 0 || eigen.values[k] <= eigen.values[k - 1]);
  });
});

test("principal components: of a known covariance", () => {
  // Four points with variances 9 along (3, 4) / 5, 1 along (-4, 3) / 5, around (10, -2).
  const [u, v] = [[0.6, 0.8], [-0.8, 0.6]];
  const at = ([a, b]: number[]): number[] => [10 + a * u[0] + b * v[0], -2 + a * u[1] + b * v[1]];
  const rows = [[3, 1], [3, -1], [-3, 1], [-3, -1]].map(at);
  const axes = pca(pointsOf(rows), 2);
  near(axes.mean[0], 10);
  near(axes.mean[1], -2);
  near(axes.explained[0], 0.9);
  near(axes.explained[1], 0.1);
  axes.axes[0].forEach((value, i) => near(value, u[i]));
  axes.axes[1].forEach((value, i) => near(value, -v[i], "larger component positive"));
  const { data } = project(pointsOf([[10 + 2 * u[0], -2 + 2 * u[1]]]), axes);
  near(data[0], 2);
  near(data[1], 0);
  const flat = pca(pointsOf([[1, 1], [1, 1]]), 2);
  assert.equal(flat.explained, [0, 0]);
  assert.is(pca(pointsOf([[1], [2]]), 2).axes.length, 1);
});

test("t-SNE: the neighbourhoods have the perplexity, of four points on a square by hand", () => {
  // Two neighbours at distance 1, one at 2 (squared): with perplexity 2 the far one has weight e^-beta < 1.
  const d = Float64Array.of(0, 1, 1, 2, 1, 0, 2, 1, 1, 2, 0, 1, 2, 1, 1, 0);
  const p = jointProbabilities(d, 4, 2.5);
  near(2 * p.reduce((sum, value) => sum + value, 0), 1, "sum");
  const [near1, near2, far] = [p[0], p[1], p[3]].map((value) => value * 4); // p_1|0 and so on, all points alike
  near(near1, near2);
  near(-2 * near1 * Math.log(near1) - far * Math.log(far), Math.log(2.5), "entropy", 1e-8);
  assert.ok(far < near1);
});

test("t-SNE: lowers the divergence, keeps two clusters apart, gives the same map again", () => {
  const random = pseudoRandom(3);
  const rows = Array.from({ length: 60 }, (_, i) => Array.from({ length: 5 }, () => random() + (i < 30 ? 0 : 3)));
  const points = pointsOf(rows);
  const options = { perplexity: 10, iterations: 600, seed: 4 };
  const { points: map, divergence, initialDivergence } = tsne(points, options);
  assert.ok(divergence < 0.6 * initialDivergence, `${initialDivergence} -> ${divergence}`);
  const labels = rows.map((_, i) => (i < 30 ? 0 : 1));
  assert.ok(silhouette(map, labels, 2).mean! > 0.5);
  assert.equal(tsne(points, options).points.data, map.data);
  assert.not.equal(tsne(points, { ...options, seed: 5 }).points.data, map.data);
});

test("t-SNE: few points, points that coincide", () => {
  assert.equal(tsne(pointsOf([[1, 2]])).points.data, Float64Array.of(0, 0));
  const same = tsne(pointsOf(Array.from({ length: 8 }, () => [1, 1])), { iterations: 20 });
  assert.ok(same.points.data.every(Number.isFinite));
});

test("entropy of W: certain, uniform, a coin, per class and in bins", () => {
  near(normalizedEntropy([0, 0, 0, 0], 4), 1);
  near(normalizedEntropy([1e4, 0, -1e4], 3), 0);
  near(normalizedEntropy([7, 500, 500, -1e9], 3, 1), Math.log(2) / Math.log(3));
  const meter = new EntropyMeter(3);
  for (const [label, entropy] of [[0, 0], [0, 0.5], [2, 1]]) meter.add(label, entropy);
  const { mean, classes, histogram, count } = meter.summary();
  assert.is(count, 3);
  near(mean, 0.5);
  assert.equal(classes, [0.25, null, 1]);
  assert.equal(histogram.flatMap((n, bin) => (n > 0 ? [[bin, n]] : [])), [[0, 1], [10, 1], [19, 1]]);
  assert.is(new EntropyMeter(2).summary().mean, null);
});

test("cosines: right angles, opposites, a zero vector", () => {
  const matrix = cosineMatrix(pointsOf([[1, 0], [0, 2], [-3, 0], [0, 0]]));
  assert.equal(matrix, [[1, 0, -1, null], [0, 1, 0, null], [-1, 0, 1, null], [null, null, null, null]]);
});

test("the sample: the same places whatever the order and the vectors, no more than wanted, spread over them", () => {
  const draw = (order: readonly number[], channels: number) => {
    const sampler = new ClassSampler({ numClasses: 2, channels, capacity: 50, seed: 7 });
    for (const cell of order) sampler.add(0, [0, cell], Array(channels).fill(cell));
    sampler.add(1, [1, 0], Array(channels).fill(-1));
    return sampler.sample();
  };
  const cells = Array.from({ length: 1000 }, (_, i) => i);
  const { points, labels } = draw(cells, 1);
  assert.equal([labels.filter((k) => k === 0).length, labels.filter((k) => k === 1).length], [50, 1]);
  assert.equal(draw([...cells].reverse(), 1).points.data, points.data);
  const wide = draw(cells, 3).points.data.filter((_, i) => i % 3 === 0);
  assert.equal(wide, points.data);
  const drawn = points.data.subarray(0, 50);
  assert.is(new Set(drawn).size, 50);
  const mean = drawn.reduce((sum, cell) => sum + cell, 0) / 50;
  assert.ok(Math.abs(mean - 500) < 125, `mean ${mean}: three standard errors off`);
});

test("colours stand out from either ground", () => {
  for (const ground of [[255, 255, 255], [13, 17, 23]] as const) {
    for (const colour of [[0, 0, 0], [255, 255, 255], [64, 64, 0], [192, 192, 128]] as const) {
      assert.ok(contrast(legible(colour, ground), ground) >= 2.2);
    }
  }
  assert.equal(legible([178, 24, 43], [255, 255, 255]), [178, 24, 43]);
});

test.run();
