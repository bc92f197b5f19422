import type { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, sameShape, showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { arithmetic, broadcastTo, sumTo } from "./broadcast.ts";
import type { Arithmetic } from "./broadcast.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample, SampleInput } from "./define.ts";
import { forEachIndex, map, ndarray } from "./ndarray.ts";
import { broadcastStrides } from "./strides.ts";

type Pair = readonly [Tensor, Tensor];
type Gradient = (dy: Tensor, pair: Pair, y: Tensor) => Tensor;

const FORMULA: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
};

/** Numbers away from zero, for divisors. */
const nonZero = (shape: Shape): SampleInput => ({
  shape,
  values: (i, random) => (i % 2 ? -1 : 1) * (0.5 + random()),
});

function samples(b: (shape: Shape) => SampleInput): Sample<object>[] {
  const pairs: [Shape, Shape, string][] = [
    [[], [], "scalars"],
    [[1], [1], "one element"],
    [[2, 3, 5], [2, 3, 5], "same shape"],
    [[67], [], "b is a scalar"],
    [[1], [3, 3], "a is a scalar"],
    [[2, 3, 7], [7], "b repeats along the rows"],
    [[5], [3, 1, 5], "a repeats along the rows"],
    [[7, 6], [7, 1], "b repeats within the rows"],
    [[3, 1], [1, 5], "outer"],
    [[2, 3, 3, 5], [2, 1, 1, 5], "one vector per image"],
    [[1, 1, 3, 4], [2, 5, 1, 1], "interleaved axes"],
    [[2, 1, 3, 1, 2], [1, 3, 1, 2, 1], "five axes"],
    [[300, 5], [5], "gradient summed in slices"],
    [[3, 12], [3, 12], "whole vectors"],
    [[3, 2, 20], [20], "whole vectors, b repeats along the rows"],
    [[2, 3, 3, 4], [2, 1, 1, 4], "whole vectors, one per image"],
    [[2, 8], [1], "whole vectors of a scalar"],
    [[2, 0, 3], [3], "nothing"],
  ];
  return pairs.map(([x, y, note]) => ({ inputs: [x, b(y)], options: {}, note }));
}

const plain = (shape: Shape): SampleInput => ({ shape });

/**
 * `gradA` and `gradB` give the gradient before broadcasting is undone; `signB` is left to the sum that undoes it.
 * Only div reads its own output.
 */
const binaryOp = (kind: Arithmetic, gradA: Gradient, gradB: Gradient, signB: 1 | -1) => {
  const saves = { operands: kind === "mul" || kind === "div", output: kind === "div" };
  return defineOp<Pair, object>({
    name: kind,
    forward(ctx, [a, b]) {
      const y = arithmetic(kind, a, b);
      if (saves.operands) ctx.save(a, b);
      if (saves.output) ctx.save(y);
      return y;
    },
    backward(ctx, dy, pair) {
      const y = ctx.saved[2];
      const reduce = (grad: Tensor, shape: Shape, sign: number): Tensor => {
        const out = sumTo(grad, shape, sign);
        if (grad !== out && grad !== dy) grad.release();
        return out;
      };
      return [
        ctx.needsGrad[0] ? reduce(gradA(dy, pair, y), pair[0].shape, 1) : null,
        ctx.needsGrad[1] ? reduce(gradB(dy, pair, y), pair[1].shape, signB) : null,
      ];
    },
    reference([a, b]) {
      const out = ndarray(broadcastShapes(a!.shape, b!.shape));
      const strides = [a!, b!].map((x) => broadcastStrides(x.shape, out.shape));
      forEachIndex(out.shape, (index, flat) => {
        const [i, j] = strides.map((s) => index.reduce((place, n, axis) => place + n * s[axis], 0));
        out.data[flat] = FORMULA[kind](a!.data[i], b!.data[j]);
      });
      return out;
    },
    samples: samples(kind === "div" ? nonZero : plain),
  });
};

const addOp = binaryOp("add", (dy) => dy, (dy) => dy, 1);
const subOp = binaryOp("sub", (dy) => dy, (dy) => dy, -1);
const mulOp = binaryOp("mul", (dy, [, b]) => arithmetic("mul", dy, b), (dy, [a]) => arithmetic("mul", dy, a), 1);
const divOp = binaryOp(
  "div",
  (dy, [, b]) => arithmetic("div", dy, b),
  (dy, [, b], y) => {
    const product = arithmetic("mul", dy, y); // d(a/b)/db = -(a/b)/b
    const grad = arithmetic("div", product, b);
    product.release();
    return grad;
  },
  -1,
);

const scaleOp = defineOp<readonly [Tensor], { factor: number }>({
  name: "scale",
  forward: (_ctx, [x], { factor }) => broadcastTo(x, x.shape, factor),
  backward: (_ctx, dy, [x], { factor }) => [broadcastTo(dy, x.shape, factor)],
  reference: ([x], { factor }) => map(x!, (v) => factor * v),
  samples: [
    { inputs: [[]], options: { factor: 3 } },
    { inputs: [[2, 3, 11]], options: { factor: -0.5 } },
    { inputs: [[5]], options: { factor: 0 } },
    { inputs: [[3, 12]], options: { factor: 7 }, note: "whole vectors" },
  ],
});

const expandOp = defineOp<readonly [Tensor], { shape: Shape }>({
  name: "expand",
  forward: (_ctx, [x], { shape }) => broadcastTo(x, shape),
  backward: (_ctx, dy, [x]) => [sumTo(dy, x.shape)],
  reference([x], { shape }) {
    const out = ndarray(shape);
    const strides = broadcastStrides(x!.shape, shape);
    forEachIndex(shape, (index, flat) => {
      out.data[flat] = x!.data[index.reduce((place, n, axis) => place + n * strides[axis], 0)];
    });
    return out;
  },
  samples: [
    { inputs: [[]], options: { shape: [3, 1] } },
    { inputs: [[1, 7]], options: { shape: [5, 7] } },
    { inputs: [[3, 1, 2]], options: { shape: [2, 3, 5, 2] } },
    { inputs: [[2, 1, 1, 8]], options: { shape: [2, 3, 2, 8] }, note: "whole vectors" },
    { inputs: [[2, 3]], options: { shape: [2, 3] }, note: "nothing to repeat" },
  ],
});

/**
 * a + b with broadcasting. f32.
 *
 * @throws Error where the shapes do not broadcast
 */
export function add(a: Tensor, b: Tensor): Tensor {
  return apply(addOp, [a, b], {});
}

/**
 * a - b with broadcasting. f32.
 *
 * @throws Error where the shapes do not broadcast
 */
export function sub(a: Tensor, b: Tensor): Tensor {
  return apply(subOp, [a, b], {});
}

/**
 * a * b with broadcasting. f32.
 *
 * @throws Error where the shapes do not broadcast
 */
export function mul(a: Tensor, b: Tensor): Tensor {
  return apply(mulOp, [a, b], {});
}

/**
 * a / b with broadcasting. f32.
 *
 * @throws Error where the shapes do not broadcast
 */
export function div(a: Tensor, b: Tensor): Tensor {
  return apply(divOp, [a, b], {});
}

/** factor * x. */
export function scale(x: Tensor, factor: number): Tensor {
  return apply(scaleOp, [x], { factor });
}

/** x repeated along new axes in front and axes of size 1 until it has `shape`; a copy, unlike PyTorch's view. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (shape.length < x.shape.length || !sameShape(broadcastShapes(x.shape, shape), shape)) {
    throw new Error(`a tensor of shape ${showShape(x.shape)} cannot be expanded to ${showShape(shape)}`);
  }
  return apply(expandOp, [x], { shape });
}
