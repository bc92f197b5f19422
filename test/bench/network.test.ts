/** The layers that are measured are those of the networks. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { convolutions } from "../../bench/network.ts";
import { workloads } from "../../bench/sets.ts";
import { noGrad } from "../../src/autograd/tape.ts";
import { buildModel } from "../../src/config/model.ts";
import { PRESET_NAMES, preset } from "../../src/config/presets.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { registry } from "../../src/ops/define.ts";
import type { Op } from "../../src/ops/define.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";

for (const name of PRESET_NAMES.filter((each) => /^(tiny$|mcibi_deeplabv3_resnet)/.test(each))) {
  test(`${name}: names and weights`, () => {
    const config = preset(name);
    const layers = convolutions(config, { n: 1, size: [64, 64], numClasses: 19 });
    const inState = [...buildModel(config, 19, new RandomState(0)).stateShapes()].filter(
      ([, { length }]) => length === 4,
    );
    const described = layers.map(({ name: layer, shape: { kernel, inChannels, outChannels } }) => {
      return [`${layer}.weight`, [outChannels, inChannels, ...kernel]] as const;
    });
    assert.equal(Object.fromEntries(described), Object.fromEntries(inState));
  });
}

test("sizes, strides and dilations are those that the network runs", async () => {
  const config = preset("tiny");
  const images = { n: 2, size: [72, 56] as const, numClasses: 5 };
  const gpu = await testGpu();
  using _arena = gpu.arena();
  const model = buildModel(config, 5, new RandomState(0)).initialize(gpu, 0);
  const ran: string[] = [];
  const conv2d = registry.get("conv2d") as { -readonly [K in keyof Op]: Op[K] };
  const { forward } = conv2d;
  conv2d.forward = (context, inputs, options) => {
    const window = options as { stride: unknown; padding: unknown; dilation: unknown; groups: unknown };
    ran.push(
      JSON.stringify([
        inputs[0]!.shape,
        inputs[1]!.shape,
        window.stride,
        window.padding,
        window.dilation,
        window.groups,
      ]),
    );
    return forward.call(conv2d, context, inputs, options);
  };
  try {
    noGrad(() => model.forward(Tensor.zeros(gpu, [images.n, ...images.size, 3])));
    await gpu.submit();
  } finally {
    conv2d.forward = forward;
    model.dispose();
  }
  const described = convolutions(config, images).map(({ shape: s }) => {
    const x = [s.n, s.h, s.w, s.inChannels];
    return JSON.stringify([x, [...s.kernel, s.inChannels, s.outChannels], s.stride, s.padding, s.dilation, s.groups]);
  });
  assert.equal(ran.sort(), described.sort());
});

test("the small set has every kind of layer in every pass", () => {
  const convs = workloads("small").filter(({ op }) => op.name === "conv2d");
  const kinds = new Set(
    convs
      .filter(({ name }) => name.startsWith("r50"))
      .map(({ pass, shape }) => {
        const { kernel, stride, dilation } = shape as Record<string, readonly number[]>;
        return `${pass} ${kernel[0]}x${kernel[1]} stride ${stride[0]} dilation ${dilation[0]}`;
      }),
  );
  for (const pass of ["forward", "backwardInput", "backwardWeight"]) {
    for (const [kernel, stride] of [
      ["1x1", 1],
      ["1x1", 2],
      ["3x3", 2],
    ]) {
      assert.ok(kinds.has(`${pass} ${kernel} stride ${stride} dilation 1`), `${pass} ${kernel} stride ${stride}`);
    }
    for (const dilation of [1, 2, 4, 12]) assert.ok(kinds.has(`${pass} 3x3 stride 1 dilation ${dilation}`));
  }
});

test("rows have names of their own, and the full set has every convolution of R50 once", () => {
  for (const set of ["small", "full"] as const) {
    const titles = workloads(set).map(({ name, op, pass }) => `${name} ${op.name} ${pass}`);
    assert.is(new Set(titles).size, titles.length);
  }
  const config = preset("mcibi_deeplabv3_resnet50os8_cityscapes");
  const all = convolutions(config, { n: 1, size: [512, 1024], numClasses: 19 });
  const distinct = new Set(all.map(({ shape }) => JSON.stringify(shape)));
  const measured = workloads("full").filter(({ op }) => op.name === "conv2d");
  assert.equal(new Set(measured.map(({ shape }) => JSON.stringify(shape))), distinct);
  assert.is(measured.length, 3 * distinct.size);
});

test("work and traffic of a convolution and of a product, by hand", () => {
  const conv = workloads("full").find(
    ({ name, pass }) => name === "r50 backbone_net.layer2.0.conv2" && pass === "forward",
  )!;
  assert.equal(conv.shape, {
    n: 1,
    h: 128,
    w: 256,
    inChannels: 128,
    outChannels: 128,
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1],
    dilation: [1, 1],
    groups: 1,
  });
  assert.is(conv.flops, 2 * 64 * 128 * 128 * 9 * 128);
  assert.is(conv.bytes, 4 * (128 * 256 * 128 + 9 * 128 * 128 + 64 * 128 * 128));
  const product = workloads("small").find(({ name }) => name === "tiny attention scores")!;
  assert.equal(product.shape, { batch: 2, m: 512, n: 512, k: 16, transposeA: false, transposeB: true });
  assert.is(product.flops, 2 * 2 * 512 * 512 * 16);
  assert.is(product.bytes, 4 * 2 * (512 * 16 + 512 * 16 + 512 * 512));
});

test.run();
