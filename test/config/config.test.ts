import { test } from "uvu";
import * as assert from "uvu/assert";
import { BACKBONE_TYPES, standardBackbone } from "../../src/config/backbone.ts";
import type { BackboneConfig, Config, LossesConfig, MemoryConfig, ModelConfig } from "../../src/config/config.ts";
import type { OptimConfig, VitConfig } from "../../src/config/config.ts";
import { lossOptions, mcibiOptions, scheduleAt } from "../../src/config/model.ts";
import { PRESET_NAMES, preset } from "../../src/config/presets.ts";
import { setField, setFieldFromOption } from "../../src/config/set.ts";
import { validateConfig } from "../../src/config/validate.ts";
import { UserError } from "../../src/errors.ts";
import { checkStoredConfig } from "../../src/train/stored_config.ts";

function assertUserError(run: () => void, ...parts: readonly RegExp[]): void {
  assert.throws(run, (error: Error) => {
    assert.instance(error, UserError);
    for (const part of parts) assert.match(error.message, part);
    return true;
  });
}

for (const name of PRESET_NAMES) {
  test(`preset ${name} is valid and bears its own name`, () => {
    const config = preset(name);
    assert.is(config.name, name);
    validateConfig(config);
  });
}

test("a preset is a copy", () => {
  preset().optim.lr = 7;
  assert.is.not(preset().optim.lr, 7);
});

test("an unknown preset names the known ones", () => {
  assertUserError(() => preset("huge"), /"huge"/, /tiny, cityscapes-val, .* mcibi_\.\.\., fcn_\.\.\./);
  assertUserError(() => preset("fcn_resnet50"), /"fcn_resnet50"/, /fcn_resnet50os8_voc/);
});

test("setField takes numbers, booleans, text and lists", () => {
  const config = preset();
  setField(config, "optim.lr", "0.5");
  setField(config, "memory.enabled", "false");
  setField(config, "data.root", "/data/with=sign");
  setField(config, "data.crop", "[96, 160]");
  setFieldFromOption(config, "model.dilations=1,2,3");
  setFieldFromOption(config, "data.root=a=b");
  assert.is(config.optim.lr, 0.5);
  assert.is(config.memory.enabled, false);
  assert.is(config.data.root, "a=b");
  assert.equal(config.data.crop, [96, 160]);
  assert.equal(config.model.dilations, [1, 2, 3]);
});

test("setField names the path, what was found and what exists", () => {
  const config = preset();
  assertUserError(() => setField(config, "optim.rate", "1"), /optim\.rate/, /no field "rate"/, /momentum/);
  assertUserError(() => setField(config, "optimizer.lr", "1"), /the configuration has no field "optimizer"/, /optim,/);
  assertUserError(() => setField(config, "optim", "1"), /group/, /optim\.lr/);
  assertUserError(() => setField(config, "optim.lr.x", "1"), /optim\.lr is a single value/);
  assertUserError(() => setField(config, "optim.lr", "fast"), /"fast"/, /number/);
  assertUserError(() => setField(config, "optim.lr", ""), /number/);
  assertUserError(() => setField(config, "optim.lr", "NaN"), /number/);
  assertUserError(() => setField(config, "memory.enabled", "yes"), /true or false/);
  assertUserError(() => setField(config, "data.crop", "64,wide"), /list of numbers/, /128,256/);
  assertUserError(() => setField(config, "__proto__.x", "1"), /no field "__proto__"/);
  assertUserError(() => setFieldFromOption(config, "optim.lr"), /path\.to\.field=value/);
  assert.equal(config, preset());
});

test("validateConfig names the field and its range", () => {
  const changes: readonly (readonly [string, string, RegExp])[] = [
    ["model.host", "unet", /model\.host is unet, expected fcn, ppm, aspp, ocr, upernet/],
    ["model.segmentor", "unet", /model\.segmentor is unet, expected mcibi, fcn, pspnet/],
    ["model.segmentor", "fcn", /fcn, which has no memory: it goes with memory\.enabled=false/],
    ["model.fusion", "sum", /expected official, concat3/],
    ["optim.minLr", "0.06", /optim\.minLr is 0\.06, which is more than optim\.lr, 0\.05/],
    ["model.backbone.depth", "20", /expected 18, 34, 50, 101/],
    ["model.backbone.stemChannels", "15", /even/],
    ["data.crop", "64", /data\.crop is 64, expected two whole numbers/],
    ["data.scaleRange", "2,1", /low,high/],
    ["train.epochs", "0", /train\.epochs is 0/],
    ["train.seed", "-1", /train\.seed/],
    ["train.batchSize", "1", /at least 2/],
    ["memory.momentum", "1.8", /from 0 to 1/],
    ["optim.type", "rmsprop", /optim\.type is rmsprop, expected sgd, adam, adamw/],
    ["optim.betas", "0.9", /two numbers from 0 to below 1/],
    ["optim.eps", "0", /above 0/],
    ["losses.classWeights", "0,0", /not all of them 0/],
    ["losses.ohem.threshold", "1.5", /from 0 to 1/],
    ["train.accumulate", "3", /train\.accumulate is 3, which does not divide train\.batchSize, 2/],
    ["train.accumulate", "2", /train\.accumulate 2 leaves one image at a time, but the host aspp .* at least 2/],
    ["memory.init", "kmean", /memory\.init is kmean, expected first-batch-mean, random, .*kmeans, or a file/],
  ];
  for (const [path, value, message] of changes) {
    const config = preset();
    setField(config, path, value);
    assertUserError(() => validateConfig(config), message);
  }
  const ofWholeBatches = { "losses.ohem.minKept": "1", "losses.lowest": "1", "memory.officialAliasing": "true" };
  for (const [field, value] of Object.entries(ofWholeBatches)) {
    const parted = preset();
    for (const [path, value] of [["train.batchSize", "4"], ["train.accumulate", "2"]]) setField(parted, path, value);
    validateConfig(parted);
    setField(parted, field, value);
    assertUserError(() => validateConfig(parted), new RegExp(`accumulate is 2, but ${field} .* train\\.accumulate=1`));
  }
  const file = preset();
  setField(file, "memory.init", "my/memory.safetensors");
  validateConfig(file);
  const slots = preset();
  setField(slots, "memory.strategy", "mean");
  setField(slots, "memory.featsPerClass", "2");
  assertUserError(() => validateConfig(slots), /memory\.strategy is mean.* 2 slots of memory\.featsPerClass/);
  setField(slots, "memory.enabled", "false");
  validateConfig(slots);
  const ocr = preset();
  for (const [path, value] of [["model.host", "ocr"], ["losses.aux", "0"]]) setField(ocr, path, value);
  assertUserError(() => validateConfig(ocr), /losses\.aux is 0, but model\.host=ocr .* auxiliary head/);
  const single = preset("ocrnet_resnet50os8_voc");
  single.train.batchSize = 1;
  validateConfig(single);
  setField(single, "model.segmentor", "pspnet");
  assertUserError(() => validateConfig(single), /the segmentor pspnet .* at least 2, or model\.segmentor=fcn/);
  const config = preset();
  setField(config, "eval.mode", "slide");
  setField(config, "eval.stride", "999,10");
  assertUserError(() => validateConfig(config), /eval\.stride 999,10 exceeds eval\.crop/);
});

/** Paths of every single value below a group. */
function paths(group: object, prefix = ""): string[] {
  return Object.entries(group).flatMap(([name, value]) =>
    typeof value === "object" && !Array.isArray(value) ? paths(value, `${prefix}${name}.`) : [prefix + name],
  );
}

for (const type of BACKBONE_TYPES) {
  test(`no number goes unchecked on a ${type}: -1 is accepted nowhere`, () => {
    const start = (): Config => {
      const config = preset();
      setField(config, "model.backbone.type", type);
      return config;
    };
    validateConfig(start());
    const numeric = paths(start()).filter((path) => {
      const names = path.split(".");
      const value = names.reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], start());
      return typeof value === "number" || Array.isArray(value);
    });
    assert.ok(numeric.length > 20);
    for (const path of numeric) {
      const config = start();
      setField(config, path, "-1");
      assertUserError(() => validateConfig(config), new RegExp(`^${path.replaceAll(".", "\\.")} is -1, expected`));
    }
  });
}

test("another type of backbone brings its own fields; the present one leaves them alone", () => {
  const config = preset();
  setField(config, "model.backbone.type", "resnet");
  assert.equal(config, preset());
  setField(config, "model.backbone.type", "hrnet");
  assert.equal(config.model.backbone, standardBackbone("hrnet"));
  setField(config, "model.backbone.width", "18");
  assert.equal(config.model.backbone, { ...standardBackbone("hrnet"), width: 18 });
  assertUserError(() => setField(config, "model.backbone.depth", "50"), /no field "depth"; it has type, .*width/);
  setField(config, "model.backbone.type", "vgg");
  assertUserError(() => validateConfig(config), /type is vgg, expected resnet, resnest, hrnet, vit/);
});

test("what has to hold between fields of a backbone", () => {
  const vit = (path: string, value: string): Config => {
    const config = preset();
    setField(config, "model.backbone.type", "vit");
    setField(config, `model.backbone.${path}`, value);
    return config;
  };
  assertUserError(() => validateConfig(vit("heads", "7")), /channels is 1024, expected a multiple of the 7 heads/);
  assertUserError(() => validateConfig(vit("imageSize", "8,64")), /imageSize is 8,64, smaller than a patch of 16/);
  assertUserError(() => validateConfig(vit("layers", "23")), /outputs is 9,14,19,23, but the last of 23 layers is 22/);
  assertUserError(() => validateConfig(vit("outputs", "9,9,19,23")), /four layers, .* in ascending order/);
  const config = preset();
  setField(config, "model.backbone.type", "resnest");
  Object.assign(config.model, { host: "fcn" });
  config.train.batchSize = 1;
  assertUserError(() => validateConfig(config), /the backbone resnest .* at least 2/);
});

test("the type of backbone decides about normalised outputs, the stride behind it and the auxiliary heads", () => {
  const on = (backbone: BackboneConfig) => {
    const config = preset();
    config.model.backbone = backbone;
    const { outputNorm, downsampleStride, auxiliary } = mcibiOptions(config, 7);
    return { outputNorm, downsampleStride, heads: auxiliary?.heads };
  };
  const none = { outputNorm: undefined, downsampleStride: undefined, heads: undefined };
  assert.equal(on(standardBackbone("resnest")), none);
  assert.equal(on(standardBackbone("hrnet")), { ...none, downsampleStride: 1 });
  assert.equal(on({ ...standardBackbone("hrnet"), downsample: true }), { ...none, downsampleStride: 2 });
  assert.equal(on(standardBackbone("vit")), { ...none, outputNorm: { eps: 1e-6 }, heads: 3 });
});

test("stored configurations: an old one gets the fields it did not know, every type is complete or refused", () => {
  const stored = (): Config => JSON.parse(JSON.stringify(preset())) as Config;
  const old = stored();
  delete (old.model.backbone as Partial<BackboneConfig>).type;
  for (const field of ["recompute", "accumulate"] as const) delete (old.train as Partial<Config["train"]>)[field];
  for (const field of ["classWeights", "normByClassWeights", "labelSmoothing", "lowest", "ohem"] as const) {
    delete (old.losses as Partial<Config["losses"]>)[field];
  }
  for (const field of ["type", "betas", "eps"] as const) delete (old.optim as Partial<OptimConfig>)[field];
  delete (old.data as Partial<Config["data"]>).keepRatio;
  delete (old.data as Partial<Config["data"]>).rotate;
  for (const field of ["segmentor", "keyQueryConvs", "contextAttention", "fusion"] as const) {
    delete (old.model as Partial<ModelConfig>)[field];
  }
  delete (old.optim as Partial<OptimConfig>).backbone;
  for (const field of ["skipZeroFeatures", "init", "officialAliasing"] as const) {
    delete (old.memory as Partial<MemoryConfig>)[field];
  }
  delete (old.losses.memory as Partial<LossesConfig["memory"]>).beforeUpdate;
  assert.equal(checkStoredConfig(old, "old.json"), preset());
  const vit = stored();
  vit.model.backbone = standardBackbone("vit");
  assert.equal(checkStoredConfig(vit, "vit.json"), vit);
  delete (vit.model.backbone as Partial<VitConfig>).heads;
  assertUserError(() => checkStoredConfig(vit, "vit.json"), /vit\.json: .* field model\.backbone\.heads is missing/);
  const unknown = stored();
  (unknown.model.backbone as { type: string }).type = "vgg";
  assertUserError(() => checkStoredConfig(unknown, "vgg.json"), /vgg\.json: model\.backbone\.type is vgg, expected/);
  assertUserError(() => checkStoredConfig({ model: null }, "null.json"), /null\.json: .* field name is missing/);
});

test("switching the memory off leaves the host; weight 0 leaves out the auxiliary head", () => {
  const config = preset();
  setField(config, "memory.enabled", "false");
  setField(config, "losses.aux", "0");
  const options = mcibiOptions(config, 7);
  assert.is(options.memory, null);
  assert.is(options.auxiliary, null);
  assert.is(options.numClasses, 7);
  assert.is(lossOptions(config, 255).ignoreIndex, 255);
});

test("schedules of the official Cityscapes preset", () => {
  const config = preset("mcibi_deeplabv3_resnet50os8_cityscapes");
  const maxIters = 95480;
  const expected = [
    [0, 1],
    [1000, 0.990663],
    [47740, 0.540528],
    [95479, 0.010033],
  ];
  for (const [t, momentum] of expected) {
    assert.ok(Math.abs(scheduleAt(config, t, maxIters).memoryMomentum - momentum) < 5e-7, `momentum at ${t}`);
    const coupled = { ...config, memory: { ...config.memory, coupleToLr: true } };
    assert.ok(Math.abs(scheduleAt(coupled, t, maxIters).memoryMomentum - momentum) < 5e-7, `coupled momentum at ${t}`);
  }
  assert.is(scheduleAt(config, 0, maxIters).lr, 0.01);
});

test.run();
