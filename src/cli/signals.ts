/** Ending a command that has something to save. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** A terminal's Ctrl-C may arrive twice: by itself, and passed on by the process that started this one. */
const ECHO_MS = 500;
const WATCH_MS = 500;

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
  const receive = (name: (typeof SIGNALS)[number]): void => {
    if (code === 0) {
      code = 128 + constants.signals[name];
      first = performance.now();
      onFirst();
      controller.abort();
    } else if (performance.now() - first > ECHO_MS) {
      process.exit(128 + constants.signals[name]);
    }
  };
  for (const name of SIGNALS) process.on(name, () => receive(name));
  if (process.env.npm_lifecycle_event !== undefined) watchParent(() => receive("SIGTERM"));
  return { signal: controller.signal, exitCode: () => code };
}

/**
 * `npm run` hands a SIGTERM to the shell that it started, and that dies of it without telling this process, which
 * would go on unseen.
 */
function watchParent(onEnd: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onEnd();
  }, WATCH_MS).unref();
}
