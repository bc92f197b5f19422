import { assembleBatch } from "./assemble.ts";
import type { BatchPlan } from "./assemble.ts";
import type { DatasetItem, DatasetSpec } from "./dataset.ts";
import { type InputOptions, networkInput } from "./input.ts";
import { readSample, type Sample } from "./sample.ts";

/** What worker threads do. A job is plain data and its result depends on it alone, so any thread may take it. */

/** A decoded sample in memory that all threads share: the image's bytes, then the label's. */
export interface SharedSample {
  readonly height: number;
  readonly width: number;
  readonly bytes: SharedArrayBuffer;
}

/** Decode (or take from memory) and augment the samples of one training batch. */
export interface BatchJob extends BatchPlan {
  readonly kind: "batch";
  readonly spec: DatasetSpec;
  readonly samples: readonly { readonly item: DatasetItem; readonly decoded?: SharedSample }[];
  /** Hand back what had to be decoded, for the next time. */
  readonly keepDecoded: boolean;
}

export interface BatchResult {
  /** `[n, h, w, 3]` normalised RGB. */
  readonly images: Float32Array;
  /** `[n, h, w]` train ids and IGNORE_INDEX. */
  readonly labels: Int32Array;
  /** By index within the batch; holes where nothing was decoded or nothing is to be kept. */
  readonly decoded: readonly (SharedSample | undefined)[];
}

/** Decode one sample and prepare its image for the network. */
export interface EvaluationJob extends InputOptions {
  readonly kind: "evaluation";
  readonly spec: DatasetSpec;
  readonly item: DatasetItem;
  /** See `readSample`. */
  readonly oriented?: boolean;
}

export interface EvaluationResult {
  /** `[1, height, width, 3]` normalised RGB. */
  readonly image: Float32Array;
  readonly height: number;
  readonly width: number;
  /** The sample at full resolution. */
  readonly original: Sample;
}

export type Job = BatchJob | EvaluationJob;
export type JobResult<J extends Job> = J extends BatchJob ? BatchResult : EvaluationResult;

/** Does a job. Errors are those of `readSample`. */
export function runJob(job: Job): Promise<BatchResult | EvaluationResult> {
  return job.kind === "batch" ? runBatch(job) : runEvaluation(job);
}

async function runBatch(job: BatchJob): Promise<BatchResult> {
  const decoded: (SharedSample | undefined)[] = [];
  const samples: Sample[] = [];
  for (const { item, decoded: known } of job.samples) {
    const sample = known ? fromShared(known) : await readSample(item, job.spec);
    decoded.push(!known && job.keepDecoded ? toShared(sample) : undefined);
    samples.push(sample);
  }
  return { ...assembleBatch(samples, job), decoded };
}

async function runEvaluation({ item, spec, oriented, ...options }: EvaluationJob): Promise<EvaluationResult> {
  const original = await readSample(item, spec, { oriented });
  const { height, width, image } = original;
  const input = networkInput({ height, width, channels: 3, data: image }, options);
  return { image: input.data, height: input.height, width: input.width, original };
}

function toShared({ height, width, image, label }: Sample): SharedSample {
  const bytes = new SharedArrayBuffer(image.length + label.length);
  const view = new Uint8Array(bytes);
  view.set(image);
  view.set(label, image.length);
  return { height, width, bytes };
}

function fromShared({ height, width, bytes }: SharedSample): Sample {
  const labelStart = height * width * 3;
  return { height, width, image: new Uint8Array(bytes, 0, labelStart), label: new Uint8Array(bytes, labelStart) };
}
