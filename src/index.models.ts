/**
 * MCIBI and the networks beside it, built by hand or from a preset.
 *
 * @module mcibi-webgpu/models
 */
export type { Backbone, BackboneOptions } from "./models/backbone.ts";
export type { BaselineOptions } from "./models/baseline.ts";
export { DeepLabV3 } from "./models/deeplabv3.ts";
export type { DeepLabV3Options } from "./models/deeplabv3.ts";
export { Fcn } from "./models/fcn.ts";
export { Mcibi } from "./models/mcibi.ts";
export type { HostOptions, McibiOptions, McibiPrediction } from "./models/mcibi.ts";
export type { FeatureMemory, FeatureMemoryOptions } from "./models/memory_module.ts";
export { OcrNet } from "./models/ocrnet.ts";
export type { OcrNetOptions } from "./models/ocrnet.ts";
export { PspNet } from "./models/pspnet.ts";
export type { PspNetOptions } from "./models/pspnet.ts";
export type {
  Auxiliary, AuxiliaryOptions, LossOptions, LossTerms, Prediction, Segmentor, SegmentorOptions, TrainingBatch,
  TrainingStep,
} from "./models/segmentor.ts";
export { UperNet } from "./models/upernet.ts";
export type { UperNetOptions } from "./models/upernet.ts";
export { HRNet } from "./models/hrnet.ts";
export type { HRNetOptions } from "./models/hrnet.ts";
export { ResNeSt } from "./models/resnest.ts";
export type { ResNeStOptions } from "./models/resnest.ts";
export { ResNet } from "./models/resnet.ts";
export type { ResNetOptions } from "./models/resnet.ts";
export { VisionTransformer } from "./models/vit.ts";
export type { VitOptions } from "./models/vit.ts";
export { trainingLoss } from "./models/training_loss.ts";
export type { TrainingLoss } from "./models/training_loss.ts";
export type { Watch } from "./nn/watch.ts";
export { preset } from "./config/presets.ts";
export type {
  BackboneConfig, Config, DataConfig, EvalConfig, HRNetConfig, LossesConfig, MemoryConfig, ModelConfig, OptimConfig,
  ResNeStConfig, ResNetConfig, TrainConfig, VitConfig,
} from "./config/config.ts";
export { buildModel } from "./config/model.ts";
