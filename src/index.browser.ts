/**
 * The library without Node: bring a GPUDevice (from `navigator.gpu`, Deno, anywhere) and a function that gives the text
 * of a kernel file, such as one over `import.meta.glob("…/kernels/*.wgsl", { query: "?raw", eager: true })`.
 */
export { capabilities, describe, reportAdapter } from "./device/capabilities.ts";
export type { AdapterReport, Capabilities } from "./device/capabilities.ts";
export { DeviceError, DeviceLostError, watchDevice } from "./device/watch.ts";
export { Gpu } from "./runtime/gpu.ts";
export type { Bindable, DispatchOptions, GpuOptions } from "./runtime/gpu.ts";
export type { KernelName, KernelSource } from "./runtime/kernels.ts";
export { Tensor } from "./tensor/tensor.ts";
export { noGrad } from "./autograd/tape.ts";
export { backward, apply, defineOp } from "./ops/define.ts";
export type { Op } from "./ops/define.ts";
export { relu, leakyRelu } from "./ops/activation.ts";
export { aggregateMemory } from "./ops/aggregate.ts";
export { argmax } from "./ops/argmax.ts";
export { attention } from "./ops/attention.ts";
export { batchNorm } from "./ops/batch_norm.ts";
export { concat } from "./ops/concat.ts";
export { addConfusion } from "./ops/confusion.ts";
export { conv2d } from "./ops/conv2d.ts";
export { crossEntropy, nllLoss } from "./ops/cross_entropy.ts";
export { dropout } from "./ops/dropout.ts";
export { add, div, mul, scale, sub } from "./ops/elementwise.ts";
export { gelu } from "./ops/gelu.ts";
export { interpolateBilinear } from "./ops/interpolate.ts";
export { interpolateNearest } from "./ops/interpolate_nearest.ts";
export { layerNorm } from "./ops/layer_norm.ts";
export { matmul } from "./ops/matmul.ts";
export { updateMemory } from "./ops/memory.ts";
export { cosineSimilarity, normalize } from "./ops/normalize.ts";
export { adaptiveAvgPool2d, avgPool2d, maxPool2d } from "./ops/pool.ts";
export { mean, sum } from "./ops/reduce.ts";
export { flip, pad, permute, reshape } from "./ops/shape_ops.ts";
export { slice } from "./ops/slice.ts";
export { logSoftmax, softmax } from "./ops/softmax.ts";
export { upsampledCrossEntropy } from "./ops/upsampled_cross_entropy.ts";
export * from "./nn/layers.ts";
export { Layer, Module } from "./nn/module.ts";
export { RandomState } from "./nn/random_state.ts";
export { Sgd } from "./optim/sgd.ts";
export { polyLearningRate } from "./optim/schedule.ts";
export { Mcibi } from "./models/mcibi.ts";
export { ResNet } from "./models/resnet.ts";
export { trainingLoss } from "./models/training_loss.ts";
export { preset } from "./config/presets.ts";
export { buildModel } from "./config/model.ts";
