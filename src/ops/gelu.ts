import { Tensor } from "../tensor/tensor.ts";
import { apply, defineOp } from "./define.ts";
import type { Sample } from "./define.ts";
import { map } from "./ndarray.ts";
import { inParts } from "./parts.ts";

/** Of `gelu`. */
export interface GeluOptions {
  /** "none": the normal distribution itself. "tanh": the approximation of it that some published networks use. */
  readonly approximate?: "none" | "tanh";
}

const geluOp = defineOp<readonly [Tensor], GeluOptions>({
  name: "gelu",
  forward(ctx, [x], options) {
    const y = Tensor.empty(x.gpu, x.shape);
    inParts(x.size, [x], [y], ([x], [y]) => x.gpu.run("gelu.forward", { x, y }, dispatch(x, options)));
    ctx.save(x);
    return y;
  },
  backward(_ctx, dy, [x], options) {
    const dx = Tensor.empty(x.gpu, x.shape);
    inParts(x.size, [x, dy], [dx], ([x, dy], [dx]) => x.gpu.run("gelu.backward", { x, dy, dx }, dispatch(x, options)));
    return [dx];
  },
  reference: ([x], { approximate }) =>
    map(x!, (v) => {
      if (approximate !== "tanh") return v * normalCdf(v);
      return 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)));
    }),
  samples: (["none", "tanh"] as const).flatMap((approximate): Sample<GeluOptions>[] => [
    { inputs: [[1]], options: { approximate } },
    { inputs: [[2, 3, 5, 7]], options: { approximate }, note: "normal numbers and exact zeros" },
    { inputs: [{ shape: [121], values: (i) => (i - 60) / 10 }], options: { approximate }, note: "both tails" },
    { inputs: [{ shape: [6], values: (i) => [20, -20, 1e4, -1e4, 1e-30, -0][i] }], options: { approximate } },
  ]),
});

function dispatch(x: Tensor, { approximate }: GeluOptions) {
  return {
    elements: Math.ceil(x.size / 4),
    params: { count: x.size },
    constants: { TANH: approximate === "tanh" },
  };
}

/** P(X <= v), X standard normal: its series about 0, and beyond 8 what is 0 or 1 to fifteen digits. */
function normalCdf(v: number): number {
  if (Math.abs(v) > 8) return v > 0 ? 1 : 0;
  let term = v;
  let sum = v;
  for (let k = 1; Math.abs(term) > 1e-20; k++) {
    term *= (v * v) / (2 * k + 1); // phi(v) = 1/2 + density(v) * (v + v^3/3 + v^5/(3*5) + ...)
    sum += term;
  }
  return 0.5 + (sum * Math.exp(-0.5 * v * v)) / Math.sqrt(2 * Math.PI);
}

/**
 * Gaussian error linear unit of x, any shape: x·P(X <= x), X standard normal (torch.nn.functional.gelu).
 *
 * @throws Error for an approximation of another name
 */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  const { approximate = "none" } = options;
  if (approximate !== "none" && approximate !== "tanh") {
    throw new Error("approximate argument must be either none or tanh.");
  }
  return apply(geluOp, [x], { approximate });
}
