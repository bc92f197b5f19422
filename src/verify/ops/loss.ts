/** Cross-entropy: PyTorch's two functions, the loss class of the official code and its pixel sampler. */
import { crossEntropy as lossOfLogits, nllLoss as lossOfLogProbs } from "../../ops/cross_entropy.ts";
import type { NllOptions, Reduction } from "../../ops/cross_entropy.ts";
import { reshape } from "../../ops/shape_ops.ts";
import { chosenLabels, labelDivisor, segmentationLoss } from "../../nn/losses.ts";
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

export const officialCrossEntropy: Definition = {
  parameters: [
    "input", "target", "scale_factor", "ignore_index", "class_weight", "norm_loss_with_class_weight",
    "label_smoothing", "lowest_loss_value", "reduction",
  ],
  run(call) {
    const ignoreIndex = call.number("ignore_index", -100);
    const { logits, label, classes } = maps(call);
    return {
      value: segmentationLoss(logits, label, {
        ...resize(ignoreIndex),
        weight: call.number("scale_factor", 1),
        classWeights: call.dims("class_weight") ?? [],
        normByClassWeights: call.boolean("norm_loss_with_class_weight", true),
        labelSmoothing: call.number("label_smoothing", 0),
        lowest: call.number("lowest_loss_value", 0),
        divisor: call.choice("reduction", ["mean", "sum"], "mean") === "sum" ? 1 : officialDivisor(call, classes),
        emptyMean: "nan",
      }),
    };
  },
};

/** Pixels chosen by their loss, and the loss of those. */
export const ohem: Definition = {
  parameters: ["input", "target", "thresh", "min_kept_per_image", "ignore_index"],
  names: { select_by: null },
  async run(call) {
    const ignoreIndex = call.number("ignore_index", -100);
    const { logits, label, classes } = maps(call);
    officialDivisor(call, classes);
    const options = {
      ...resize(ignoreIndex),
      ohem: { threshold: call.number("thresh", 0), minKept: call.number("min_kept_per_image") },
    };
    const value = segmentationLoss(logits, label, options);
    const kept = await chosenLabels(logits, label, options).data();
    const mask = Int32Array.from(kept, (chosen) => (chosen === ignoreIndex ? 0 : 1));
    return [{ value }, { name: "keep_mask", value: Tensor.from(call.gpu, mask, label.shape) }];
  },
};

const resize = (ignoreIndex: number) => ({ ignoreIndex, alignCorners: false });

/** Scores and labels as maps; rows without place become one of a single column. */
function maps(call: Call): { logits: Tensor; label: Tensor; classes: number } {
  const logits = call.tensor("input", channelsLast);
  const label = call.tensor("target");
  const classes = logits.shape[logits.shape.length - 1];
  if (logits.shape.length === 4) return { logits, label, classes };
  return { logits: reshape(logits, [1, label.size, 1, classes]), label: label.view([1, label.size, 1]), classes };
}

/**
 * The official class takes a label equal to the number of classes for no class at all, but counts it in the mean;
 * others beyond the classes are an error. Undefined where its divisor is ours: always with one of class weights.
 */
function officialDivisor(call: Call, classes: number): number | undefined {
  const labels = Int32Array.from(call.stored("target")!.data);
  const counted = labelDivisor(labels, classes + 1, { ignoreIndex: call.number("ignore_index", -100) });
  const byWeight = call.value("class_weight") !== undefined && call.value("norm_loss_with_class_weight") !== false;
  return labels.includes(classes) && !byWeight ? counted : undefined;
}

/** Labels are checked where a dataset is read; the kernels take any other one for ignored. */
function checkLabels(call: Call, ignoreIndex: number): void {
  const { shape } = call.stored("input")!;
  const classes = shape.length === 1 ? shape[0] : shape[1];
  const wrong = call.stored("target")!.data.find((label) => label !== ignoreIndex && (label < 0 || label >= classes));
  if (wrong !== undefined) throw new Skip(`a label of ${wrong} with ${classes} classes: refused when labels are read`);
}
