import { noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";
import { sum } from "./accumulate.ts";
import { sumAxes } from "./broadcast.ts";
import { apply, defineOp } from "./define.ts";
import { matmul } from "./matmul.ts";
import { excerpt, place, unitsPerPart } from "./parts.ts";
import type { MemoryUpdateOptions } from "./memory.options.ts";
import { updateReference, updateSamples } from "./memory.reference.ts";

/** Sums over cells are made in this many parts at most, each of at least this many cells, whatever the device. */
const MAX_SLABS = 32;
const MIN_SLAB_CELLS = 16;

const updateOp = defineOp<readonly [Tensor, Tensor, Tensor], MemoryUpdateOptions>({
  name: "update_memory",
  forward(_ctx, [memory, features, labels], options) {
    const { gpu } = memory;
    const updated = Tensor.empty(gpu, memory.shape);
    gpu.copy(memory, updated, memory.size * 4);
    if (features.size === 0 || labels.size === 0) return updated;

    using _scratch = gpu.arena();
    writeUpdate(memory, sumsOf(memory, features, labels, options, null), updated, options);
    return updated;
  },
  reference: ([memory, features, labels], options) => updateReference(memory!, features!, labels!, options),
  samples: updateSamples,
});

/** What the pixels of a batch, or of parts of it so far, add up to. */
export interface MemorySums {
  /** [K·F], of the memory that they are compared with; negative for empty slots. */
  readonly norms: Tensor;
  /** [slabs, K·F, C] and [slabs, K·F, 2]: see memory_gather.wgsl. */
  readonly weighted: Tensor;
  readonly counted: Tensor;
  readonly totals: Tensor;
  /** u32 [K]: classes with features that are not finite. */
  readonly refused: Tensor;
}

type Rule = Omit<MemoryUpdateOptions, "momentum">;

function sumsOf(memory: Tensor, features: Tensor, labels: Tensor, rule: Rule, earlier: MemorySums | null): MemorySums {
  const { gpu } = memory;
  const [classes, slots, channels] = memory.shape;
  const [images, h, w] = features.shape;
  const rows = classes * slots;
  const cells = images * h * w;
  const norms = earlier?.norms ?? slotNorms(memory);
  const slabCells = Math.max(MIN_SLAB_CELLS, Math.ceil(cells / MAX_SLABS));
  const imagesAtOnce = unitsPerPart(gpu, images, Math.max(h * w * Math.max(rows, channels, 5), labels.size / images));
  const slabsOf = (some: number): number => Math.ceil((some * h * w) / slabCells);
  const groups = Array.from({ length: Math.ceil(images / imagesAtOnce) }, (_, i) => {
    return [i * imagesAtOnce, Math.min(imagesAtOnce, images - i * imagesAtOnce)] as const;
  });
  const slabs = groups.reduce((total, [, count]) => total + slabsOf(count), 0);
  const weighted = Tensor.empty(gpu, [slabs, rows, channels]);
  const counted = Tensor.empty(gpu, [slabs, rows, channels]);
  const totals = Tensor.empty(gpu, [slabs, rows, 2]);
  const refused = earlier?.refused ?? Tensor.zeros(gpu, [classes], "u32");
  let slab = 0;
  for (const [image, count] of groups) {
    using _images = gpu.arena();
    const [some, theirs] = [features, labels].map((x) => {
      return excerpt(x, (image * x.size) / images, x.shape.with(0, count));
    });
    const { weights, counts } = pixelWeights(memory, some, theirs, norms, rule);
    const own = slabsOf(count);
    const all = [weighted, counted, totals];
    const sums = all.map((x) => excerpt(x, (slab * x.size) / slabs, x.shape.with(0, own)));
    const results = { weighted: sums[0], counted: sums[1], totals: sums[2], refused };
    gpu.run("memory_gather", { weights, counts, features: some, ...results }, {
      elements: own * rows * Math.ceil(channels / 8),
      params: { cells: count * h * w, slab_cells: slabCells, slabs: own },
      constants: { ROWS: rows, SLOTS: slots, CHANNELS: channels },
    });
    all.forEach((x, i) => place(sums[i], x, (slab * x.size) / slabs));
    slab += own;
  }
  if (!earlier) return { norms, weighted, counted, totals, refused };
  const joined = (a: Tensor, b: Tensor): Tensor => sum(sumAxes(a, [0]), sumAxes(b, [0]));
  return {
    norms,
    weighted: joined(earlier.weighted, weighted),
    counted: joined(earlier.counted, counted),
    totals: joined(earlier.totals, totals),
    refused,
  };
}

function slotNorms(memory: Tensor): Tensor {
  const [classes, slots, channels] = memory.shape;
  const norms = Tensor.empty(memory.gpu, [classes * slots]);
  memory.gpu.run("memory_norms.slots", { memory, norms }, {
    elements: norms.size,
    params: { rows: norms.size, cells: 0, h: 0, w: 0 }, // of the other entry point
    constants: { CHANNELS: channels },
  });
  return norms;
}

/** @param updated a copy of the memory: slots that stay are not written */
function writeUpdate(
  memory: Tensor,
  sums: MemorySums,
  updated: Tensor,
  { momentum, unassigned }: Pick<MemoryUpdateOptions, "momentum" | "unassigned">,
): void {
  const [classes, slots, channels] = memory.shape;
  memory.gpu.run("memory_update", { memory, ...sums, updated }, {
    elements: memory.size,
    params: { rows: classes * slots, slabs: sums.totals.shape[0], momentum },
    constants: { CHANNELS: channels, SLOTS: slots, DECAY: unassigned === "decay" },
  });
}

/** What every cell counts in the average of every slot, [K·F, n·h·w]: weighted by distance, and plainly. */
function pixelWeights(
  memory: Tensor,
  features: Tensor,
  labels: Tensor,
  norms: Tensor,
  options: Rule,
): { weights: Tensor; counts: Tensor } {
  const { gpu } = memory;
  const [classes, slots, channels] = memory.shape;
  const [images, h, w] = features.shape;
  const [, labelH, labelW] = labels.shape;
  const rows = classes * slots;
  const cells = images * h * w;
  const cosine = options.strategy === "cosine_similarity";
  const skipZero = options.skipZeroFeatures ?? false;
  let dots = norms; // bound but not read where it is not needed
  let gram = norms;
  if (cosine) {
    dots = noGrad(() => matmul(features.view([cells, channels]), memory.view([rows, channels]), { transposeB: true }));
  }
  if (cosine || skipZero) {
    gram = Tensor.empty(gpu, [cells, 5]);
    gpu.run("memory_norms.gram_products", { features, gram }, {
      elements: cells,
      params: { rows, cells, h, w },
      constants: { CHANNELS: channels },
    });
  }
  const weights = Tensor.zeros(gpu, [rows, cells]);
  const counts = Tensor.zeros(gpu, [rows, cells]);
  const y = sourcePosition(h, labelH, options.alignCorners ?? false);
  const x = sourcePosition(w, labelW, options.alignCorners ?? false);
  for (const rowParity of [0, 1]) {
    for (const columnParity of [0, 1]) {
      gpu.run("memory_weights", { labels, dots, gram, norms, weights, counts }, {
        elements: images * Math.ceil((h - rowParity) / 2) * Math.ceil((w - columnParity) / 2),
        params: {
          images,
          h,
          w,
          label_h: labelH,
          label_w: labelW,
          y_step: y.step,
          y_start: y.start,
          y_unit: y.unit,
          x_step: x.step,
          x_start: x.start,
          x_unit: x.unit,
          ignore_index: options.ignoreIndex,
          row_parity: rowParity,
          column_parity: columnParity,
        },
        constants: { CLASSES: classes, SLOTS: slots, COSINE: cosine, SKIP_ZERO: skipZero },
      });
    }
  }
  return { weights, counts };
}

/** Where pixel p lies on an axis of `cells`: max(step·p + start, 0) / unit, PyTorch's bilinear rule in integers. */
function sourcePosition(cells: number, pixels: number, alignCorners: boolean) {
  if (alignCorners) return { step: cells - 1, start: 0, unit: Math.max(pixels - 1, 1) };
  return { step: 2 * cells, start: cells - pixels, unit: 2 * pixels };
}

/**
 * The memory after one training step, as a new tensor: backward still needs the one that forward used. Nothing is
 * recorded, nothing is read back, and the features are never resized (METHOD.md 2.3, 2.7).
 *
 * Every class with labelled pixels first fills its first empty (all-zero) slot with the mean of its feature vectors,
 * resized bilinearly to the labels; once all its slots are filled they move by `momentum` towards the average of the
 * pixels that are most similar to them. A class without pixels, and one whose pixels include non-finite features, keeps
 * its bytes.
 *
 * @param memory [K, F, C] f32
 * @param features [n, h, w, C] f32, at any resolution
 * @param labels [n, H, W] i32
 * @throws Error on shapes that do not fit, a momentum outside 0..1, and "mean" with more than one slot per class
 *
 * @throws Error where shapes, types or options do not fit
 */
export function updateMemory(memory: Tensor, features: Tensor, labels: Tensor, options: MemoryUpdateOptions): Tensor {
  checkSums(memory, features, labels, options);
  checkMomentum(options);
  return apply(updateOp, [memory, features, labels], options);
}

/**
 * The first part of `updateMemory`, for a batch that comes in parts: what the pixels of one, and of those summed up
 * earlier, add up to. `moveMemory` does the rest: together they do what `updateMemory` does with the whole batch.
 * Nothing is recorded. The sums are the caller's to dispose of; `norms` and `refused` stay those of the earlier ones.
 */
export function sumForMemory(
  memory: Tensor,
  features: Tensor,
  labels: Tensor,
  rule: Omit<MemoryUpdateOptions, "momentum">,
  earlier: MemorySums | null = null,
): MemorySums {
  checkSums(memory, features, labels, rule);
  using _scratch = memory.gpu.arena();
  const sums = noGrad(() => sumsOf(memory, features, labels, rule, earlier));
  for (const tensor of Object.values<Tensor>({ ...sums })) tensor.keep();
  return sums;
}

/** The memory after a step whose pixels have these sums, as a new tensor. Nothing is recorded. */
export function moveMemory(
  memory: Tensor,
  sums: MemorySums,
  options: Pick<MemoryUpdateOptions, "momentum" | "unassigned">,
): Tensor {
  checkMomentum(options);
  const updated = Tensor.empty(memory.gpu, memory.shape);
  memory.gpu.copy(memory, updated, memory.size * 4);
  writeUpdate(memory, sums, updated, options);
  return updated;
}

function checkMomentum({ momentum }: Pick<MemoryUpdateOptions, "momentum">): void {
  if (!(momentum >= 0 && momentum <= 1)) throw new Error(`updateMemory: momentum is ${momentum}; expected 0 to 1`);
}

function checkSums(memory: Tensor, features: Tensor, labels: Tensor, { strategy }: Rule): void {
  const [, slots, channels] = memory.shape;
  if (memory.shape.length !== 3 || memory.size === 0) {
    throw new Error(
      `updateMemory: the memory has shape ${showShape(memory.shape)}; expected [classes, slots, channels]`,
    );
  }
  if (features.shape.length !== 4 || features.shape[3] !== channels) {
    throw new Error(
      `updateMemory: the features have shape ${showShape(features.shape)}; expected [n, h, w, ${channels}] ` +
        `for a memory of shape ${showShape(memory.shape)}`,
    );
  }
  if (labels.shape.length !== 3 || labels.shape[0] !== features.shape[0] || labels.dtype !== "i32") {
    throw new Error(
      `updateMemory: the labels are ${labels.dtype} of shape ${showShape(labels.shape)}; ` +
        `expected i32 of shape [${features.shape[0]}, H, W]`,
    );
  }
  if (strategy !== "cosine_similarity" && strategy !== "mean") {
    throw new Error(`updateMemory: unknown strategy "${strategy}"; expected "cosine_similarity" or "mean"`);
  }
  if (strategy === "mean" && slots > 1) {
    throw new Error(
      `updateMemory: strategy "mean" cannot tell ${slots} slots per class apart; use "cosine_similarity"`,
    );
  }
}
