import type { Dataset, DatasetItem } from "./dataset.ts";
import type { InputOptions } from "./input.ts";
import type { EvaluationResult } from "./jobs.ts";
import { WorkerPool } from "./pool.ts";

export interface EvaluationOptions extends InputOptions {
  /** See `readSample`. */
  readonly oriented?: boolean;
  readonly workers: number;
  /** Images prepared beyond the one in use. */
  readonly ahead: number;
}

/**
 * One image for the network, `[1, height, width, 3]`, with what its prediction is compared to and shown beside:
 * RGB and train ids at the original resolution.
 */
export interface EvaluationItem extends EvaluationResult {
  readonly id: string;
}

/**
 * The dataset's images one by one, in its order, prepared in worker threads, which stop when the loop ends.
 *
 * @throws UserError naming the file that cannot be read
 */
export async function* evaluationItems(
  dataset: Pick<Dataset, "items" | "spec">,
  options: EvaluationOptions,
): AsyncGenerator<EvaluationItem, void, undefined> {
  for await (const { item, prepare } of evaluationResults(dataset, options)) {
    yield { id: item.id, ...(await prepare()) };
  }
}

/** One image that is being prepared; what comes of it rejects with the UserError of a file that cannot be read. */
export interface PendingItem {
  readonly item: DatasetItem;
  prepare(): Promise<EvaluationResult>;
}

/** The same, for those who go on where one of the images cannot be read. */
export async function* evaluationResults(
  { items, spec }: Pick<Dataset, "items" | "spec">,
  { workers, ahead, ...options }: EvaluationOptions,
): AsyncGenerator<PendingItem, void, undefined> {
  const pool = new WorkerPool(workers);
  try {
    const pending: Promise<EvaluationResult>[] = [];
    for (const [i, item] of items.entries()) {
      for (const next of items.slice(i + pending.length, i + ahead + 1)) {
        const result = pool.run({ kind: "evaluation", spec, item: next, ...options });
        // An earlier failure may end the loop before this one is awaited.
        result.catch(() => {});
        pending.push(result);
      }
      const result = pending.shift()!;
      yield { item, prepare: () => result }; // not the promise itself, which a generator would await
    }
  } finally {
    await pool.close();
  }
}
