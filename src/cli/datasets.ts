/** Datasets as the commands use them. */
import { openDataset, datasetLayout } from "../data/open.ts";
import type { Dataset } from "../data/dataset.ts";
import { loadSharp } from "../io/image.node.ts";
import { ensureStreets } from "../data/streets/index.ts";
import type { ProgressLine } from "../train/progress.ts";

/**
 * Opens splits of a dataset. The street scenes are generated where they are not there yet.
 *
 * @param root empty for the dataset's own default
 */
export async function openSplits<const S extends readonly string[]>(
  name: string,
  root: string,
  splits: S,
  output: ProgressLine,
): Promise<{ [K in keyof S]: Dataset }> {
  const { spec, defaultRoot } = datasetLayout(name);
  await loadSharp(); // where it is missing, that is said before anything else takes time
  if (spec.name === "streets") {
    const folder = root || defaultRoot!;
    const show = output.task("generating street scenes");
    const onProgress = (done: number, total: number): void => {
      if (done === 1) output.log(`generating the street scenes in ${folder}`);
      show(done, total);
    };
    await ensureStreets({ root: folder, onProgress });
    output.clear();
  }
  const opened = await Promise.all(splits.map((split) => openDataset(name, { root: root || undefined, split })));
  return opened as { [K in keyof S]: Dataset };
}
