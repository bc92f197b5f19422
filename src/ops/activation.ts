import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Context, Sample } from "./define.ts";
import { map } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import { inParts } from "./parts.ts";
import { vectorDispatch } from "./variants.ts";

interface ActivationOptions {
  /** Factor for negative inputs, 0 < slope; 0 for the plain ReLU. */
  readonly slope: number;
}

const samples = (slope: number): Sample<ActivationOptions>[] => [
  { inputs: [[1]], options: { slope } },
  { inputs: [[2, 3, 5, 7]], options: { slope }, note: "normal numbers and exact zeros" },
  { inputs: [{ shape: [3], values: (i) => [0, -0, 1e-30][i] }], options: { slope }, note: "kink" },
  { inputs: [{ shape: [3], values: (i) => [NaN, Infinity, -Infinity][i] }], options: { slope }, note: "not finite" },
  { inputs: [{ shape: [4], values: (i) => [NaN, Infinity, -Infinity, -0][i] }], options: { slope }, note: "vectors" },
  { inputs: [[2, 5, 13, 4]], options: { slope }, note: "vectors" },
];

const activationOp = (name: string, op: 0 | 1, slope: number) =>
  defineOp<readonly [Tensor], ActivationOptions>({
    name,
    forward(ctx: Context, [x], options) {
      const y = Tensor.empty(x.gpu, x.shape);
      inParts(x.size, [x], [y], ([x], [y]) => {
        const { isVec4, ...call } = dispatch(x, op, options);
        x.gpu.run(isVec4 ? "activation_vec4.forward" : "activation.forward", { x, y }, call);
      });
      ctx.save(y); // has the sign of x, and is needed by the next layer anyway
      return y;
    },
    backward(ctx, dy, [x], options) {
      const dx = Tensor.empty(x.gpu, x.shape);
      inParts(x.size, [ctx.saved[0], dy], [dx], ([x, dy], [dx]) => {
        const { isVec4, ...call } = dispatch(x, op, options);
        x.gpu.run(isVec4 ? "activation_vec4.backward" : "activation.backward", { x, dy, dx }, call);
      });
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

function dispatch({ gpu, size }: Tensor, op: number, { slope }: ActivationOptions) {
  const isVec4 = size % 4 === 0;
  const count = isVec4 ? size / 4 : size;
  const walk = isVec4 ? vectorDispatch(gpu, "activation_vec4", count) : { elements: Math.ceil(count / 4) };
  return { isVec4, ...walk, params: { count }, constants: { OP: op, SLOPE: slope } };
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
