/** What a run writes down about itself while it goes on. */
import type { Dataset } from "../data/dataset.ts";
import type { Segmentor } from "../models/segmentor.ts";
import type { Checkpoint, Progress } from "./checkpoint.ts";
import type { Panel } from "./evaluate.ts";
import { memoryCosines } from "./inspect.ts";
import { rowsOf, scores } from "./metrics.ts";
import type { Confusion } from "./metrics.ts";
import type { Liveness } from "./page/page.ts";
import { Report } from "./page/write.ts";
import { PANEL_PARTS, panelPng } from "./panels.ts";
import type { ProgressLine } from "./progress.ts";
import { scoreJson } from "./report.ts";
import type { MetricsLine, RunDescription, RunFolder } from "./run_folder.ts";

export interface RunRecordsOptions {
  readonly folder: RunFolder;
  readonly description: RunDescription;
  readonly evalSet: Dataset;
  readonly resume: Checkpoint | null;
  readonly output: ProgressLine;
}

/** Where in the run something was recorded. */
type Place = Pick<MetricsLine, "iteration" | "epoch">;

/** Fills a run folder, but for checkpoints and result. The folder is created with the first `write`. */
export class RunRecords {
  readonly #options: RunRecordsOptions;
  readonly #report: Report;
  #isOpen = false;
  /** Lines for metrics.jsonl that are not written yet. */
  #lines: MetricsLine[] = [];
  /** Panels of the last evaluation, and the entropies of W in them. */
  #panels: string[] = [];
  #entropies: number[] = [];

  constructor(options: RunRecordsOptions) {
    this.#options = options;
    this.#report = new Report(options.folder.path);
  }

  /** Prepares a line of metrics.jsonl. */
  add(line: MetricsLine): void {
    this.#lines.push(line);
  }

  /** Appends the prepared lines. */
  async write(): Promise<void> {
    const { folder, description, resume } = this.#options;
    if (!this.#isOpen) {
      await folder.lock();
      const kept = resume?.progress;
      if (kept) await folder.continueAfter(kept.iteration, (line) => isBefore(line, kept));
      else await folder.create(description);
    }
    this.#isOpen = true;
    for (const line of this.#lines.splice(0)) await folder.appendMetrics(line);
  }

  beginEvaluation(): void {
    this.#panels = [];
    this.#entropies = [];
  }

  async addPanel(iteration: number, panel: Panel): Promise<void> {
    const { folder, evalSet } = this.#options;
    const { item, weightEntropy } = panel;
    await this.write();
    await folder.writePanel(item.id, panelPng(panel, evalSet.spec), iteration);
    this.#panels.push(item.id);
    if (weightEntropy !== null) this.#entropies.push(weightEntropy);
  }

  /** Prepares the lines of an evaluation, and writes what only its successor replaces. */
  async addEvaluation(
    model: Segmentor,
    confusion: Confusion,
    { iteration, epoch, seconds }: Place & { readonly seconds: number },
  ): Promise<void> {
    const { folder, evalSet } = this.#options;
    const { split, spec, items } = evalSet;
    const { meanIou, pixelAccuracy, meanAccuracy, iou } = scoreJson(spec.classNames, scores(confusion));
    const means = { meanIou, pixelAccuracy, meanAccuracy };
    const place = { iteration, epoch };
    this.add({ kind: "eval", ...place, split, ...means, iou, weightEntropy: mean(this.#entropies), seconds });
    const cosine = await memoryCosines(model);
    if (cosine) this.add({ kind: "memory", ...place, cosine });
    await folder.writeJson("evaluation.json", {
      ...{ ...place, split, images: items.length, confusion: rowsOf(confusion) },
      panels: { parts: PANEL_PARTS, names: this.#panels },
    });
  }

  /** Whether enough has happened for another report. */
  get isReportDue(): boolean {
    return this.#report.isDue;
  }

  /**
   * A run does not end because it cannot be looked at: what hinders is said, and no more.
   *
   * @param progress null when nothing will follow
   */
  async writeReport(progress: Omit<Liveness, "every"> | null): Promise<void> {
    try {
      await this.#report.write(progress);
    } catch (error) {
      this.#options.output.warn(`no report: ${(error as Error).message}`);
    }
  }

  /**
   * After an error: leaves no folder behind that a run could not be continued from, and no report that promises more.
   *
   * @param isSaved whether there is a checkpoint
   */
  async abandon(isSaved: boolean): Promise<void> {
    if (!this.#isOpen) return;
    if (isSaved) await this.writeReport(null);
    else await this.#options.folder.discard();
  }
}

/** Null where there are none. */
function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Whether a line of metrics.jsonl belongs to the part of the run that led to the checkpoint. */
function isBefore({ kind, iteration, epoch }: MetricsLine, progress: Progress): boolean {
  return iteration <= progress.iteration && (kind === "train" || epoch <= progress.evaluatedEpoch);
}
