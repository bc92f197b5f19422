/** Whole networks as ONNX models: in ONNX Runtime they compute what they compute here. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { buildModel } from "../../src/config/model.ts";
import type { Config } from "../../src/config/config.ts";
import { UserError } from "../../src/errors.ts";
import { exportOnnx } from "../../src/export/onnx.ts";
import { trace } from "../../src/export/trace.ts";
import { translate } from "../../src/export/translate.ts";
import { serializeOnnx } from "../../src/io/onnx.ts";
import type { OnnxTensor } from "../../src/io/onnx.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { apply } from "../../src/ops/define.ts";
import { interpolateBilinear } from "../../src/ops/interpolate.ts";
import { MetaGpu } from "../../src/runtime/meta.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Pair } from "../../src/tensor/shape.ts";
import type { Checkpoint } from "../../src/train/checkpoint.ts";
import { channelsFirst } from "../support/fixtures.ts";
import { checkDevice, testGpu } from "../support/gpu.ts";
import { onnxRuntime } from "../support/onnx.ts";
import { normal, seededRandom } from "../support/random.ts";
import { assertRejects } from "../support/throws.ts";
import { tinyConfig } from "../support/tiny_run.ts";

const CLASS_NAMES = ["road", "sky", "tree", "car", "sign"];

/** A checkpoint of random numbers, so spread that logits are of the order of 1. */
function checkpointOf(config: Config): Checkpoint {
  const random = seededRandom(3);
  const shapes = buildModel(config, CLASS_NAMES.length, new RandomState(0)).stateShapes();
  const state = [...shapes].map(([name, shape]) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const fanIn = shape.length === 4 ? shape[1] * shape[2] * shape[3] : 1;
    const value = (): number => {
      if (name.endsWith("running_var")) return 0.5 + random();
      if (name.endsWith("weight") && shape.length === 1) return 0.5 + random();
      return normal(random) * (shape.length === 4 ? Math.sqrt(1 / fanIn) : 0.3);
    };
    return [name, { dtype: "F32", shape, data: Float32Array.from({ length: size }, value) }] as const;
  });
  return {
    path: "random.safetensors",
    config,
    subject: { dataset: "camvid", classNames: CLASS_NAMES },
    progress: { iteration: 12, stepsPerEpoch: 3, evaluatedEpoch: 4, best: null },
    masksDrawn: 0,
    state: new Map(state),
    optimizer: new Map(),
  };
}

/** Our logits [n, h, w, K] at the image's size. */
async function logitsOf({ config, state }: Checkpoint, image: Float32Array, shape: readonly number[]) {
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const model = buildModel(config, CLASS_NAMES.length, new RandomState(0)).initialize(gpu, null).eval();
  model.loadStateDict(state);
  const { alignCorners } = model;
  const logits = noGrad(() => {
    const { logits } = model.forward(Tensor.from(gpu, image, shape));
    return interpolateBilinear(logits, { size: [shape[1], shape[2]], alignCorners });
  });
  const data = (await logits.data()) as Float32Array;
  await checkDevice();
  model.dispose();
  return { data, shape: logits.shape };
}

const NETWORKS: Readonly<Record<string, readonly string[]>> = {
  "ASPP": [],
  "PPM, corners aligned, two slots, LeakyReLU": [
    ...["model.host=ppm", "model.poolScales=1,2,3", "model.alignCorners=true", "memory.featsPerClass=2"],
    "model.headSlope=0.1",
  ],
  "FCN, ResNet-50 with deep stem, hard look-up": [
    ...["model.host=fcn", "model.backbone.depth=50", "model.backbone.deepStem=true", "memory.hardAggregate=true"],
  ],
  "ASPP without memory": ["memory.enabled=false"],
  "OCR": ["model.host=ocr"],
  "UPerNet, as the paper draws it": [
    ...["model.host=upernet", "model.fusion=concat3", "model.contextAttention=false", "model.keyQueryConvs=1"],
  ],
  "OCRNet of the toolbox": ["model.segmentor=ocrnet", "memory.enabled=false"],
  "UPerNet of the toolbox": ["model.segmentor=upernet", "memory.enabled=false"],
  "ResNeSt": [
    ...["model.host=fcn", "model.backbone.type=resnest", "model.backbone.depth=50"],
    ...["model.backbone.baseChannels=4", "model.backbone.stemChannels=4"],
  ],
  "HRNet": [
    ...["model.host=fcn", "model.backbone.type=hrnet", "model.backbone.width=4", "model.backbone.stemChannels=4"],
    ...["model.backbone.planes=4", "model.backbone.bottlenecks=1", "model.backbone.modules=1,1,1"],
    "model.backbone.blocks=1",
  ],
  "ViT": [
    ...["model.host=fcn", "model.backbone.type=vit", "model.backbone.imageSize=48,64", "model.backbone.patchSize=8"],
    ...["model.backbone.channels=8", "model.backbone.layers=4", "model.backbone.outputs=0,1,2,3"],
    "model.backbone.heads=2",
  ],
};

/** Pads by what the size of the image lacks, which ONNX cannot tell before it knows that size. */
const FIXED_ONLY = ["ViT"];

/** Multiples of no stride, and of every one. */
const IMAGES: readonly (readonly [n: number, h: number, w: number])[] = [[2, 33, 47], [1, 64, 32]];

const load = await onnxRuntime("ONNX models");
for (const [name, settings] of Object.entries(load ? NETWORKS : {})) {
  test(`${name}: the same logits at two sizes, from one model of any size and from one of its own`, async () => {
    const checkpoint = checkpointOf(tinyConfig("", ...settings));
    const random = seededRandom(5);
    const isFixed = FIXED_ONLY.includes(name);
    if (isFixed) await assertRejects(() => exportOnnx(checkpoint, null), UserError, "--size");
    const open = isFixed ? [] : [await load!(exportOnnx(checkpoint, null))];
    for (const [n, h, w] of IMAGES) {
      const shape = [n, h, w, 3];
      const image = Float32Array.from({ length: n * h * w * 3 }, () => normal(random));
      const ours = await logitsOf(checkpoint, image, shape);
      const want = channelsFirst(ours.data, ours.shape);
      const input = { data: channelsFirst(image, shape), shape: [n, 3, h, w] };
      const fixed = await load!(exportOnnx(checkpoint, [h, w]));
      for (const run of [...open, fixed]) {
        const { logits } = await run({ image: input });
        assert.equal(logits.shape, [n, CLASS_NAMES.length, h, w]);
        assertSameLogits(logits.data, want, [n, h * w]);
      }
    }
  });
}

function assertSameLogits(got: Float32Array, want: Float32Array, [n, pixels]: Pair): void {
  const spread = Math.sqrt(want.reduce((sum, value) => sum + value * value, 0) / want.length);
  assert.ok(spread > 0.1, `logits of ${spread} say nothing`);
  const worst = want.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i])), 0);
  assert.ok(worst <= 1e-4 * Math.min(spread, 10), `they differ by up to ${worst}`);
  const best = (logits: Float32Array, pixel: number): number => {
    const [image, place] = [Math.floor(pixel / pixels), pixel % pixels];
    const scores = CLASS_NAMES.map((_, k) => logits[(image * CLASS_NAMES.length + k) * pixels + place]);
    return scores.indexOf(Math.max(...scores));
  };
  let same = 0;
  for (let pixel = 0; pixel < n * pixels; pixel++) if (best(got, pixel) === best(want, pixel)) same++;
  assert.ok(same >= 0.999 * n * pixels, `${same} of ${n * pixels} pixels have the same class`);
}

test("initialisers are the weights that evaluation uses under their official names; equal bytes twice", () => {
  const checkpoint = checkpointOf(tinyConfig(""));
  const bytes = exportOnnx(checkpoint, null);
  assert.equal(Buffer.compare(bytes, exportOnnx(checkpoint, null)), 0);
  const text = Buffer.from(bytes).toString("latin1");
  const unused = (name: string): boolean => name.startsWith("auxiliary_") || name.endsWith("num_batches_tracked");
  for (const [name, { data }] of checkpoint.state) {
    const raw = Buffer.from(data.buffer).toString("latin1");
    assert.is(text.includes(name) && text.includes(raw), !unused(name), name);
  }
  for (const words of ["class_names", JSON.stringify(CLASS_NAMES), "[123.675,116.28,103.53]", "palette"]) {
    assert.ok(text.includes(words), words);
  }
});

test("refused: ops without translation, values that no op made, sizes that do not fit, models of 2 GiB", async () => {
  const gpu = new MetaGpu();
  const naming = {
    inputs: [{ name: "x", order: [0] }],
    output: { name: "y", order: [0] },
    stored: (): OnnxTensor => ({ shape: [], data: new Float32Array() }),
  };
  const op = { name: "round", forward: (_: unknown, [x]: readonly [Tensor]) => Tensor.empty(gpu, x.shape) };
  const traced = (compute: (x: Tensor) => Tensor) => trace(gpu, [[[4]]], new Map(), ([x]) => compute(x));
  const unknown = traced((x) => apply({ ...op, reference: ([a]) => a!, samples: [] }, [x], {}));
  await assertRejects(() => translate(unknown, naming), UserError, "the op round");
  await assertRejects(() => traced((x) => Tensor.empty(gpu, x.shape)), UserError, "f32 tensor of shape [4]", "src/ops");

  const small = checkpointOf(tinyConfig(""));
  await assertRejects(() => exportOnnx({ ...small, state: new Map() }, null), UserError, small.path, "missing");

  const block = new Float32Array(2 ** 20); // counted often, held once
  const initializers = new Map(Array.from({ length: 512 }, (_, i) => [`w${i}`, { shape: [2 ** 20], data: block }]));
  const model = { name: "", description: "", producer: "", metadata: {}, inputs: [], outputs: [], nodes: [] };
  await assertRejects(() => serializeOnnx({ ...model, initializers }), UserError, "2147483647", "--format safetensors");
});

test.run();
