import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { standardBackbone } from "../../src/config/backbone.ts";
import { preset } from "../../src/config/presets.ts";
import type { Config } from "../../src/config/config.ts";
import { RESNET_LAYOUTS, ResNet } from "../../src/models/resnet.ts";
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

test("sizes of the official variants (spec sections 3.1 and 3.8)", () => {
  const size = (numClasses: number, change?: (config: Config) => void) => {
    const model = build(numClasses, change);
    return [model.stateShapes().size, model.parameterCount()];
  };
  assert.equal(size(150), [481, 91_410_722]);
  assert.equal(size(19), [481, 91_209_113]);
  assert.equal(size(150, ({ model }) => (model.host = "ppm"))[0], 475);
  assert.equal(size(150, ({ model }) => (model.host = "fcn"))[0], 403);
  assert.equal(size(150, ({ model }) => (model.backbone = { ...standardBackbone("resnet"), depth: 101 }))[0], 787);
  const standard = {
    baseChannels: 64,
    stemChannels: 64,
    deepStem: true,
    outputStride: 8,
    contractedDilation: true,
  } as const;
  assert.is(new ResNet({ ...standard, ...RESNET_LAYOUTS[50] }).parameterCount(), 23_527_264);
  assert.is(new ResNet({ ...standard, ...RESNET_LAYOUTS[101] }).parameterCount(), 42_519_392);
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
