/**
 * Whole images of 1024x2048 in evaluation, traced without a device: no kernel is shown more of a tensor at a time than
 * the adapter with the tightest limit shows, Mesa's software driver.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { buildModel } from "../../src/config/model.ts";
import { PRESET_NAMES, preset } from "../../src/config/presets.ts";
import { setFieldFromOption } from "../../src/config/set.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { MetaGpu } from "../../src/runtime/meta.ts";
import type { Bindable } from "../../src/runtime/gpu.ts";
import { Scratch } from "../../src/runtime/scratch.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { predictClasses } from "../../src/train/inference.ts";

const LIMIT = 128 * 2 ** 20;

/** Remembers the largest binding. */
class WatchingGpu extends MetaGpu {
  largest = 0;
  dispatches = 0;

  override run(name = "", resources: Readonly<Record<string, Bindable | Scratch>> = {}): void {
    this.dispatches++;
    for (const [binding, resource] of Object.entries(resources)) {
      if (resource instanceof Scratch) continue;
      const { bytes } = resource.storage;
      assert.ok(bytes <= this.maxBinding, `${name}: ${binding} has ${bytes} bytes`);
      this.largest = Math.max(this.largest, bytes);
    }
  }
}

function trace(name: string, maxBinding: number, fields: readonly string[] = []): WatchingGpu {
  const config = structuredClone(preset(name));
  for (const field of fields) setFieldFromOption(config, field);
  const gpu = new WatchingGpu({ maxBinding });
  const model = buildModel(config, 19, new RandomState(1)).initialize(gpu, null).eval();
  const size = [1024, 2048] as const;
  const options = { ...config.eval, mode: "whole" as const, scales: [1], flip: false };
  using _arena = gpu.arena();
  predictClasses(model, Tensor.empty(gpu, [1, ...size, 3]), size, options);
  return gpu;
}

const networks = PRESET_NAMES.filter((name) => name.endsWith("_cityscapes"));

test("there are networks to trace, some of which have larger tensors", () => {
  assert.ok(networks.length > 10, `${networks}`);
  const [whole, cut] = [Infinity, LIMIT].map((limit) => trace("mcibi_deeplabv3_resnet50os8_cityscapes", limit));
  assert.ok(whole.largest > LIMIT, `${whole.largest}`);
  assert.ok(cut.dispatches > whole.dispatches);
});

for (const name of networks) test(name, () => void trace(name, LIMIT));

for (const host of ["fcn", "ppm", "ocr", "upernet"]) {
  test(`host ${host}`, () => {
    trace("mcibi_deeplabv3_resnet50os8_cityscapes", LIMIT, [`model.host=${host}`]);
    // At a quarter of the resolution; with an auxiliary head, which OCR needs.
    trace("mcibi_deeplabv3_hrnetv2w48_ade20k", LIMIT, [`model.host=${host}`, "losses.aux=0.4"]);
  });
}


test.run();
