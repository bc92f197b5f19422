/** Cases of what surrounds the network: images and labels on their way in, scores on the way out. */
import { IGNORE_INDEX, LABEL_TABLES, officialLookup } from "../data/label_tables.ts";
import type { LabelTable } from "../data/label_tables.ts";
import type { Raster, Samples, Size } from "../data/raster.ts";
import { keepRatioSize, resizeBilinear, resizeNearest } from "../data/resize.ts";
import { flipHorizontal, normalize as normalizeImage, pad as padImage, swapLabels } from "../data/transforms.ts";
import type { PerChannel } from "../data/transforms.ts";
import { addConfusion } from "../ops/confusion.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import { emptyConfusion, addCounts, scores } from "../train/metrics.ts";
import type { Confusion } from "../train/metrics.ts";
import type { FixtureCase } from "./fixture.ts";
import { channelsLast } from "./layout.ts";
import type { HostArray } from "./layout.ts";
import { paramsOf } from "./params.ts";
import { Skip, upload } from "./runner.ts";
import type { Results, Runner } from "./runner.ts";

const scalar = (value: number): HostArray => ({ shape: [], data: Float32Array.of(value) });
const floats = (values: Float64Array): HostArray => ({ shape: [values.length], data: Float32Array.from(values) });
const integers = (values: Float64Array): HostArray => ({ shape: [values.length], data: Int32Array.from(values) });

/** The confusion matrix of pairs of stored label maps. Labels outside the classes do not count. */
async function confusionOf(
  gpu: Gpu,
  item: FixtureCase,
  maps: readonly (readonly [prediction: string, label: string])[],
  { classes, ignoreIndex }: { classes: number; ignoreIndex: number },
): Promise<Confusion> {
  const counted = Tensor.zeros(gpu, [classes, classes], "u32");
  for (const [prediction, label] of maps) {
    addConfusion(counted, upload(gpu, item.tensor(prediction)), upload(gpu, item.tensor(label)), { ignoreIndex });
  }
  const confusion = emptyConfusion(classes);
  addCounts(confusion, await counted.data());
  return confusion;
}

export const confusion: Runner = async ({ gpu }, item) => {
  const { num_classes: classes, ignore_index: ignoreIndex } = paramsOf<{ num_classes: number; ignore_index: number }>(
    item,
    ["num_classes", "ignore_index"],
  );
  const matrix = await confusionOf(gpu, item, [["pred", "label"]], { classes, ignoreIndex });
  const { intersection, union, iou, meanIou } = scores(matrix);
  return new Map([
    ["confusion", { shape: [classes, classes], data: Int32Array.from(matrix.counts) }],
    ["intersection", integers(intersection)],
    ["union", integers(union)],
    ["iou", floats(iou)],
    ["miou", scalar(meanIou)],
  ]);
};

interface EvaluationParams {
  readonly num_classes: number;
  readonly images: number;
  readonly nan_to_num: number | null;
  readonly beta: number;
}

export const evaluation: Runner = async ({ gpu }, item) => {
  const known = ["num_classes", "images", "ignore_label_in_gt", "nan_to_num", "beta"];
  const { num_classes: classes, images, nan_to_num: nanToNum, beta } = paramsOf<EvaluationParams>(item, known);
  const maps = Array.from({ length: images }, (_, i) => [`pred_${i}`, `gt_${i}`] as const);
  // -1 as in the official test script, which replaces every label outside the classes by it.
  const matrix = await confusionOf(gpu, item, maps, { classes, ignoreIndex: -1 });
  const all = scores(matrix, { beta, nanToNum: nanToNum ?? undefined });
  return new Map([
    ["iou", floats(all.iou)],
    ["accuracy", floats(all.accuracy)],
    ["precision", floats(all.precision)],
    ["recall", floats(all.recall)],
    ["fscore", floats(all.fscore)],
    ["dice", floats(all.dice)],
    ["miou", scalar(all.meanIou)],
    ["mfscore", scalar(all.meanFscore)],
    ["mdice", scalar(all.meanDice)],
    ["all_accuracy", scalar(all.pixelAccuracy)],
    ["area_intersect", integers(all.intersection)],
    ["area_union", integers(all.union)],
    ["area_pred", integers(all.predicted)],
    ["area_label", integers(all.labelled)],
  ]);
};

function raster(item: FixtureCase, name: string): Raster {
  const { shape: [height, width, channels = 1], data } = item.tensor(name);
  return { height, width, channels, data: data as Samples };
}

const bytes = (image: Raster): Raster<Uint8Array> => ({ ...image, data: Uint8Array.from(image.data) });

/** [h, w, c], or [h, w] for one channel. */
function stored({ height, width, channels, data }: Raster): HostArray {
  const typed = data instanceof Uint8Array ? Int32Array.from(data) : data;
  return { shape: channels === 1 ? [height, width] : [height, width, channels], data: typed };
}

export const normalize: Runner = (_, item) => {
  interface NormalizeParams {
    readonly mean: PerChannel;
    readonly std: PerChannel;
    readonly to_rgb: boolean;
  }
  const { mean, std, to_rgb: reverseChannels } = paramsOf<NormalizeParams>(item, ["mean", "std", "to_rgb"]);
  return new Map([["output", stored(normalizeImage(raster(item, "image"), { mean, std, reverseChannels }))]]);
};

export const resize: Runner = (_, item) => {
  interface ResizeParams {
    readonly output_size: readonly [width: number, height: number];
    readonly keep_ratio: boolean;
    /** Bounds of the factor that training draws. */
    readonly scale_range?: readonly [number, number] | null;
  }
  const known = ["output_size", "keep_ratio", "scale_range"];
  const { output_size: target, keep_ratio: keepRatio, scale_range: range } = paramsOf<ResizeParams>(item, known);
  const [factor, other] = range ?? [1, 1];
  if (factor !== other) throw new Skip(`scale_range=${JSON.stringify(range)} of resize: it leaves the factor open`);
  const [image, label] = [raster(item, "image"), raster(item, "seg_target")];
  const [width, height] = target.map((side) => Math.trunc(side * factor));
  const size: Size = keepRatio ? keepRatioSize([image.height, image.width], [height, width]) : [height, width];
  return new Map([
    ["image_resized", stored(resizeBilinear(bytes(image), size))],
    ["seg_target_resized", stored(resizeNearest(label, size))],
  ]);
};

export const padding: Runner = (_, item) => {
  interface PaddingParams {
    readonly output_size: Size;
    readonly image_fill_value: number;
    readonly seg_target_fill_value: number;
    readonly output_size_auto_adaptive: boolean;
  }
  const known = ["output_size", "image_fill_value", "seg_target_fill_value", "output_size_auto_adaptive"];
  const params = paramsOf<PaddingParams>(item, known);
  const options = { size: params.output_size, adaptOrientation: params.output_size_auto_adaptive };
  const image = stored(padImage(raster(item, "image"), { ...options, fill: params.image_fill_value }));
  const label = stored(padImage(raster(item, "seg_target"), { ...options, fill: params.seg_target_fill_value }));
  const { shape, data } = channelsLast.from({ shape: [1, ...image.shape], data: image.data });
  return new Map([
    ["image_out", { shape: shape.slice(1), data }],
    ["seg_target_out", label],
  ]);
};

export const flip: Runner = (_, item) => {
  interface FlipParams {
    readonly fixed_seg_target_pairs: readonly (readonly [number, number])[] | null;
  }
  const { fixed_seg_target_pairs: pairs } = paramsOf<FlipParams>(item, ["fixed_seg_target_pairs"]);
  return new Map([
    ["image_out", stored(flipHorizontal(raster(item, "image")))],
    ["seg_target_out", stored(swapLabels(flipHorizontal(raster(item, "seg_target")), pairs ?? []))],
  ]);
};

/** What fixtures write for IGNORE_INDEX. */
const STORED_IGNORE = -100;

export const labelTable: Runner = (_, item) => {
  interface TableParams {
    readonly dataset: string;
    readonly num_classes: number;
  }
  const { dataset, num_classes: classes } = paramsOf<TableParams>(item, ["dataset", "num_classes", "classnames"]);
  if (!Object.hasOwn(LABEL_TABLES, dataset)) throw new Skip(`dataset ${dataset}`);
  const table: LabelTable = LABEL_TABLES[dataset as keyof typeof LABEL_TABLES];
  if (table.numClasses !== classes) throw new Error(`${dataset} has ${table.numClasses} classes, not ${classes}`);
  const lookup = (autoCorrect: boolean): HostArray => {
    return { shape: [256], data: officialLookup(table, { ignoreIndex: STORED_IGNORE, autoCorrect }) };
  };
  const results: Results = new Map([["lut", lookup(false)], ["lut_with_auto_correct", lookup(true)]]);
  const rows = (table.mapping ?? []).map(([source, id]) => [source, id === IGNORE_INDEX ? STORED_IGNORE : id]);
  return results.set("mapping", { shape: [rows.length, 2], data: Int32Array.from(rows.flat()) });
};
