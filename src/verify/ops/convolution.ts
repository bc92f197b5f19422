/** Convolution and matrix products. */
import { conv2d as convolve } from "../../ops/conv2d.ts";
import { add, expand } from "../../ops/elementwise.ts";
import { matmul as multiply } from "../../ops/matmul.ts";
import { pad, reshape } from "../../ops/shape_ops.ts";
import { broadcastShapes, sizeOf } from "../../tensor/shape.ts";
import type { Pair } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Call, Definition } from "../call.ts";
import { convolutionWeight, imageLayout } from "../layout.ts";

const ONE: Pair = [1, 1];

export const conv2d: Definition = {
  parameters: ["input", "weight", "bias", "stride", "padding", "dilation", "groups"],
  run(call) {
    const layout = imageLayout(call.stored("input")!);
    const weight = call.tensor("weight", convolutionWeight);
    const bias = call.optionalTensor("bias");
    const dilation = call.pair("dilation", ONE);
    const { x, padding } = padded(call, call.tensor("input", layout), weight, dilation);
    const options = { stride: call.pair("stride", ONE), padding, dilation, groups: call.number("groups", 1) };
    return { value: convolve(x, weight, bias, options), layout };
  },
};

/** padding="same" may need one place more after the image than before it: that one is added here. */
function padded(call: Call, x: Tensor, weight: Tensor, dilation: Pair): { x: Tensor; padding: Pair } {
  const given = call.value("padding");
  if (given === "valid") return { x, padding: [0, 0] };
  if (given !== "same") return { x, padding: call.pair("padding", [0, 0]) };
  if (call.pair("stride", ONE).some((n) => n !== 1)) {
    throw new Error("padding='same' is not supported for strided convolutions");
  }
  const [tall, wide] = dilation.map((step, axis) => step * (weight.shape[axis] - 1));
  const extra: Pair[] = [[0, 0], [0, tall % 2], [0, wide % 2], [0, 0]];
  return { x: pad(x, extra), padding: [Math.floor(tall / 2), Math.floor(wide / 2)] };
}

export const matmul: Definition = {
  parameters: ["input", "other", "trans_a", "trans_b"],
  names: { a: "input", b: "other" },
  run(call) {
    const [transposeA, transposeB] = [call.boolean("trans_a", false), call.boolean("trans_b", false)];
    const [a, b] = [call.tensor("input"), call.tensor("other")];
    if (a.shape.length === 2 && b.shape.length === 2) return { value: multiply(a, b, { transposeA, transposeB }) };
    return { value: broadcastMatmul(a, b, { transposeA, transposeB }) };
  },
};

/** torch.matmul: a vector is a row on the left, a column on the right, and the axes before the last two broadcast. */
function broadcastMatmul(a: Tensor, b: Tensor, options: { transposeA: boolean; transposeB: boolean }): Tensor {
  if (a.shape.length === 0 || b.shape.length === 0) {
    throw new Error("both arguments to matmul need to be at least 1D, but one of them is a scalar");
  }
  const left = a.shape.length === 1 ? reshape(a, [1, a.size]) : a;
  const right = b.shape.length === 1 ? reshape(b, [b.size, 1]) : b;
  const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2));
  const [x, y] = [left, right].map((t) => {
    const matrix = t.shape.slice(-2);
    return reshape(expand(t, [...batch, ...matrix]), [sizeOf(batch), ...matrix]);
  });
  const product = multiply(x, y, options);
  const [, rows, columns] = product.shape;
  const kept = [...(a.shape.length === 1 ? [] : [rows]), ...(b.shape.length === 1 ? [] : [columns])];
  return reshape(product, [...batch, ...kept]);
}

export const linear: Definition = {
  parameters: ["input", "weight", "bias"],
  run(call) {
    const x = call.tensor("input");
    const [weight, bias] = [call.tensor("weight"), call.optionalTensor("bias")];
    const outer = x.shape.slice(0, -1);
    const rows = reshape(x, [sizeOf(outer), x.shape.at(-1) ?? 1]);
    const product = multiply(rows, weight, { transposeB: true });
    const value = reshape(product, [...outer, weight.shape[0]]);
    return { value: bias ? add(value, bias) : value };
  },
};
