/** The evaluation graph of a checkpoint as an ONNX model. */
import { buildModel } from "../config/model.ts";
import { DATASET_NAMES, datasetLayout } from "../data/open.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";
import { UserError } from "../errors.ts";
import { serializeOnnx } from "../io/onnx.ts";
import { Variable } from "../nn/variable.ts";
import type { Layout } from "../nn/variable.ts";
import { RandomState } from "../nn/random_state.ts";
import { interpolateBilinear } from "../ops/interpolate.ts";
import { MetaGpu } from "../runtime/meta.ts";
import type { Pair, Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { loadWeights } from "../train/checkpoint.ts";
import type { Checkpoint } from "../train/checkpoint.ts";
import { channelsFirst } from "./graph.ts";
import { trace } from "./trace.ts";
import type { Program } from "./trace.ts";
import { translate } from "./translate.ts";

/**
 * Sizes to trace where those of the image stay open. Beyond a multiple of 32 by a few pixels, so that halving always
 * rounds up: what a network does about that is then part of what it computes, and changes nothing elsewhere.
 */
const OPEN_SIZES: readonly Pair[] = [[97, 161], [130, 227], [67, 100]];

const IMAGE = `RGB of 0..255, minus the mean ${IMAGENET_MEAN}, divided by the standard deviation ${IMAGENET_STD}`;
const LOGITS = "scores of the classes at the image's size; the argmax over axis 1 is the prediction";

/** What of a checkpoint goes into the model. */
type Exported = Pick<Checkpoint, "path" | "config" | "subject" | "progress" | "state">;

/**
 * image [n, 3, h, w] -> logits [n, K, h, w]: the network in evaluation, its logits resized bilinearly to the image as
 * evaluation does before the argmax. Weights are initialisers under their names in the state dict.
 *
 * @param size height and width of the image; null leaves both open. The number of images is always open.
 * @throws UserError where the checkpoint does not fit its network, for sizes that the network does not take, ops
 *   without translation, and models of 2 GiB or more
 */
export function exportOnnx(checkpoint: Exported, size: Pair | null): Uint8Array {
  const { subject, config, state } = checkpoint;
  const classes = subject.classNames.length;
  const { initializers, nodes } = translate(traceCheckpoint(checkpoint, size), {
    inputs: [{ name: "image", order: channelsFirst(4) }],
    output: { name: "logits", order: channelsFirst(4) },
    stored: (name) => {
      const { shape, data } = state.get(name)!;
      return { shape, data: Float32Array.from(data as ArrayLike<number>) };
    },
  });
  const [h, w] = size ?? ["height", "width"];
  return serializeOnnx({
    name: config.name,
    producer: "mcibi-webgpu",
    description:
      `Semantic segmentation into ${classes} classes of ${subject.dataset}. image: ${IMAGE}. logits: ${LOGITS}.`,
    metadata: metadataOf(checkpoint),
    inputs: [{ name: "image", shape: ["n", 3, h, w], description: IMAGE }],
    outputs: [{ name: "logits", shape: ["n", classes, h, w], description: LOGITS }],
    nodes,
    initializers,
  });
}

function traceCheckpoint(checkpoint: Exported, size: Pair | null): Program {
  const { config, subject } = checkpoint;
  const gpu = new MetaGpu();
  const model = buildModel(config, subject.classNames.length, new RandomState(0)).initialize(gpu, null).eval();
  loadWeights(model, checkpoint);
  const variables = new Map<Tensor, { name: string; layout: Layout }>();
  for (const [name, entry] of model.entries()) {
    if (!(entry instanceof Variable) || variables.has(entry.tensor)) continue; // the first of several names counts
    variables.set(entry.tensor, { name, layout: entry.layout });
  }
  const sizes = size ? OPEN_SIZES.map(() => size) : OPEN_SIZES;
  const images = sizes.map(([h, w], i): [Shape] => [[i + 1, h, w, 3]]);
  const { alignCorners } = model;
  try {
    return trace(gpu, images, variables, ([image]) => {
      const target: Pair = [image.shape[1], image.shape[2]];
      return interpolateBilinear(model.forward(image).logits, { size: target, alignCorners });
    });
  } catch (cause) {
    if (cause instanceof UserError || !(cause instanceof Error)) throw cause;
    const asked = size ? `images of ${size[0]}x${size[1]}` : "images of any size, give one with --size H,W";
    const { message } = cause;
    throw new UserError(`checkpoint ${checkpoint.path}: its network does not take ${asked} (${message})`, { cause });
  }
}

function metadataOf({ config, subject, progress }: Exported): Record<string, string> {
  const { dataset, classNames } = subject;
  const spec = DATASET_NAMES.some((name) => name === dataset) ? datasetLayout(dataset).spec : null;
  return {
    dataset,
    class_names: JSON.stringify(classNames),
    ...(spec && { palette: JSON.stringify(spec.palette), ignore_index: String(spec.ignoreIndex) }),
    channel_order: "RGB",
    mean: JSON.stringify(IMAGENET_MEAN),
    std: JSON.stringify(IMAGENET_STD),
    preset: config.name,
    iteration: String(progress.iteration),
  };
}
