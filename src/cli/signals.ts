/** Ending a command that has something to save. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** A terminal's Ctrl-C may arrive twice: by itself, and passed on by the process that started this one. */
const ECHO_MS = 500;

export interface Stop {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  /** 128 + the signal's number, as shells have it. */
  exitCode(): number;
}

/** From now on the first SIGINT or SIGTERM asks the command to end, and the second one ends the process. */
export function stopOnSignals(onFirst: () => void): Stop {
  const controller = new AbortController();
  let code = 0;
  let first = 0;
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (code === 0) {
        code = 128 + constants.signals[name];
        first = performance.now();
        onFirst();
        controller.abort();
      } else if (performance.now() - first > ECHO_MS) {
        process.exit(128 + constants.signals[name]);
      }
    });
  }
  return { signal: controller.signal, exitCode: () => code };
}
