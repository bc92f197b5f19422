/** Every preset's network: the names of its state, and a training step of the same structure with few channels. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Config } from "../../src/config/config.ts";
import { buildModel, lossOptions, networkOptions } from "../../src/config/model.ts";
import { PRESET_NAMES, preset } from "../../src/config/presets.ts";
import { datasetLayout } from "../../src/data/open.ts";
import { buildNetwork } from "../../src/models/network.ts";
import { trainingLoss } from "../../src/models/training_loss.ts";
import { readTensors } from "../../src/nn/readback.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { backward } from "../../src/ops/define.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { testGpu } from "../support/gpu.ts";
import { seededRandom } from "../support/random.ts";
import { SHRUNK, shrink } from "../support/shrink.ts";

const build = (config: Config, classes = datasetLayout(config.data.dataset).spec.numClasses) =>
  buildModel(config, classes, new RandomState(0));

const on = (name: string, host: Config["model"]["host"]): Config => {
  const config = preset(name);
  config.model.host = host;
  return config;
};

const R50 = "mcibi_deeplabv3_resnet50os8_ade20k";

/**
 * Tensors and parameters by METHOD.md 3.1 to 3.8; of the hosts OCR and UPerNet and of some of the toolbox's
 * networks the sums of what the sections say of their parts.
 */
const SIZES: readonly (readonly [config: Config, tensors: number, parameters: number | string])[] = [
  [preset(R50), 481, 91_410_722],
  [preset("mcibi_deeplabv3_resnet50os8_cityscapes"), 481, 91_209_113],
  [preset("mcibi_deeplabv3_resnet101os8_ade20k"), 787, "110.40 M"],
  [preset("mcibi_deeplabv3_resnest101os8_ade20k"), 1084, "114.11 M"],
  [preset("mcibi_deeplabv3_hrnetv2w48_ade20k"), 1973, "102.57 M"],
  [preset("mcibi_deeplabv3_hrnetv2w48_cityscapes"), 1979, "107.11 M"],
  [on(R50, "fcn"), 403, "43.82 M"],
  [on(R50, "ppm"), 475, "72.27 M"],
  [on(R50, "ocr"), 403 + 42 + 36 + 6, 43_820_834 + 2 * (658_944 + 4_719_616)],
  [on(R50, "upernet"), 475 + 36, 72_273_186 + 2560 * 4608 - 1024 * 4608 + 1792 * 1024 + 3 * 2048 + 3 * 4_719_616],
  [preset("fcn_resnet50os8_ade20k"), 330 + 14 + 8, "40.20 M"],
  [preset("pspnet_resnet50os8_ade20k"), 330 + 30 + 2 + 8, 23_527_264 + 23_073_792 + 76_950 + 4_796_566],
  [preset("deeplabv3_resnet50os8_ade20k"), 330 + 36 + 2 + 8, "70.61 M"],
  [preset("ocrnet_resnet50os8_ade20k"), 330 + 6 + 42 + 2 + 8, 23_527_264 + 9_438_208 + 5_378_560 + 76_950 + 4_796_566],
  [preset("upernet_resnet50os8_ade20k"), 330 + 30 + 36 + 8 + 8, 68_914_316],
];

test("tensors and parameters of the networks", () => {
  for (const [config, tensors, parameters] of SIZES) {
    const model = build(config);
    const count = model.parameterCount();
    const found = typeof parameters === "number" ? count : `${(count / 1e6).toFixed(2)} M`;
    assert.equal([model.stateShapes().size, found], [tensors, parameters], `${config.name} ${config.model.host}`);
  }
});

test("names of what the toolbox's networks and the hosts add", () => {
  const shapes = (config: Config): Map<string, string> => {
    const shown = [...build(config, 19).stateShapes()].map(([name, shape]) => [name, shape.join()] as const);
    return new Map(shown.filter(([name]) => !name.startsWith("backbone_net.")));
  };
  const expected: readonly (readonly [Config, Readonly<Record<string, string>>])[] = [
    [preset("fcn_resnet50os8_voc"), { "decoder.0.weight": "512,2048,3,3", "decoder.3.weight": "512,512,3,3" }],
    [preset("fcn_resnet50os8_voc"), { "decoder.7.bias": "19", "auxiliary_decoder.4.weight": "19,512,1,1" }],
    [preset("pspnet_resnet101os16_voc"), { "ppm_net.branches.3.1.weight": "512,2048,1,1", "decoder.1.bias": "19" }],
    [preset("deeplabv3_resnet50os8_voc"), { "aspp_net.parallel_branches.3.0.weight": "512,2048,3,3" }],
    [preset("upernet_resnet50os8_voc"), { "lateral_convs.2.0.weight": "512,1024,1,1", "decoder.4.bias": "19" }],
    [preset("upernet_resnet50os8_voc"), { "fpn_convs.0.0.weight": "512,512,3,3", "decoder.0.weight": "512,2048,3,3" }],
    [preset("ocrnet_hrnetv2w48_voc"), { "bottleneck.0.weight": "512,720,3,3" }],
    [preset("ocrnet_hrnetv2w48_voc"), { "auxiliary_decoder.0.weight": "512,720,3,3" }],
    [preset("ocrnet_resnet50os8_voc"), { "object_context_block.bottleneck.0.weight": "512,1024,3,3" }],
    [preset("ocrnet_resnet50os8_voc"), { "object_context_block.key_project.1.0.weight": "256,256,1,1" }],
    [on(R50, "ocr"), { "context_within_image_module.query_project.0.0.weight": "256,512,1,1" }],
    [on(R50, "upernet"), { "memory_module.lateral_convs.0.0.weight": "1024,256,1,1" }],
    [on(R50, "upernet"), { "memory_module.fpn_convs.2.0.weight": "512,1024,3,3" }],
    [on(R50, "upernet"), { "memory_module.bottleneck_ms.0.weight": "512,2560,3,3" }],
    [preset("paper"), { "memory_module.bottleneck.0.weight": "512,1536,3,3" }],
    [preset("paper"), { "memory_module.self_attention.key_project.0.weight": "256,512,1,1" }],
  ];
  for (const [config, some] of expected) {
    const found = shapes(config);
    for (const [name, shape] of Object.entries(some)) assert.is(found.get(name), shape, `${config.name} ${name}`);
  }
  const paper = [...shapes(preset("paper")).keys()].filter((name) => /_ms\b/.test(name));
  assert.equal(paper, [], "in one step and without attention there is nothing for the context alone");
});

test("what depends on the classes, and nothing else, is reinitialised for other ones", () => {
  for (const name of PRESET_NAMES) {
    const model = build(preset(name), 7);
    const dependent = [...model.stateShapes()].flatMap(([entry, [first]]) => (first === 7 ? [entry] : []));
    const named = [...model.stateShapes().keys()].filter((entry) => model.classifiers.some((c) => entry.startsWith(c)));
    assert.equal(named.toSorted(), dependent.toSorted(), name);
  }
});

/** Presets whose networks and losses are the same but for the widths share a step. */
function structures(): Map<string, { names: string[]; config: Config }> {
  const found = new Map<string, { names: string[]; config: Config }>();
  const hosts = (["fcn", "ppm", "ocr", "upernet"] as const).flatMap((host) =>
    [true, false].map((enabled) => {
      const config = on("cityscapes-val", host);
      config.memory.enabled = enabled;
      return { ...config, name: `${config.name} ${host} ${enabled}` };
    }),
  );
  for (const config of [...PRESET_NAMES.map((name) => preset(name)), ...hosts]) {
    const key = JSON.stringify([shrink(networkOptions(config, SHRUNK)), lossOptions(config, 255)]);
    const same = found.get(key);
    if (same) same.names.push(config.name);
    else found.set(key, { names: [config.name], config });
  }
  return found;
}

for (const { names, config } of structures().values()) {
  test(`a training step of ${names[0]}${names.length > 1 ? ` and ${names.length - 1} more` : ""}`, async () => {
    const gpu = await testGpu();
    using _ = gpu.arena();
    const random = seededRandom(3);
    const shape = [2, 33, 40];
    const pixels = Float32Array.from({ length: 2 * 33 * 40 * 3 }, () => 2 * random() - 1);
    const label = (i: number): number => (i % 7 === 0 ? 255 : Math.floor(SHRUNK * random()));
    const labels = Int32Array.from({ length: 2 * 33 * 40 }, (_, i) => label(i));
    const batch = { image: Tensor.from(gpu, pixels, [...shape, 3]), label: Tensor.from(gpu, labels, shape) };
    const model = buildNetwork(shrink(networkOptions(config, SHRUNK)), new RandomState(1)).initialize(gpu, 1).train();
    const { total } = trainingLoss(model, { ...batch, epoch: 2, memoryMomentum: 0.9 }, lossOptions(config, 255));
    total.keep();
    backward(total);
    const loss = await total.item();
    assert.ok(loss > 0 && loss < 20, `total loss ${loss}`);
    const parameters = [...model.namedParameters()];
    assert.equal(parameters.filter(([, { grad }]) => !grad).map(([name]) => name), [], "parameters without gradient");
    const grads = await readTensors(parameters.map(([, { grad }]) => grad!));
    const broken = parameters.filter((_, i) => !grads[i].every(Number.isFinite));
    assert.equal(broken.map(([name]) => name), [], "gradients that are not finite");
    model.dispose();
  });
}

test.run();
