import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { BACKBONE_TYPES, backboneParts, standardBackbone } from "../../src/config/backbone.ts";
import type { BackboneType } from "../../src/config/backbone.ts";
import { preset } from "../../src/config/presets.ts";
import type { BackboneConfig, Config } from "../../src/config/config.ts";
import { buildBackbone } from "../../src/models/backbone.ts";
import { RandomState } from "../../src/nn/random_state.ts";

const LIST = new URL("../../../shared/state_dict_r50_k150.txt", import.meta.url);

const build = (numClasses: number, change: (config: Config) => void = () => {}) => {
  const config = preset("mcibi_deeplabv3_resnet50os8_cityscapes");
  change(config);
  return buildModel(config, numClasses, new RandomState(0));
};

if (existsSync(LIST)) {
  test("names and shapes of the R50 ASPP model are the official ones", () => {
    const official = readFileSync(LIST, "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [, name, shape] = /^(\S+) \((.*)\)$/.exec(line)!;
        return `${name} [${shape
          .split(",")
          .map((n) => n.trim())
          .filter(Boolean)
          .join(", ")}]`;
      });
    const ours = [...build(150).stateShapes()].map(([name, shape]) => `${name} [${shape.join(", ")}]`);
    assert.is(official.length, 481);
    assert.equal(ours.toSorted(), official.toSorted());
  });
} else {
  console.log("skipped: official state dict (../shared is absent)");
}

test("sizes of the official variants (METHOD.md 3.1 and 3.8)", () => {
  const size = (numClasses: number, change?: (config: Config) => void) => {
    const model = build(numClasses, change);
    return [model.stateShapes().size, model.parameterCount()];
  };
  assert.equal(size(150), [481, 91_410_722]);
  assert.equal(size(19), [481, 91_209_113]);
  const [aspp, ppm, attention, fused] = [42_211_328, 23_073_792, 658_944, 512 * 1024 * 9 + 2 * 512];
  assert.equal(size(150, ({ model }) => (model.host = "ppm")), [475, 91_410_722 - aspp + ppm]);
  assert.equal(size(150, ({ model }) => (model.host = "fcn")), [403, 91_410_722 - aspp - attention - fused]);
  const r101 = 91_410_722 + 42_519_392 - 23_527_264;
  assert.equal(size(150, ({ model }) => (model.backbone = { ...standardBackbone("resnet"), depth: 101 })), [787, r101]);
});

test("backbones have the official number of parameters (METHOD.md 3.1 to 3.3)", () => {
  const parameters = (config: BackboneConfig) => {
    return buildBackbone(backboneParts(config).backbone, new RandomState(0)).parameterCount();
  };
  assert.is(parameters(standardBackbone("resnet")), 23_527_264);
  assert.is(parameters({ ...standardBackbone("resnet"), depth: 101 }), 42_519_392);
  assert.is(parameters(standardBackbone("resnest")), 46_226_016);
  assert.is(parameters(standardBackbone("hrnet")), 65_325_120);
  // Patches and positions 1024·(3·16² + 1 + 1 + 1025); 24 layers of 12·1024² weights and 13·1024 biases and gains.
  assert.is(parameters(standardBackbone("vit")), 1024 * 1795 + 24 * (12 * 1024 ** 2 + 13 * 1024));
});

test("networks on the other backbones have the official sizes and names (METHOD.md 3.2 to 3.4, 3.8)", () => {
  const on = (type: BackboneType, numClasses: number, change: (config: Config) => void = () => {}) => {
    const model = build(numClasses, (config) => {
      config.model.backbone = standardBackbone(type);
      change(config);
    });
    const shapes = model.stateShapes();
    return { shapes, size: [shapes.size, `${(model.parameterCount() / 1e6).toFixed(2)} M`] };
  };
  const without = ({ losses }: Config) => (losses.aux = 0);
  const resnest = on("resnest", 150);
  assert.equal(resnest.size, [1084, "114.11 M"]);
  assert.equal(resnest.shapes.get("backbone_net.layer2.0.conv2.conv.weight"), [256, 64, 3, 3]);
  assert.equal(resnest.shapes.get("backbone_net.layer1.0.conv2.fc1.bias"), [32]);
  assert.equal(resnest.shapes.get("backbone_net.layer1.0.downsample.1.weight"), [256, 128, 1, 1]);
  const hrnet = on("hrnet", 150, without);
  assert.equal(hrnet.size, [1973, "102.57 M"]);
  assert.equal(hrnet.shapes.get("backbone_net.transition3.3.0.0.weight"), [384, 192, 3, 3]);
  assert.equal(hrnet.shapes.get("backbone_net.stage4.2.fuse_layers.3.0.1.0.weight"), [48, 48, 3, 3]);
  assert.equal(hrnet.shapes.get("backbone_net.stage4.0.fuse_layers.0.3.0.weight"), [48, 384, 1, 1]);
  const downsampled = on("hrnet", 19, (config) => {
    without(config);
    config.model.backbone = { ...standardBackbone("hrnet"), downsample: true };
  });
  assert.equal(downsampled.size, [1979, "107.11 M"]);
  assert.equal(downsampled.shapes.get("downsample_backbone.0.weight"), [720, 720, 3, 3]);
  const { shapes } = on("vit", 150);
  assert.equal(shapes.get("backbone_net.pos_embed"), [1, 1025, 1024]);
  assert.equal(shapes.get("backbone_net.patch_embed.projection.weight"), [1024, 3, 16, 16]);
  assert.equal(shapes.get("backbone_net.layers.23.attn.attn.in_proj_weight"), [3072, 1024]);
  assert.equal(shapes.get("backbone_net.layers.0.attn.attn.out_proj.bias"), [1024]);
  assert.equal(shapes.get("backbone_net.layers.0.ffn.layers.0.0.weight"), [4096, 1024]);
  assert.equal(shapes.get("backbone_net.layers.0.ffn.layers.1.weight"), [1024, 4096]);
  assert.equal(shapes.get("norm_layers.3.bias"), [1024]);
  assert.equal(shapes.get("auxiliary_decoder.2.4.weight"), [512, 512, 3, 3]);
  assert.equal(shapes.get("auxiliary_decoder.2.9.weight"), [150, 512, 1, 1]);
});

test("what depends on the classes, and nothing else, is reinitialised for other ones", () => {
  for (const type of BACKBONE_TYPES) {
    const model = build(7, ({ model }) => (model.backbone = standardBackbone(type)));
    const shapes = model.stateShapes();
    const dependent = [...shapes].flatMap(([name, [size]]) => (size === 7 ? [name] : []));
    const named = [...shapes.keys()].filter((name) => model.classifiers.some((prefix) => name.startsWith(prefix)));
    assert.equal(named, dependent);
  }
});

test("several slots per class have their own attention blocks", () => {
  const names = [...build(19, ({ memory }) => (memory.featsPerClass = 2)).stateShapes()];
  assert.equal(new Map(names).get("memory_module.memory"), [19, 2, 512]);
  assert.equal(new Map(names).get("memory_module.fuse_memory_conv.0.weight"), [512, 1024, 1, 1]);
  assert.ok(new Map(names).has("memory_module.self_attentions.1.out_project.1.running_var"));
});

test("without memory everything of the memory is gone, and nothing else", () => {
  const names = (enabled: boolean) => [
    ...build(19, ({ memory }) => (memory.enabled = enabled))
      .stateShapes()
      .keys(),
  ];
  const off = names(false);
  const gone = names(true).filter((name) => !off.includes(name));
  assert.equal(
    off.filter((name) => !names(true).includes(name)),
    [],
  );
  const parts = new Set(
    gone.map((name) =>
      name
        .split(".")
        .slice(0, name.startsWith("memory_module") ? 2 : 1)
        .join("."),
    ),
  );
  const memory = ["memory_module.memory", "memory_module.self_attention", "memory_module.bottleneck"];
  assert.equal([...parts], [...memory, "decoder_stage1"]);
});

test.run();
