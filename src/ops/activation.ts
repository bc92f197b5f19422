import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Context, Sample } from "./define.ts";
import { map } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";

interface ActivationOptions {
  /** Factor for negative inputs, 0 < slope; 0 for the plain ReLU. */
  readonly slope: number;
}

const samples = (slope: number): Sample<ActivationOptions>[] => [
  { inputs: [[1]], options: { slope } },
  { inputs: [[2, 3, 5, 7]], options: { slope }, note: "normal numbers and exact zeros" },
  { inputs: [{ shape: [3], values: (i) => [0, -0, 1e-30][i] }], options: { slope }, note: "kink" },
  { inputs: [{ shape: [3], values: (i) => [NaN, Infinity, -Infinity][i] }], options: { slope }, note: "not finite" },
];

const activationOp = (name: string, op: 0 | 1, slope: number) =>
  defineOp<readonly [Tensor], ActivationOptions>({
    name,
    forward(ctx: Context, [x], options) {
      const y = Tensor.empty(x.gpu, x.shape);
      x.gpu.run("activation.forward", { x, y }, { ...dispatch(x, op, options) });
      ctx.save(y); // has the sign of x, and is needed by the next layer anyway
      return y;
    },
    backward(ctx, dy, [x], options) {
      const dx = Tensor.empty(x.gpu, x.shape);
      x.gpu.run("activation.backward", { x: ctx.saved[0], dy, dx }, { ...dispatch(x, op, options) });
      return [dx];
    },
    reference: ([x], options) => map(x!, (v) => (v <= 0 ? negative(v, options) : v)),
    referenceBackward: ([x], grad, options): NdArray[] => [
      map(grad, (g, i) => (x!.data[i] <= 0 ? negative(g, options) : g)),
    ],
    samples: samples(slope),
  });

/** Zero without a slope, also for infinities. */
function negative(value: number, { slope }: ActivationOptions): number {
  return slope === 0 ? 0 : slope * value;
}

function dispatch(x: Tensor, op: number, { slope }: ActivationOptions) {
  return { elements: Math.ceil(x.size / 4), params: { count: x.size }, constants: { OP: op, SLOPE: slope } };
}

const reluOp = activationOp("relu", 0, 0);
const leakyReluOp = activationOp("leaky_relu", 1, 0.01);

/** max(x, 0), any shape. The gradient at 0 is 0. */
export function relu(x: Tensor): Tensor {
  return apply(reluOp, [x], { slope: 0 });
}

/** x where positive, slope·x elsewhere; any shape, slope > 0. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  if (!(slope > 0)) throw new Error(`leakyRelu needs a slope above 0, got ${slope}; use relu for 0`);
  return apply(leakyReluOp, [x], { slope });
}
