import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import type { Config } from "../../src/config/config.ts";
import { buildModel, lossOptions, mcibiOptions } from "../../src/config/model.ts";
import { preset } from "../../src/config/presets.ts";
import { setField } from "../../src/config/set.ts";
import { validateConfig } from "../../src/config/validate.ts";
import type { BackboneOptions } from "../../src/models/backbone.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import type { McibiOptions } from "../../src/models/mcibi.ts";
import { trainingLoss } from "../../src/models/training_loss.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { backward } from "../../src/ops/define.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";
import { seededRandom } from "../support/random.ts";

const CLASSES = 3;
const IGNORE = 255;

function slim(): Config {
  const config = preset();
  Object.assign(config.model.backbone, { baseChannels: 2, stemChannels: 2 });
  Object.assign(config.model, { featsChannels: 4, transformChannels: 2, auxChannels: 3 });
  return config;
}

function batchOf(gpu: Gpu, ignored: (pixel: number) => boolean) {
  const random = seededRandom(3);
  const [n, h, w] = [2, 33, 40];
  const image = Tensor.from(
    gpu,
    Float32Array.from({ length: n * h * w * 3 }, () => 2 * random() - 1),
    [n, h, w, 3],
  );
  const labels = Int32Array.from({ length: n * h * w }, (_, i) =>
    ignored(i) ? IGNORE : Math.floor(random() * CLASSES),
  );
  return { image, label: Tensor.from(gpu, labels, [n, h, w]), epoch: 2, memoryMomentum: 0.9 };
}

type ResNet = Extract<McibiOptions["backbone"], { type: "resnet" }>;

const FCN = { type: "fcn" } as const;
const RESNEST: BackboneOptions = {
  type: "resnest",
  blocks: [1, 1, 1, 1],
  baseChannels: 2,
  stemChannels: 4,
  deepStem: true,
  outputStride: 8,
  contractedDilation: true,
  avgDownsample: true,
};
const HRNET: BackboneOptions = {
  type: "hrnet",
  width: 2,
  stemChannels: 4,
  planes: 2,
  bottlenecks: 1,
  modules: [1, 1, 1],
  blocks: 1,
};
const VIT: BackboneOptions = {
  type: "vit",
  imageSize: [32, 32],
  patchSize: 16,
  channels: 8,
  layers: 4,
  heads: 2,
  mlpRatio: 2,
  outputs: [0, 1, 2, 3],
  dropout: 0.1,
  eps: 1e-6,
};

/** Image pixels per feature. */
function strideOf(backbone: BackboneOptions): number {
  if (backbone.type === "hrnet") return 4;
  return backbone.type === "vit" ? backbone.patchSize : backbone.outputStride;
}

const VARIANTS: Readonly<Record<string, (options: McibiOptions) => McibiOptions>> = {
  aspp: (o) => o,
  "ppm, output stride 16, hard aggregation": (o) => ({
    ...o,
    host: { type: "ppm", poolScales: [1, 2] },
    backbone: { ...o.backbone, outputStride: 16 },
    memory: { hardAggregate: true },
  }),
  "fcn, two slots, output stride 32, 7x7 stem": (o) => ({
    ...o,
    host: { type: "fcn" },
    backbone: { ...o.backbone, outputStride: 32, deepStem: false },
    memory: { featsPerClass: 2 },
  }),
  "bottleneck blocks, averaging shortcuts, plain dilation, downsampled": (o) => ({
    ...o,
    downsampleStride: 2,
    backbone: {
      ...(o.backbone as ResNet),
      block: "bottleneck",
      blocks: [1, 1, 1, 2],
      avgDownsample: true,
      contractedDilation: false,
    },
  }),
  "fcn, LeakyReLU, aligned corners": (o) => ({
    ...o,
    headSlope: 0.01,
    alignCorners: true,
    host: { type: "fcn" },
  }),
  "aspp without memory": (o) => ({ ...o, memory: null }),
  "fcn without memory": (o) => ({ ...o, memory: null, host: { type: "fcn" } }),
  "without auxiliary head": (o) => ({ ...o, auxiliary: null }),
  resnest: (o) => ({ ...o, backbone: RESNEST, host: FCN }),
  "hrnet, downsampled": (o) => ({ ...o, backbone: HRNET, downsampleStride: 2, auxiliary: null, host: FCN }),
  "vit, three auxiliary heads": (o) => ({
    ...o,
    backbone: VIT,
    outputNorm: { eps: 1e-6 },
    auxiliary: { channels: 3, dropout: 0.1, heads: 3, convs: 2, upsample: 4 },
    host: FCN,
  }),
};

for (const [name, change] of Object.entries(VARIANTS)) {
  test(`${name}: a training step reaches every parameter with finite numbers`, async () => {
    const gpu = await testGpu();
    using _ = gpu.arena();
    const options = change(mcibiOptions(slim(), CLASSES));
    const model = new Mcibi(options, new RandomState(1)).initialize(gpu, 1);
    const batch = batchOf(gpu, (pixel) => pixel % 7 === 0);
    const { terms, total } = trainingLoss(model, batch, lossOptions(slim(), IGNORE));
    const heads = options.auxiliary ? (options.auxiliary.heads ?? 1) : 0;
    const auxiliary = heads === 1 ? ["loss_aux"] : Array.from({ length: heads }, (_, i) => `loss_aux${i + 1}`);
    const others = ["loss_cls_stage1", "loss_cls_stage2", "loss_memory"];
    const expected = options.memory ? others : ["loss_cls_stage2"];
    assert.equal([...terms.keys()], [...auxiliary, ...expected]);
    total.keep();
    backward(total);
    const loss = await total.item();
    assert.ok(loss > 0 && loss < 20, `total loss ${loss}`);
    for (const [parameter, { grad }] of model.namedParameters()) {
      assert.ok(grad, `${parameter} has no gradient`);
      assert.ok((await grad.data()).every(Number.isFinite), `gradient of ${parameter}`);
    }
    const { logits } = noGrad(() => model.eval().forward(batch.image));
    const stride = strideOf(options.backbone) * (options.downsampleStride ?? 1);
    assert.equal(logits.shape, [2, Math.ceil(33 / stride), Math.ceil(40 / stride), CLASSES]);
    assert.ok((await logits.data()).every(Number.isFinite));
    model.dispose();
  });
}

test("the memory takes nothing from a step that was given up before its update", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const config = slim();
  const model = new Mcibi(mcibiOptions(config, CLASSES), new RandomState(1)).initialize(gpu, 1);
  model.pixelTerms(batchOf(gpu, () => false), lossOptions(config, IGNORE));
  trainingLoss(model, { ...batchOf(gpu, () => true), epoch: 1 }, lossOptions(config, IGNORE));
  assert.ok((await model.memory!.memory.data()).every((value) => value === 0));
  model.dispose();
});

test("a batch without labels: loss 0, zero gradients, memory as it was", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const config = slim();
  const model = new Mcibi(mcibiOptions(config, CLASSES), new RandomState(1)).initialize(gpu, 1);
  trainingLoss(
    model,
    batchOf(gpu, () => false),
    lossOptions(config, IGNORE),
  );
  const before = await model.memory!.memory.data();
  assert.ok(before.some((value) => value !== 0));
  const batch = { ...batchOf(gpu, () => true), epoch: 1 };
  const { total } = trainingLoss(model, batch, lossOptions(config, IGNORE));
  total.keep();
  backward(total);
  assert.is(await total.item(), 0);
  for (const [name, { grad }] of model.namedParameters()) {
    assert.ok(
      (await grad!.data()).every((value) => value === 0),
      name,
    );
  }
  assert.equal(await model.memory!.memory.data(), before);
  model.dispose();
});

test("the memory loss starts at its epoch, and leaves running statistics alone when told so", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const config = slim();
  const counted = async (epoch: number, updateRunningStats: boolean) => {
    const model = buildModel(config, CLASSES, new RandomState(1)).initialize(gpu, 1);
    const options = lossOptions(config, IGNORE);
    const losses = { ...options, memory: { ...options.memory, startEpoch: 3, updateRunningStats } };
    const { terms } = trainingLoss(model, { ...batchOf(gpu, () => false), epoch }, losses);
    const state = await model.stateDict();
    model.dispose();
    return [terms.has("loss_memory"), Number(state.get("decoder_stage2.1.num_batches_tracked")!.data[0])];
  };
  assert.equal(await counted(2, true), [false, 1]);
  assert.equal(await counted(3, true), [true, 2]);
  assert.equal(await counted(3, false), [true, 1]);
});

test("the memory loss is of the updated rows or, when told so, of those that forward read", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const config = slim();
  const run = async (beforeUpdate: boolean) => {
    const model = new Mcibi(mcibiOptions(config, CLASSES), new RandomState(1)).initialize(gpu, 1);
    model.memory!.assign(Float32Array.from({ length: CLASSES * 4 }, (_, i) => (i < 4 ? 0 : i % 5)));
    const options = lossOptions(config, IGNORE);
    const losses = { ...options, memory: { ...options.memory, beforeUpdate } };
    const seen: Tensor[] = [];
    const watch = (name: string, value: Tensor): Tensor => {
      if (name === "preds_memory") seen.push(value.keep());
      return value;
    };
    const before = model.memory!.memory.detach().keep();
    const { terms, total } = trainingLoss(model, batchOf(gpu, () => false), losses, watch);
    const loss = await terms.get("loss_memory")!.data();
    backward(total);
    const grads = await Promise.all(model.parameters().map(({ grad }) => grad!.data()));
    const after = await model.memory!.memory.data();
    const found = { loss, rows: await seen[0].data(), before: await before.data(), after, grads };
    seen[0].dispose();
    before.dispose();
    model.dispose();
    return found;
  };
  const [updated, former] = [await run(false), await run(true)];
  assert.equal(former.after, updated.after, "the update itself is the same");
  assert.not.equal(former.before, former.after);
  assert.not.equal(former.loss, updated.loss);
  assert.not.equal(former.rows, updated.rows);
  assert.ok([...former.grads, ...updated.grads].every((grad) => grad.every(Number.isFinite)));
});

test("every switch of the memory's configuration reaches the network", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const run = async (...fields: (readonly [path: string, value: string])[]) => {
    const config = slim();
    for (const [path, value] of fields) setField(config, path, value);
    validateConfig(config);
    const model = new Mcibi(mcibiOptions(config, CLASSES), new RandomState(1)).initialize(gpu, 1);
    const results: Float32Array[] = [];
    const values = (i: number): number => (i % 8 < 4 ? (i % 4) + 1 : -1); // no pixel chooses the second of two slots
    model.memory!.assign(Float32Array.from({ length: model.memory!.memory.size }, (_, i) => values(i)));
    const { total } = trainingLoss(model, batchOf(gpu, (pixel) => pixel > 900), lossOptions(config, IGNORE));
    backward(total);
    results.push((await model.memory!.memory.data()) as Float32Array);
    for (const { grad } of model.parameters()) results.push((await grad!.data()) as Float32Array);
    model.dispose();
    return results;
  };
  const slots = ["memory.featsPerClass", "2"] as const;
  const [plain, several] = [await run(), await run(slots)];
  const mean = ["memory.strategy", "mean"] as const;
  const changes = {
    mean: [plain, await run(mean)],
    "skipped zero features": [await run(mean), await run(mean, ["memory.skipZeroFeatures", "true"])],
    "hard aggregation": [plain, await run(["memory.hardAggregate", "true"])],
    "official aliasing": [plain, await run(["memory.officialAliasing", "true"])],
    decay: [several, await run(slots, ["memory.unassigned", "decay"])],
  };
  for (const [name, [a, b]] of Object.entries(changes)) assert.not.equal(a, b, name);
  const [[memory], [aliased]] = changes["official aliasing"];
  assert.equal(aliased, memory, "the update is the same, gradients differ");
});

test("the same seed gives the same loss and gradients, bit by bit, dropout included", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const run = async () => {
    const model = buildModel(slim(), CLASSES, new RandomState(4)).initialize(gpu, 4);
    const { total } = trainingLoss(
      model,
      batchOf(gpu, (pixel) => pixel % 5 === 0),
      lossOptions(slim(), IGNORE),
    );
    total.keep();
    backward(total);
    const grads = await Promise.all(model.parameters().map(({ grad }) => grad!.data()));
    const loss = await total.data();
    model.dispose();
    return [loss, ...grads];
  };
  assert.equal(await run(), await run());
});

test.run();
