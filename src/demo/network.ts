/** A network to look at: what it makes of a picture, what a pixel draws from the memory, and the memory itself. */
import { noGrad } from "../autograd/tape.ts";
import type { Config } from "../config/config.ts";
import { networkInput } from "../data/input.ts";
import type { Raster } from "../data/raster.ts";
import { IMAGENET_MEAN, IMAGENET_STD } from "../data/transforms.ts";
import { UserError } from "../errors.ts";
import { Mcibi } from "../models/mcibi.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { matmul } from "../ops/matmul.ts";
import { normalize } from "../ops/normalize.ts";
import { softmax } from "../ops/softmax.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Subject } from "../train/checkpoint.ts";
import { predictClasses } from "../train/inference.ts";

/** RGB. */
export interface Picture {
  readonly height: number;
  readonly width: number;
  /** `[height, width, 3]`. */
  readonly image: Uint8Array;
}

export interface Segmentation {
  /** What the classes are. */
  readonly subject: Subject;
  readonly height: number;
  readonly width: number;
  /** Class of every pixel, `[height, width]`. */
  readonly classes: Uint8Array;
  /** Share of the pixels by class, in 0..1. */
  readonly shares: Float64Array;
  /** From the pixels of the picture to the classes in memory. */
  readonly milliseconds: number;
  /** Kernels were compiled for it, and that is in the time. */
  readonly compiled: boolean;
}

/** What one pixel of the feature map draws on; [rows, columns] is the size of that map. */
export interface Look {
  /** What the classes are. */
  readonly subject: Subject;
  readonly rows: number;
  readonly columns: number;
  readonly row: number;
  readonly column: number;
  /** W: what every pixel draws from which class, `[rows, columns, classes]`; a pixel's shares add up to 1. */
  readonly weights: Float32Array;
  /** Where this pixel looks, `[rows, columns]`; adds up to 1. Mean over the memory's slots. */
  readonly attention: Float32Array;
}

export interface MemoryView {
  /** Cosine of every class's vector with every other, `[classes, classes]`; several slots are one long vector. */
  readonly cosine: Float32Array;
  /** Length of every class's vector; 0 for a class that was never seen. */
  readonly lengths: Float32Array;
}

export class Network {
  readonly gpu: Gpu;
  readonly model: Segmentor;
  readonly config: Config;
  readonly subject: Subject;

  /** @param model initialised; it belongs to the caller */
  constructor(gpu: Gpu, model: Segmentor, { config, subject }: { config: Config; subject: Subject }) {
    this.gpu = gpu;
    this.model = model;
    this.config = config;
    this.subject = subject;
  }

  get hasMemory(): boolean {
    return this.model instanceof Mcibi && this.model.memory !== null;
  }

  /** As `npm run eval` predicts: the configuration's size, scales and windows; the network's mode is restored. */
  async segment(picture: Picture): Promise<Segmentation> {
    const { height, width } = picture;
    const begun = performance.now();
    const pipelines = this.gpu.pipelines;
    const prediction = this.#inEvaluation(() => {
      using _ = this.gpu.arena();
      return predictClasses(this.model, this.#upload(picture), [height, width], this.config.eval).keep();
    });
    const classes = Uint8Array.from(await prediction.data());
    prediction.dispose();
    const milliseconds = performance.now() - begun;
    const { subject } = this;
    const counts = new Float64Array(subject.classNames.length);
    for (const id of classes) counts[id]++;
    const shares = counts.map((count) => count / classes.length);
    return { subject, height, width, classes, shares, milliseconds, compiled: this.gpu.pipelines > pipelines };
  }

  /** What the pixel draws on whose place is (x, y), in 0..1 from the top left corner. */
  async look(picture: Picture, x: number, y: number): Promise<Look> {
    const memory = this.#memory();
    const seen = new Map<string, Tensor>();
    const { weights, attention, row, column } = this.#inEvaluation(() => {
      using _ = this.gpu.arena();
      return noGrad(() => {
        this.model.forward(this.#upload(picture), (name, value) => (seen.set(name, value), value));
        const [feats, stage1] = [seen.get("memory_input")!, seen.get("preds_stage1")!];
        const [, rows, columns] = feats.shape;
        const row = Math.min(rows - 1, Math.floor(y * rows));
        const column = Math.min(columns - 1, Math.floor(x * columns));
        const mixtures = [...seen].filter(([name]) => name.startsWith("selected_memory")).map(([, value]) => value);
        const attention = memory.attentionOf(feats, mixtures, row * columns + column).map((slot) => slot.keep());
        return { weights: softmax(stage1).keep(), attention, row, column };
      });
    });
    const [, rows, columns] = weights.shape;
    const slots = await Promise.all(attention.map((slot) => slot.data()));
    const mean = slots[0].map((_, i) => slots.reduce((sum, slot) => sum + slot[i], 0) / slots.length);
    const shares = (await weights.data()) as Float32Array;
    const values = this.config.memory.hardAggregate ? oneHot(shares, weights.shape[3]) : shares;
    for (const tensor of [weights, ...attention]) tensor.dispose();
    const { subject } = this;
    return { subject, rows, columns, row, column, weights: values, attention: Float32Array.from(mean) };
  }

  async memoryView(): Promise<MemoryView> {
    const { memory } = this.#memory();
    const classes = memory.shape[0];
    const { cosine, rows } = noGrad(() => {
      using _ = this.gpu.arena();
      const rows = memory.view([classes, memory.size / classes]);
      const unit = normalize(rows, { dim: 1 });
      return { cosine: matmul(unit, unit, { transposeB: true }).keep(), rows: rows.keep() };
    });
    const [values, vectors] = [await cosine.data(), await rows.data()];
    cosine.dispose();
    rows.dispose();
    const width = vectors.length / classes;
    const lengths = Float32Array.from({ length: classes }, (_, k) => {
      return Math.hypot(...vectors.subarray(k * width, (k + 1) * width));
    });
    return { cosine: values as Float32Array, lengths };
  }

  #memory() {
    const memory = this.model instanceof Mcibi ? this.model.memory : null;
    if (!memory) throw new UserError("this network was trained without memory: there is nothing to watch");
    return memory;
  }

  #upload({ height, width, image }: Picture): Tensor {
    const { size, keepRatio } = this.config.data;
    const raster: Raster<Uint8Array> = { height, width, channels: 3, data: image };
    const input = networkInput(raster, { size, keepRatio, mean: IMAGENET_MEAN, std: IMAGENET_STD });
    return Tensor.from(this.gpu, input.data, [1, input.height, input.width, 3]);
  }

  /** Recording is synchronous: no training step can come between the two switches. */
  #inEvaluation<T>(record: () => T): T {
    const wasTraining = this.model.training;
    this.model.eval();
    try {
      return record();
    } finally {
      this.model.train(wasTraining);
    }
  }
}

/** All of the most likely class, the first of equals. */
function oneHot(rows: Float32Array, width: number): Float32Array {
  const hard = new Float32Array(rows.length);
  for (let start = 0; start < rows.length; start += width) {
    const row = rows.subarray(start, start + width);
    hard[start + row.indexOf(Math.max(...row))] = 1;
  }
  return hard;
}
