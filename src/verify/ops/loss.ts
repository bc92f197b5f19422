/** Cross-entropy: PyTorch's two functions and the loss class of the official code. */
import { crossEntropy as lossOfLogits, nllLoss as lossOfLogProbs } from "../../ops/cross_entropy.ts";
import type { NllOptions, Reduction } from "../../ops/cross_entropy.ts";
import { scale } from "../../ops/elementwise.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { Skip } from "../runner.ts";
import type { Call, Definition } from "../call.ts";
import { channelsLast } from "../layout.ts";

const REDUCTIONS: readonly Reduction[] = ["mean", "sum", "none"];
const DEPRECATED = { size_average: null, reduce: null };

/** Options that both functions have. A mean over nothing is PyTorch's NaN. */
function common(call: Call): NllOptions {
  call.onlyDefaults(DEPRECATED);
  const ignoreIndex = call.number("ignore_index", -100);
  if (!hasProbabilities(call)) checkLabels(call, ignoreIndex);
  return {
    weight: call.optionalTensor("weight"),
    ignoreIndex,
    reduction: call.choice("reduction", REDUCTIONS, "mean"),
    emptyMean: "nan",
  };
}

/** Targets are class indices, or a probability for every class. */
function hasProbabilities(call: Call): boolean {
  return call.stored("target")?.data instanceof Float32Array;
}

export const crossEntropy: Definition = {
  parameters: [
    "input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing",
  ],
  names: { class_weight: "weight" },
  run(call) {
    const logits = call.tensor("input", channelsLast);
    const target = hasProbabilities(call) ? call.tensor("target", channelsLast) : call.tensor("target");
    const options = { ...common(call), labelSmoothing: call.number("label_smoothing", 0) };
    return { value: lossOfLogits(logits, target, options) };
  },
};

export const nllLoss: Definition = {
  parameters: ["input", "target", "weight", "size_average", "ignore_index", "reduce", "reduction"],
  run: (call) => ({ value: lossOfLogProbs(call.tensor("input", channelsLast), call.tensor("target"), common(call)) }),
};

/** scale_factor times the mean over the pixels that count. */
export const officialCrossEntropy: Definition = {
  parameters: [
    "input", "target", "scale_factor", "ignore_index", "class_weight", "norm_loss_with_class_weight",
    "label_smoothing", "lowest_loss_value", "reduction",
  ],
  run(call) {
    const ignoreIndex = call.number("ignore_index", -100);
    checkLabels(call, ignoreIndex);
    call.onlyDefaults({ norm_loss_with_class_weight: true, lowest_loss_value: null });
    const factors = call.dims("class_weight");
    const loss = lossOfLogits(call.tensor("input", channelsLast), call.tensor("target"), {
      ignoreIndex,
      weight: factors && Tensor.from(call.gpu, factors, [factors.length]),
      labelSmoothing: call.number("label_smoothing", 0),
      reduction: call.choice("reduction", REDUCTIONS, "mean"),
      emptyMean: "nan",
    });
    return { value: scale(loss, call.number("scale_factor", 1)) };
  },
};

/** Labels are checked where a dataset is read; the kernels take any other one for ignored. */
function checkLabels(call: Call, ignoreIndex: number): void {
  const { shape } = call.stored("input")!;
  const classes = shape.length === 1 ? shape[0] : shape[1];
  const wrong = call.stored("target")!.data.find((label) => label !== ignoreIndex && (label < 0 || label >= classes));
  if (wrong !== undefined) throw new Skip(`a label of ${wrong} with ${classes} classes: refused when labels are read`);
}
