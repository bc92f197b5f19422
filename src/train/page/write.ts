/** The report as a file. */
import { join } from "node:path";
import { writeFileAtomic } from "../../io/files.node.ts";
import { comparisonPage, runPage } from "./page.ts";
import type { Liveness } from "./page.ts";
import { Samples } from "./panels.ts";
import { readRun } from "./record.ts";

/** In a run folder. */
export const REPORT = "report.html";

/** Of the time of a live run, what its report may take; and the least seconds between two. */
const SHARE = 0.02;
const LEAST = 10;

/** Writes the report of one run folder, again and again if need be. */
export class Report {
  readonly #folder: string;
  readonly #samples = new Samples();
  #last = -Infinity;
  #took = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  get path(): string {
    return join(this.#folder, REPORT);
  }

  /** Whether it is time for another one. */
  get isDue(): boolean {
    return performance.now() - this.#last > 1000 * this.#every;
  }

  /**
   * @param progress of a run that goes on
   * @param path default: report.html in the run folder
   * @throws UserError when the folder holds no run, or the file cannot be written
   */
  async write(progress: Omit<Liveness, "every"> | null = null, path = this.path): Promise<void> {
    const begun = performance.now();
    const run = await readRun(this.#folder);
    const samples = await this.#samples.read(run.panels);
    const live = progress && { ...progress, every: this.#every };
    await writeFileAtomic(path, await runPage(run, samples, live));
    this.#last = performance.now();
    this.#took = (this.#last - begun) / 1000;
  }

  get #every(): number {
    return Math.max(LEAST, this.#took / SHARE);
  }
}

/** @throws UserError as Report.write does */
export async function writeComparison(folders: readonly string[], path: string): Promise<void> {
  const runs = await Promise.all(folders.map(readRun));
  const isClear = new Set(runs.map(({ name }) => name)).size === runs.length;
  const named = isClear ? runs : runs.map((run, i) => ({ ...run, name: folders[i] }));
  await writeFileAtomic(path, await comparisonPage(named));
}
