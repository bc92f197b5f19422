/** What the fixtures do not show of the backbones: dropout, and a forward pass that normalises every map once. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { noGrad } from "../../src/autograd/tape.ts";
import { Mcibi } from "../../src/models/mcibi.ts";
import { VisionTransformer } from "../../src/models/vit.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";
import { normal, seededRandom } from "../support/random.ts";

const VIT = { imageSize: [8, 12], patchSize: 4, channels: 8, layers: 2, heads: 2, mlpRatio: 2, eps: 1e-6 } as const;

test("ViT drops in training, where the masks come from the given state, and nowhere in evaluation", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const random = seededRandom(1);
  const image = Tensor.from(gpu, Float32Array.from({ length: 8 * 12 * 3 }, () => normal(random)), [1, 8, 12, 3]);
  const run = async (dropout: number, training: boolean) => {
    const masks = new RandomState(5);
    const net = new VisionTransformer({ ...VIT, outputs: [0, 1], dropout }, masks).initialize(gpu, 1).train(training);
    const maps = noGrad(() => net.forward(image));
    const values = await Promise.all(maps.map((map) => map.data()));
    net.dispose();
    return { values, drawn: masks.counter };
  };
  const plain = await run(0, true);
  assert.is(plain.drawn, 0);
  assert.equal(await run(0.3, false), plain);
  const dropped = await run(0.3, true);
  assert.is(dropped.drawn, 1 + 2 * 3); // behind the positions; in each layer behind attention and twice in the rest
  assert.not.equal(dropped.values[0], plain.values[0]);
  assert.equal(await run(0.3, true), dropped);
});

test("the strided convolution behind HRNet sees its map once per pass", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const hrnet = { width: 2, stemChannels: 4, planes: 2, bottlenecks: 1, modules: [1, 1, 1], blocks: 1 } as const;
  const options = {
    numClasses: 3,
    backbone: { type: "hrnet", ...hrnet },
    downsampleStride: 2,
    host: { type: "fcn" },
    featsChannels: 4,
    transformChannels: 2,
    memory: {},
    auxiliary: null,
    dropout: 0,
    headSlope: 0,
    alignCorners: false,
  } as const;
  const net = new Mcibi(options, new RandomState(0)).initialize(gpu, 0);
  const watched: string[] = [];
  noGrad(() =>
    net.forward(Tensor.zeros(gpu, [2, 33, 40, 3]), (name, value) => {
      watched.push(`${name} ${value.shape}`);
      return value;
    }),
  );
  const outputs = watched.filter((line) => line.startsWith("backbone_outputs"));
  assert.equal(outputs, [0, 1, 2, 3].map((i) => `backbone_outputs_${i} 2,9,10,30`));
  const batches = (await net.stateDict()).get("downsample_backbone.1.num_batches_tracked")!.data;
  assert.is(Number(batches[0]), 1);
  net.dispose();
});

test.run();
