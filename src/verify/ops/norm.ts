/** Normalisation, over batches, layers and vectors. */
import { batchNorm as normalizeBatch, batchNormStats } from "../../ops/batch_norm.ts";
import { layerNorm as normalizeLayer } from "../../ops/layer_norm.ts";
import { cosineSimilarity as similarity, normalize as normalizeVectors } from "../../ops/normalize.ts";
import { showShape } from "../../tensor/shape.ts";
import type { Definition, Output } from "../call.ts";
import { channelsLast } from "../layout.ts";

export const batchNorm: Definition = {
  parameters: ["input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"],
  names: { affine: null },
  run(call) {
    const x = call.tensor("input", channelsLast);
    const [mean, variance] = [call.optionalTensor("running_mean"), call.optionalTensor("running_var")];
    const running = mean && variance && { mean, var: variance };
    const training = call.boolean("training", false);
    const options = { training, momentum: call.number("momentum", 0.1), eps: call.number("eps", 1e-5) };
    const outputs: Output[] = [];
    if (call.expects("batch_mean")) {
      const batch = batchNormStats(x);
      outputs.push({ name: "batch_mean", value: batch.mean }, { name: "batch_var_biased", value: batch.var });
    }
    const [weight, bias] = [call.optionalTensor("weight"), call.optionalTensor("bias")];
    outputs.unshift({ value: normalizeBatch(x, weight, bias, running, options), layout: channelsLast });
    if (training && running) {
      outputs.push({ name: `${call.key("running_mean")}_after`, value: running.mean });
      outputs.push({ name: `${call.key("running_var")}_after`, value: running.var });
    }
    return outputs.map((output, i) => (i === 0 ? { name: "output", ...output } : output));
  },
};

export const layerNorm: Definition = {
  parameters: ["input", "normalized_shape", "weight", "bias", "eps"],
  names: { affine: null },
  run(call) {
    const x = call.tensor("input");
    const normalized = call.dims("normalized_shape")!;
    const axes = normalized.length;
    if (axes === 0 || normalized.some((n, i) => n !== x.shape.at(i - axes))) {
      const shapes = `normalized_shape=${showShape(normalized)}, got input of size ${showShape(x.shape)}`;
      throw new Error(`Given normalized_shape, expected input with its last axes of that shape: ${shapes}`);
    }
    const [weight, bias] = [call.optionalTensor("weight"), call.optionalTensor("bias")];
    return { value: normalizeLayer(x, weight, bias, { eps: call.number("eps", 1e-5), axes }) };
  },
};

export const cosineSimilarity: Definition = {
  parameters: ["x1", "x2", "dim", "eps"],
  names: { a: "x1", b: "x2" },
  run: (call) => ({
    value: similarity(call.tensor("x1"), call.tensor("x2"), call.number("dim", 1), call.number("eps", 1e-8)),
  }),
};

export const normalize: Definition = {
  parameters: ["input", "p", "dim", "eps"],
  run(call) {
    const options = { p: call.number("p", 2), dim: call.number("dim", 1), eps: call.number("eps", 1e-12) };
    return { value: normalizeVectors(call.tensor("input"), options) };
  },
};
