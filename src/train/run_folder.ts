/**
 * The files that a run leaves:
 *
 *     config.json                     resolved configuration, adapter, variants
 *     metrics.jsonl                   one JSON object per logging interval; two per evaluation, scores and memory
 *     events.out.tfevents.*           the same and the panels for TensorBoard, one file per session
 *     checkpoints/last.safetensors    where `--resume` continues
 *     checkpoints/best.safetensors    the best evaluation so far
 *     panels/*.png                    image | truth | prediction | errors | confidence, from the last evaluation
 *     evaluation.json                 the confusion matrix of the last evaluation, and which panels belong to it
 *     result.json                     the final scores
 *     report.html                     all of it to look at; see page/
 *     training.lock                   the process that trains, as long as it does
 *
 * Files are replaced as a whole, but for metrics.jsonl and the event files, which grow by whole records.
 */
import { existsSync } from "node:fs";
import { appendFile, readFile, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { UserError } from "../errors.ts";
import { createFolder, describeSystemError, readFileBytes } from "../io/files.node.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { EVENT_FILES, EventLog } from "./event_log.ts";
import { REPORT } from "./page/write.ts";
import { checkStoredConfig } from "./stored_config.ts";

/** Contents of config.json. */
export interface RunDescription {
  readonly config: Config;
  /** The adapter in words; numbers from another one may differ in their last bits. */
  readonly adapter: string;
  /** Kernel variants that were forced, by op. */
  readonly variants: Readonly<Record<string, string>>;
}

/** A line of metrics.jsonl. Loss terms, scores, cosines between the classes of M come besides. */
export interface MetricsLine {
  readonly kind: "train" | "eval" | "memory";
  /** Finished iterations. */
  readonly iteration: number;
  readonly epoch: number;
  readonly [name: string]: unknown;
}

const CONFIG = "config.json";
const LOCK = "training.lock";

export class RunFolder {
  readonly path: string;
  #events: EventLog | null = null;
  #isLocked = false;

  constructor(path: string) {
    this.path = path;
  }

  get last(): string {
    return join(this.path, "checkpoints", "last.safetensors");
  }

  get best(): string {
    return join(this.path, "checkpoints", "best.safetensors");
  }

  /**
   * Makes sure that a new run has the folder for itself and can write there; creates nothing.
   *
   * @throws UserError when it holds anything
   */
  async requireEmpty(): Promise<void> {
    const names = await readdir(this.path).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return [];
      throw new UserError(`run folder ${this.path}: ${describeSystemError(cause)}`, { cause });
    });
    if (names.filter((name) => name !== LOCK).length === 0) return requireWritable(this.path, "folder");
    throw new UserError(
      `run folder ${this.path} is not empty: continue its run with --resume ${this.path}, or give another folder`,
    );
  }

  /**
   * Keeps other trainings out until `release`. The lock that a killed process leaves behind does not count.
   *
   * @throws UserError when another process trains here
   */
  async lock(): Promise<void> {
    await createFolder(this.path, "run folder");
    const path = join(this.path, LOCK);
    const owner = Number(await readFile(path, "utf8").catch(() => ""));
    if (isRunning(owner)) {
      throw new UserError(
        `run folder ${this.path} is in use by process ${owner}: let it end first, or, if it is no training, ` +
          `delete ${path}`,
      );
    }
    await rm(path, { force: true });
    await writeFile(path, String(process.pid), { flag: "wx" }).catch((cause: unknown) => {
      throw new UserError(`cannot write ${path}: ${describeSystemError(cause)}`, { cause });
    });
    this.#isLocked = true;
  }

  async release(): Promise<void> {
    if (this.#isLocked) await rm(join(this.path, LOCK), { force: true });
    this.#isLocked = false;
  }

  /** @throws UserError when another run has begun here meanwhile */
  async create(description: RunDescription): Promise<void> {
    await createFolder(this.path, "run folder");
    if (existsSync(join(this.path, CONFIG))) {
      throw new UserError(`run folder ${this.path} has become that of another run meanwhile: give another folder`);
    }
    await this.writeJson(CONFIG, description);
    this.#events = new EventLog(this.path, 0);
  }

  /** Goes on after an iteration: drops the lines that are going to be written again, and one that a crash cut short. */
  async continueAfter(iteration: number, keep: (line: MetricsLine) => boolean): Promise<void> {
    await this.#rewindMetrics(keep);
    this.#events = new EventLog(this.path, iteration + 1);
  }

  /** Takes back what a new run has written before it had a checkpoint to continue from. */
  async discard(): Promise<void> {
    const written = (await readdir(this.path).catch(() => [])).filter((name) => EVENT_FILES.test(name));
    for (const name of [CONFIG, "metrics.jsonl", REPORT, ...written]) {
      await rm(join(this.path, name), { force: true });
    }
    await this.release();
    await rmdir(this.path).catch(() => {}); // it may hold what somebody else has put there meanwhile
  }

  /** @throws UserError when config.json is missing, damaged or incomplete */
  async describe(): Promise<RunDescription> {
    const path = join(this.path, CONFIG);
    const text = new TextDecoder().decode(await readFileBytes(path, "the run's configuration"));
    let description: Partial<RunDescription> | null;
    try {
      description = JSON.parse(text) as RunDescription;
    } catch (cause) {
      throw new UserError(`${path} is not valid JSON: ${(cause as Error).message}`, { cause });
    }
    const { config, adapter = "", variants = {} } = description ?? {};
    return { config: checkStoredConfig(config, path), adapter, variants };
  }

  writeJson(name: string, value: unknown): Promise<void> {
    return writeFileAtomic(join(this.path, name), `${JSON.stringify(value, null, 2)}\n`);
  }

  async writePanel(name: string, png: Uint8Array, iteration: number): Promise<void> {
    await writeFileAtomic(join(this.path, "panels", `${name}.png`), png);
    await this.#events?.image(iteration, `panels/${name}`, png);
  }

  async appendMetrics(line: MetricsLine): Promise<void> {
    await appendFile(join(this.path, "metrics.jsonl"), `${JSON.stringify(line)}\n`).catch((cause: unknown) => {
      throw new UserError(`cannot write ${join(this.path, "metrics.jsonl")}: ${describeSystemError(cause)}`, { cause });
    });
    const { kind, iteration, cosine, ...values } = line;
    if (kind !== "memory") await this.#events?.scalars(iteration, kind, values);
  }

  async #rewindMetrics(keep: (line: MetricsLine) => boolean): Promise<void> {
    const path = join(this.path, "metrics.jsonl");
    const bytes = await readFileBytes(path, "metrics").catch(() => new Uint8Array(0));
    const lines = new TextDecoder().decode(bytes).split("\n");
    const kept = lines.filter((text) => {
      try {
        return keep(JSON.parse(text) as MetricsLine);
      } catch {
        return false;
      }
    });
    await writeFileAtomic(path, kept.map((text) => `${text}\n`).join(""));
  }
}

/** Whether a process besides this one has the number. */
function isRunning(pid: number): boolean {
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
