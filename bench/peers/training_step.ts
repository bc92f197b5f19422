/** The training step that is compared whole, as a user of this library writes it. */
import { ResNet } from "../../src/models/resnet.ts";
import type { ResNetOptions } from "../../src/models/resnet.ts";
import { Conv2d, convBnAct } from "../../src/nn/layers.ts";
import { segmentationLoss } from "../../src/nn/losses.ts";
import { Module } from "../../src/nn/module.ts";
import { readTensors } from "../../src/nn/readback.ts";
import { backward } from "../../src/ops/define.ts";
import { Sgd } from "../../src/optim/sgd.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Values } from "./peer.ts";

export const STEP = {
  images: [2, 128, 256, 3],
  numClasses: 19,
  headChannels: 32,
  lr: 0.01,
  momentum: 0.9,
} as const;

/** ResNet-18 at a quarter of its width; at stride 32 nothing is dilated. */
const BACKBONE: ResNetOptions = {
  block: "basic",
  blocks: [2, 2, 2, 2],
  baseChannels: 16,
  stemChannels: 16,
  deepStem: false,
  outputStride: 32,
  contractedDilation: false,
};

export interface Batch {
  readonly image: Float32Array;
  readonly label: Int32Array;
}

/** Training of the network on one batch, ours or another's. */
export interface Training {
  readonly queue: GPUQueue;
  /** One step: forward, backward and update are on the queue when it resolves. */
  step(): Promise<void>;
  /** Of the last step, before its update. */
  loss(): Promise<number>;
}

class Fcn extends Module {
  readonly #backbone = this.child("backbone", new ResNet(BACKBONE));
  readonly #head = this.child("head", convBnAct(8 * BACKBONE.baseChannels, STEP.headChannels, 3));
  readonly #classifier = this.child("classifier", new Conv2d(STEP.headChannels, STEP.numClasses, 1));

  forward(image: Tensor): Tensor {
    const features = this.#backbone.forward(image).at(-1)!;
    return this.#classifier.forward(this.#head.forward(features));
  }
}

export class OurTraining implements Training {
  readonly queue: GPUQueue;
  readonly #gpu: Gpu;
  readonly #model = new Fcn();
  readonly #optimizer: Sgd;
  readonly #image: Tensor;
  readonly #label: Tensor;
  readonly #loss: Tensor;

  constructor(gpu: Gpu, { image, label }: Batch) {
    this.#gpu = gpu;
    this.queue = gpu.device.queue;
    this.#model.initialize(gpu, 0).train();
    this.#optimizer = new Sgd(this.#model.namedParameters(), { momentum: STEP.momentum, weightDecay: 0 });
    this.#image = Tensor.from(gpu, image, STEP.images);
    this.#label = Tensor.from(gpu, label, STEP.images.slice(0, 3));
    this.#loss = Tensor.zeros(gpu, [1]);
  }

  /** By their names in the state dict; convolutions HWIO. */
  async parameters(): Promise<Map<string, Values>> {
    const tensors = this.#model.namedParameters();
    const values = await readTensors([...tensors.values()]);
    return new Map([...tensors].map(([name, { shape }], i) => [name, { data: values[i], shape }]));
  }

  async step(): Promise<void> {
    using _arena = this.#gpu.arena();
    const logits = this.#model.forward(this.#image);
    const loss = segmentationLoss(logits, this.#label, { ignoreIndex: 255, alignCorners: true });
    this.#gpu.copy(loss, this.#loss, 4);
    backward(loss);
    this.#optimizer.step(STEP.lr);
    this.#optimizer.zeroGrad();
    await this.#gpu.submit();
  }

  async loss(): Promise<number> {
    return (await this.#loss.data())[0];
  }

  [Symbol.dispose](): void {
    this.#optimizer.dispose();
    this.#model.dispose();
  }
}
