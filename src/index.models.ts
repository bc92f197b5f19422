/** `mcibi-webgpu/models`: MCIBI and the networks beside it, built by hand or from a preset. */
export { DeepLabV3 } from "./models/deeplabv3.ts";
export { Fcn } from "./models/fcn.ts";
export { Mcibi } from "./models/mcibi.ts";
export { OcrNet } from "./models/ocrnet.ts";
export { PspNet } from "./models/pspnet.ts";
export { UperNet } from "./models/upernet.ts";
export { HRNet } from "./models/hrnet.ts";
export { ResNeSt } from "./models/resnest.ts";
export { ResNet } from "./models/resnet.ts";
export { VisionTransformer } from "./models/vit.ts";
export { trainingLoss } from "./models/training_loss.ts";
export { preset } from "./config/presets.ts";
export type { Config } from "./config/config.ts";
export { buildModel } from "./config/model.ts";
