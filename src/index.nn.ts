/**
 * Differentiable operations, layers, losses, optimisers, and the files that state is kept in. Operations throw an Error
 * with PyTorch's message where shapes, types or options do not fit; what they return is recorded, not computed, until
 * something is read or `gpu.submit()` is called.
 *
 * @module mcibi-webgpu/nn
 */
export { isRepeated, once } from "./autograd/checkpoint.ts";
export { enableGrad, isGradEnabled, noGrad } from "./autograd/tape.ts";
export type { Leaf, Node } from "./autograd/tape.ts";
export { backward, apply, defineOp } from "./ops/define.ts";
export type { Context, Cost, Inputs, Op, Sample, SampleInput } from "./ops/define.ts";
export type { NdArray } from "./ops/ndarray.ts";
export { relu, leakyRelu } from "./ops/activation.ts";
export { aggregateMemory } from "./ops/aggregate.ts";
export type { AggregateOptions } from "./ops/aggregate.ts";
export { argmax } from "./ops/argmax.ts";
export { attention } from "./ops/attention.ts";
export type { AttentionOptions } from "./ops/attention.ts";
export { batchNorm } from "./ops/batch_norm.ts";
export type { BatchNormOptions as BatchNormCallOptions, RunningStatistics } from "./ops/batch_norm.ts";
export { checkpoint } from "./ops/checkpoint.ts";
export { concat } from "./ops/concat.ts";
export { addConfusion } from "./ops/confusion.ts";
export type { ConfusionOptions } from "./ops/confusion.ts";
export { conv2d } from "./ops/conv2d.ts";
export type { Conv2dOptions } from "./ops/conv2d.geometry.ts";
export { crossEntropy, nllLoss } from "./ops/cross_entropy.ts";
export type { CrossEntropyOptions, NllOptions, Reduction } from "./ops/cross_entropy.ts";
export { dropout } from "./ops/dropout.ts";
export type { DropoutOptions } from "./ops/dropout.ts";
export { add, div, mul, scale, sub } from "./ops/elementwise.ts";
export { gelu } from "./ops/gelu.ts";
export type { GeluOptions } from "./ops/gelu.ts";
export { interpolateBilinear } from "./ops/interpolate.ts";
export { interpolateNearest } from "./ops/interpolate_nearest.ts";
export type { InterpolateNearestOptions } from "./ops/interpolate_nearest.ts";
export type { InterpolateOptions } from "./ops/resample.ts";
export { hardPixels } from "./ops/hard_pixels.ts";
export type { HardPixelsOptions } from "./ops/hard_pixels.ts";
export { layerNorm } from "./ops/layer_norm.ts";
export type { LayerNormOptions } from "./ops/layer_norm.ts";
export { matmul } from "./ops/matmul.ts";
export type { MatmulOptions } from "./ops/matmul.ts";
export { updateMemory } from "./ops/memory.ts";
export type { MemoryStrategy, MemoryUpdateOptions } from "./ops/memory.options.ts";
export { cosineSimilarity, normalize } from "./ops/normalize.ts";
export type { NormalizeOptions } from "./ops/normalize.ts";
export { adaptiveAvgPool2d, avgPool2d, maxPool2d } from "./ops/pool.ts";
export type { AvgPoolOptions, MaxPoolOptions } from "./ops/pool.ts";
export type { DilatedPoolOptions, PoolOptions } from "./ops/pool_window.ts";
export { mean, sum } from "./ops/reduce.ts";
export { flip, pad, permute, reshape } from "./ops/shape_ops.ts";
export { slice } from "./ops/slice.ts";
export { logSoftmax, softmax } from "./ops/softmax.ts";
export { upsampledCrossEntropy } from "./ops/upsampled_cross_entropy.ts";
export type { ResizeOptions, UpsampledCrossEntropyOptions } from "./ops/upsampled_cross_entropy.ts";
export * from "./nn/dense.ts";
export * from "./nn/init.ts";
export * from "./nn/layers.ts";
export * from "./nn/losses.ts";
export { Layer, Module } from "./nn/module.ts";
export { RandomState } from "./nn/random_state.ts";
export type { LoadOptions, LoadReport, StateDict, StateTensor } from "./nn/state.ts";
export { Counter, Variable } from "./nn/variable.ts";
export type { Layout, VariableOptions } from "./nn/variable.ts";
export { parseSafetensors, serializeSafetensors } from "./io/safetensors.ts";
export type { SafetensorsData, SafetensorsDtype, SafetensorsFile } from "./io/safetensors.ts";
export type { SerializeOptions, StoredTensor } from "./io/safetensors.ts";
export { Adam } from "./optim/adam.ts";
export type { AdamOptions } from "./optim/adam.ts";
export type { AdamRule } from "./ops/adam.ts";
export { Optimizer } from "./optim/optimizer.ts";
export type { Buffers, OptimizerOptions, ParamRule, ParamStep } from "./optim/optimizer.ts";
export { Sgd } from "./optim/sgd.ts";
export type { SgdOptions } from "./optim/sgd.ts";
export { coupledMomentum, memoryMomentum, polyLearningRate } from "./optim/schedule.ts";
export type { MomentumOptions, PolyOptions, Warmup } from "./optim/schedule.ts";
