import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  IGNORE_INDEX,
  LABEL_TABLES,
  type LabelTable,
  officialLookup,
  trainIdTable,
} from "../../src/data/label_tables.ts";
import type { Raster, Samples, Size } from "../../src/data/raster.ts";
import { keepRatioSize, resizeBilinear, resizeNearest } from "../../src/data/resize.ts";
import { flipHorizontal, normalize, pad, type PerChannel, swapLabels } from "../../src/data/transforms.ts";
import { parseSafetensors } from "../../src/io/safetensors.ts";

const FOLDER = new URL("../../../shared/fixtures/pipeline/", import.meta.url);

interface Case {
  readonly id: string;
  readonly op: string;
  readonly params: Record<string, unknown>;
  readonly expected: Record<string, readonly [rtol: number, atol: number, error: number]>;
}

/** Runs `check` on every case of one fixture file. */
function eachCase(file: string, check: (item: Case, raster: (name: string) => Raster) => Record<string, Samples>) {
  const { metadata, tensors } = parseSafetensors(readFileSync(new URL(file, FOLDER)));
  const cases = JSON.parse(metadata.cases) as Case[];
  assert.ok(cases.length > 0);
  for (const item of cases) {
    const load = (name: string): Raster => {
      const { shape, data } = tensors.get(`${item.id}.${name}`)!;
      const [height, width = 1, channels = 1] = shape;
      return { height, width, channels, data: data as Samples };
    };
    const results = check(item, load);
    for (const [name, [rtol, atol]] of Object.entries(item.expected)) {
      const want = load(name).data;
      const got = results[name];
      assert.is(got?.length, want.length, `${file} ${item.id} ${name}: element count`);
      const wrong = want.findIndex((value, i) => !(Math.abs(got[i] - value) <= atol + rtol * Math.abs(value)));
      assert.is(wrong, -1, `${file} ${item.id} ${name}[${wrong}]: ${got[wrong]} instead of ${want[wrong]}`);
    }
  }
}

/** `[h, w, c]` to the `[c, h, w]` of the stored result. */
function toPlanes({ height, width, channels, data }: Raster): Samples {
  const area = height * width;
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % area) * channels + Math.floor(i / area)]);
}

const asBytes = (raster: Raster): Raster<Uint8Array> => ({ ...raster, data: Uint8Array.from(raster.data) });

function runTransform({ op, params }: Case, load: (name: string) => Raster): Record<string, Samples> {
  const image = load("image");
  if (op === "normalize") {
    const options = { mean: params.mean as PerChannel, std: params.std as PerChannel };
    return { output: normalize(image, { ...options, reverseChannels: params.to_rgb as boolean }).data };
  }
  const label = load("seg_target");
  if (op === "resize") {
    const [width, height] = params.output_size as [number, number];
    const target: Size = [height, width];
    const size = params.keep_ratio ? keepRatioSize([image.height, image.width], target) : target;
    return {
      image_resized: resizeBilinear(asBytes(image), size).data,
      seg_target_resized: resizeNearest(label, size).data,
    };
  }
  if (op === "to_tensor_and_padding") {
    const options = { size: params.output_size as unknown as Size, adaptOrientation: true };
    assert.is(params.output_size_auto_adaptive, true);
    return {
      image_out: toPlanes(pad(image, { ...options, fill: params.image_fill_value as number })),
      seg_target_out: pad(label, { ...options, fill: params.seg_target_fill_value as number }).data,
    };
  }
  assert.is(op, "flip");
  const pairs = params.fixed_seg_target_pairs as [number, number][];
  return { image_out: flipHorizontal(image).data, seg_target_out: swapLabels(flipHorizontal(label), pairs).data };
}

function runLabelTable({ params }: Case): Record<string, Samples> {
  const table: LabelTable | undefined = LABEL_TABLES[params.dataset as keyof typeof LABEL_TABLES];
  assert.ok(table, `no label table for ${params.dataset}`);
  assert.is(table.numClasses, params.num_classes);
  const options = { ignoreIndex: -100 };
  return {
    lut: officialLookup(table, { ...options, autoCorrect: false }),
    lut_with_auto_correct: officialLookup(table, { ...options, autoCorrect: true }),
    mapping: Int32Array.from((table.mapping ?? []).flat(), (id, i) => (i % 2 && id === IGNORE_INDEX ? -100 : id)),
  };
}

const present = existsSync(FOLDER);
if (!present) console.log("skipped: pipeline fixtures, because ../shared/fixtures is absent");
const testFixture = present ? test : test.skip;

testFixture("transforms equal the official pipeline", () => eachCase("transforms.safetensors", runTransform));
testFixture("label tables equal the official classes", () => eachCase("label_tables.safetensors", runLabelTable));

test("train ids of Cityscapes: void ids are ignored, 255 is license plate, others are unknown", () => {
  const table = trainIdTable(LABEL_TABLES.CityScapesDataset);
  const values = [7, 33, 0, 29, 255, 34, 254];
  assert.equal(values.map((value) => table[value]), [0, 18, 255, 255, 255, 254, 254]);
});

test("train ids without a mapping: the classes stay, everything else is unknown", () => {
  const table = trainIdTable(LABEL_TABLES.LIPDataset);
  assert.equal([table[0], table[19], table[20], table[255]], [0, 19, 254, 254]);
});

test.run();
