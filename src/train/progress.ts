/** What a command says while it works. */
import type { Gpu } from "../runtime/gpu.ts";

/** Milliseconds between progress lines where they cannot be rewritten. */
const PLAIN_INTERVAL = 5000;

/** One line that is rewritten in place on a terminal; elsewhere a plain line every few seconds. */
export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  #isOpen = false;
  #lastPlain = -Infinity;

  constructor(stream: NodeJS.WriteStream = process.stdout) {
    this.#stream = stream;
  }

  /** Shows the present state, in the place of the former one. */
  show(text: string): void {
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${text.slice(0, (this.#stream.columns || 80) - 1)}`);
      this.#isOpen = true;
    } else if (performance.now() - this.#lastPlain >= PLAIN_INTERVAL) {
      this.#lastPlain = performance.now();
      this.#stream.write(`${text}\n`);
    }
  }

  /** Writes lines that stay. */
  log(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Removes the rewritten line. */
  clear(): void {
    if (this.#isOpen) this.#stream.write("\r\x1b[K");
    this.#isOpen = false;
  }
}

/** From now on shows how many kernels are compiled, whenever new ones are needed. */
export function showCompilation(gpu: Gpu, output: ProgressLine): void {
  gpu.onCompile = (done, total) => output.show(`compiling kernels: ${done} of ${total}`);
}

/** `1:02:03`, `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number): string => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
