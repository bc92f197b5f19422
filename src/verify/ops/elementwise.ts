/** Arithmetic, activations, softmax, reductions and dropout. */
import { Dropout2d } from "../../nn/layers.ts";
import { RandomState } from "../../nn/random_state.ts";
import { leakyRelu as activateLeaky, relu as activate } from "../../ops/activation.ts";
import { argmax as findMaximum } from "../../ops/argmax.ts";
import { dropout } from "../../ops/dropout.ts";
import * as arithmetic from "../../ops/elementwise.ts";
import { gelu as activateGaussian } from "../../ops/gelu.ts";
import * as reductions from "../../ops/reduce.ts";
import { reshape } from "../../ops/shape_ops.ts";
import { logSoftmax as takeLogSoftmax, softmax as takeSoftmax } from "../../ops/softmax.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Call, Definition } from "../call.ts";
import { channelsLast } from "../layout.ts";

const binary = (op: (a: Tensor, b: Tensor) => Tensor, ...more: string[]): Definition => ({
  parameters: ["input", "other", ...more],
  names: { a: "input", b: "other" },
  run(call) {
    call.onlyDefaults({ rounding_mode: null });
    const [a, b] = [call.tensor("input"), call.tensor("other")];
    const alpha = call.number("alpha", 1);
    return { value: op(a, alpha === 1 ? b : arithmetic.scale(b, alpha)) };
  },
});

export const add = binary(arithmetic.add, "alpha");
export const sub = binary(arithmetic.sub, "alpha");
export const mul = binary(arithmetic.mul);
export const div = binary(arithmetic.div, "rounding_mode");

export const relu: Definition = {
  parameters: ["input", "inplace"],
  run: (call) => ({ value: activate(call.tensor("input")) }),
};

export const leakyRelu: Definition = {
  parameters: ["input", "negative_slope", "inplace"],
  run: (call) => ({ value: activateLeaky(call.tensor("input"), call.number("negative_slope", 0.01)) }),
};

export const gelu: Definition = {
  parameters: ["input", "approximate"],
  run(call) {
    const approximate = call.choice("approximate", ["none", "tanh"], "none");
    return { value: activateGaussian(call.tensor("input"), { approximate }) };
  },
};

/** The only type that results have here. */
const FLOAT = "torch.float32";

const along = (op: (x: Tensor, dim: number) => Tensor): Definition => ({
  parameters: ["input", "dim", "dtype"],
  run(call) {
    call.onlyDefaults({ dtype: FLOAT });
    return { value: op(call.tensor("input"), call.number("dim")) };
  },
});

export const softmax = along(takeSoftmax);
export const logSoftmax = along(takeLogSoftmax);

const reduction = (op: (x: Tensor, dims: number[] | null, keepdim: boolean) => Tensor): Definition => ({
  parameters: ["input", "dim", "keepdim", "dtype"],
  run(call) {
    call.onlyDefaults({ dtype: FLOAT });
    return { value: op(call.tensor("input"), call.dims("dim"), call.boolean("keepdim", false)) };
  },
});

export const sum = reduction(reductions.sum);
export const mean = reduction(reductions.mean);

export const argmax: Definition = {
  parameters: ["input", "dim", "keepdim"],
  run(call) {
    const dim = call.value("dim") === undefined ? null : call.number("dim");
    return { value: findMaximum(call.tensor("input"), dim, call.boolean("keepdim", false)) };
  },
};

/** A layer in evaluation mode. */
export const dropoutEval: Definition = {
  parameters: ["input", "p"],
  run(call) {
    const x = call.tensor("input");
    const layer = new Dropout2d(call.number("p"), new RandomState(0)).eval();
    return { value: reshape(layer.forward(x), x.shape) }; // recorded, so that the identity has a gradient
  },
};

const masked = (call: Call, layout?: typeof channelsLast) => {
  const x = call.tensor("input", layout);
  const mask = call.tensor("mask", layout);
  const value = dropout(x, { p: call.number("p"), seed: 0, offset: 0, mask });
  return { value: reshape(value, x.shape), layout }; // recorded, so that the identity of p = 0 has a gradient
};

/** The mask that PyTorch drew, instead of one of our own. */
export const dropoutTrain: Definition = { parameters: ["input", "p", "mask"], run: (call) => masked(call) };

export const dropout2dTrain: Definition = {
  parameters: ["input", "p", "mask"],
  run: (call) => masked(call, channelsLast),
};
