/** The training step in TensorFlow.js, by its own differentiation and optimiser. */
import type { Pair, Shape } from "../../src/tensor/shape.ts";
import type { Values } from "./peer.ts";
import { load } from "./peer.ts";
import type { TensorFlowPeer, TfTensor } from "./tfjs.ts";
import { STEP } from "./training_step.ts";
import type { Batch, Training } from "./training_step.ts";

/** As much of @tensorflow/tfjs-core as the step needs. */
interface TensorFlow {
  tensor(values: Float32Array | Int32Array, shape: Shape, dtype?: "int32"): TfTensor;
  variable(initial: TfTensor): TfTensor;
  oneHot(indices: TfTensor, depth: number): TfTensor;
  conv2d(x: TfTensor, filter: TfTensor, strides: number, pad: number): TfTensor;
  maxPool(x: TfTensor, filter: number, strides: number, pad: number): TfTensor;
  moments(x: TfTensor, axes: readonly number[]): { mean: TfTensor; variance: TfTensor };
  batchNorm(
    x: TfTensor,
    mean: TfTensor,
    variance: TfTensor,
    offset: TfTensor,
    scale: TfTensor,
    epsilon: number,
  ): TfTensor;
  relu(x: TfTensor): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  reshape(x: TfTensor, shape: Shape): TfTensor;
  readonly image: { resizeBilinear(x: TfTensor, size: Pair, alignCorners: boolean): TfTensor };
  readonly losses: { softmaxCrossEntropy(oneHot: TfTensor, logits: TfTensor): TfTensor };
  readonly train: {
    momentum(lr: number, momentum: number): { minimize(loss: () => TfTensor, returnCost: true): TfTensor };
  };
}

/** Strides of the four stages, each of two blocks. */
const STAGES = [1, 2, 2, 2];
const EPSILON = 1e-5;

/**
 * @param parameters by name, as our network has them
 *
 * Batch normalisation goes by the batch's statistics and keeps no running ones, which leaves it the less to do.
 */
export async function trainWithTensorFlow(
  { submit, device }: TensorFlowPeer,
  parameters: ReadonlyMap<string, Values>,
  batch: Batch,
): Promise<Training> {
  const tf = load<TensorFlow>("@tensorflow/tfjs-core");
  const toVariable = ({ data, shape }: Values): TfTensor => tf.variable(tf.tensor(data, shape));
  const variables = new Map([...parameters].map(([name, values]) => [name, toVariable(values)]));
  const [n, h, w] = STEP.images;
  const image = tf.tensor(batch.image, STEP.images);
  const oneHot = tf.oneHot(tf.tensor(batch.label, [n * h * w], "int32"), STEP.numClasses);
  const optimizer = tf.train.momentum(STEP.lr, STEP.momentum);
  const of = (name: string): TfTensor => variables.get(name)!;

  const conv = (name: string, x: TfTensor, stride: number, pad: number): TfTensor =>
    tf.conv2d(x, of(`${name}.weight`), stride, pad);
  const norm = (name: string, x: TfTensor): TfTensor => {
    const { mean, variance } = tf.moments(x, [0, 1, 2]);
    return tf.batchNorm(x, mean, variance, of(`${name}.bias`), of(`${name}.weight`), EPSILON);
  };
  const block = (name: string, x: TfTensor, stride: number): TfTensor => {
    const inner = tf.relu(norm(`${name}.bn1`, conv(`${name}.conv1`, x, stride, 1)));
    const residual = norm(`${name}.bn2`, conv(`${name}.conv2`, inner, 1, 1));
    const isProjected = variables.has(`${name}.downsample.0.weight`);
    const shortcut = isProjected ? norm(`${name}.downsample.1`, conv(`${name}.downsample.0`, x, stride, 0)) : x;
    return tf.relu(tf.add(residual, shortcut));
  };
  const loss = (): TfTensor => {
    let x = tf.relu(norm("backbone.bn1", conv("backbone.conv1", image, 2, 3)));
    x = tf.maxPool(x, 3, 2, 1);
    STAGES.forEach((stride, i) => {
      x = block(`backbone.layer${i + 1}.0`, x, stride);
      x = block(`backbone.layer${i + 1}.1`, x, 1);
    });
    x = tf.relu(norm("head.1", conv("head.0", x, 1, 1)));
    x = tf.add(conv("classifier", x, 1, 0), of("classifier.bias"));
    x = tf.image.resizeBilinear(x, [h, w], true);
    return tf.losses.softmaxCrossEntropy(oneHot, tf.reshape(x, [n * h * w, STEP.numClasses]));
  };

  let last: TfTensor | null = null;
  return {
    queue: device.queue,
    async step() {
      last?.dispose();
      last = optimizer.minimize(loss, true);
      submit();
    },
    loss: async () => (await last!.data())[0],
  };
}
