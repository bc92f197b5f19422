/**
 * What a command says: how far its work is, what it has done, and its results. As text for people, or as JSON, one
 * object per line, for programs:
 *
 *     {"kind":"progress","seconds":4.2,"task":"evaluating val","done":8,"total":40,"secondsLeft":16.1}
 *     {"kind":"log","seconds":4.3,"text":"..."}
 *     {"kind":"warning","seconds":4.4,"text":"skipped: ..."}
 *     {"kind":"result","seconds":9.9, ...}
 *     {"kind":"error","seconds":9.9,"text":"...","exitCode":2}
 *
 * `seconds` counts from the command's start. Where parts cannot be counted, progress has a `text` instead. Objects are
 * on stdout, warnings and the error that ends a command too: drivers write lines of their own to stderr. As text, what
 * goes wrong is on stderr.
 */
import type { Gpu } from "../runtime/gpu.ts";

/** Milliseconds between progress lines where they cannot be rewritten. */
const INTERVALS = { text: 5000, json: 1000 } as const;

export type LogFormat = keyof typeof INTERVALS;

export interface OutputOptions {
  /** Default: text. */
  readonly format?: LogFormat;
  /** Results alone. Default: false. */
  readonly quiet?: boolean;
}

/** How far a piece of work is; other numbers may come besides. */
export interface ProgressState {
  /** What is being done: "evaluating val". */
  readonly task: string;
  readonly done: number;
  readonly total: number;
  /** NaN where it is not known yet. */
  readonly secondsLeft?: number;
  readonly [name: string]: unknown;
}

/** One line that is rewritten in place on a terminal; elsewhere, and as JSON, a line every now and then. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  readonly #format: LogFormat;
  readonly #isQuiet: boolean;
  #isOpen = false;
  #last = -Infinity;

  constructor(stream: NodeJS.WriteStream = process.stdout, { format = "text", quiet = false }: OutputOptions = {}) {
    this.#stream = stream;
    this.#format = format;
    this.#isQuiet = quiet;
  }

  /** Shows the present state, in the place of the former one. */
  show(text: string, state?: ProgressState): void {
    if (this.#isQuiet) return;
    if (this.#format === "text" && this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${text.slice(0, (this.#stream.columns || 80) - 1)}`);
      this.#isOpen = true;
      return;
    }
    const isEnd = state !== undefined && state.done === state.total && this.#format === "json";
    if (!isEnd && performance.now() - this.#last < INTERVALS[this.#format]) return;
    this.#last = performance.now();
    this.#write("progress", text, state ?? { text });
  }

  /**
   * Begins a piece of work of countable parts, and returns what to tell how many of them are done: it shows
   * `evaluating val: 8 of 40 images | ETA 0:16`.
   *
   * @param task "evaluating val"
   * @param unit "images"
   */
  task(task: string, unit = ""): (done: number, total: number) => void {
    const what = unit === "" ? "" : ` ${unit}`;
    let first: { readonly time: number; readonly done: number } | null = null;
    return (done, total) => {
      // The first part is left out of the pace: it compiles kernels, opens files, starts threads.
      const pace = first && (performance.now() - first.time) / 1000 / (done - first.done);
      first ??= { time: performance.now(), done };
      const secondsLeft = pace === null || !Number.isFinite(pace) ? NaN : pace * (total - done);
      const eta = Number.isNaN(secondsLeft) || done === total ? "" : ` | ETA ${duration(secondsLeft)}`;
      this.show(`${task}: ${done} of ${total}${what}${eta}`, { task, done, total, secondsLeft });
    };
  }

  /** Says something in passing, in lines that stay. */
  log(text: string): void {
    if (this.#isQuiet) return;
    this.clear();
    this.#write("log", text, { text: text.trim() });
  }

  /**
   * Puts out what the command was called for.
   *
   * @param result null for what only people need, such as the head of a table
   */
  print(text: string, result: object | null): void {
    this.clear();
    if (this.#format === "text" || result) this.#write("result", text, result ?? {});
    this.#last = performance.now(); // a result says that the work goes on
  }

  /** Says what went wrong while the command goes on; as text, on stderr. */
  warn(text: string): void {
    this.clear();
    if (this.#format === "json") this.#write("warning", text, { text });
    else process.stderr.write(`${text}\n`);
  }

  /** Removes the rewritten line. */
  clear(): void {
    if (this.#isOpen) this.#stream.write("\r\x1b[K");
    this.#isOpen = false;
  }

  #write(kind: JsonKind, text: string, data: object): void {
    this.#stream.write(this.#format === "json" ? jsonLine(kind, data) : `${text}\n`);
  }
}

type JsonKind = "progress" | "log" | "warning" | "result" | "error";

/** An object for programs, as a line. */
export function jsonLine(kind: JsonKind, data: object): string {
  const seconds = Math.round(performance.now()) / 1000; // since the process began
  return `${JSON.stringify({ kind, seconds, ...data })}\n`;
}

/** From now on shows how many kernels are compiled, whenever new ones are needed. */
export function showCompilation(gpu: Gpu, output: ProgressLine): void {
  gpu.onCompile = output.task("compiling kernels");
}

/** `1:02:03`, `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
