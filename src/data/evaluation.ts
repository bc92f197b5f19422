import type { Dataset } from "./dataset.ts";
import type { EvaluationResult } from "./jobs.ts";
import { WorkerPool } from "./pool.ts";
import type { Size } from "./raster.ts";
import type { PerChannel } from "./transforms.ts";

export interface EvaluationOptions {
  /** Size of the network's input; each image's own where absent. */
  readonly size?: Size;
  /** Fit the image into `size` instead of filling it exactly. */
  readonly keepRatio?: boolean;
  readonly mean: PerChannel;
  readonly std: PerChannel;
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
  { items, spec }: Dataset,
  { size, keepRatio = false, mean, std, workers, ahead }: EvaluationOptions,
): AsyncGenerator<EvaluationItem, void, undefined> {
  const pool = new WorkerPool(workers);
  try {
    const pending: Promise<EvaluationResult>[] = [];
    for (const [i, { id }] of items.entries()) {
      for (const item of items.slice(i + pending.length, i + ahead + 1)) {
        const result = pool.run({ kind: "evaluation", spec, item, size, keepRatio, mean, std });
        // An earlier failure ends the loop before this one is awaited.
        result.catch(() => {});
        pending.push(result);
      }
      yield { id, ...(await pending.shift()!) };
    }
  } finally {
    await pool.close();
  }
}
