import { Worker } from "node:worker_threads";
import { UserError } from "../errors.ts";
import type { Job, JobResult } from "./jobs.ts";
import type { Reply } from "./worker.ts";

interface Waiting {
  readonly job: Job;
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
}

/** In the package there is JavaScript, which a thread can start from. */
const BOOT = import.meta.url.endsWith(".ts") ? "./worker_boot.mjs" : "./worker.js";

/**
 * Threads that do jobs in the order they were handed in, one at a time each. A thread keeps the process alive only
 * while it has a job.
 */
export class WorkerPool {
  readonly #workers: Worker[] = [];
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Waiting>();
  readonly #queue: Waiting[] = [];
  /** Why no further job can be done. */
  #ended?: Error;

  constructor(count: number) {
    if (!Number.isInteger(count) || count < 1) throw new UserError(`${count} loader threads; expected 1 or more`);
    for (let i = 0; i < count; i++) {
      const worker = new Worker(new URL(BOOT, import.meta.url), { execArgv: [] });
      worker.on("message", (reply: Reply) => this.#finish(worker, reply));
      worker.on("error", (cause) => this.#end(new Error(`a loader thread failed: ${cause.message}`, { cause })));
      worker.on("exit", (code) => this.#end(new Error(`a loader thread ended with code ${code}`)));
      worker.unref();
      this.#workers.push(worker);
      this.#idle.push(worker);
    }
  }

  /** Rejects with the job's own UserError, or an Error when the thread died or the pool is closed. */
  run<J extends Job>(job: J): Promise<JobResult<J>> {
    return new Promise<JobResult<J>>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#queue.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  /** Stops all threads; jobs that are not done yet are rejected. */
  async close(): Promise<void> {
    this.#end(new Error("the loader is closed"));
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.shift()!;
      const waiting = this.#queue.shift()!;
      this.#busy.set(worker, waiting);
      worker.ref();
      worker.postMessage(waiting.job);
    }
  }

  #finish(worker: Worker, reply: Reply): void {
    const waiting = this.#busy.get(worker);
    if (!waiting) return; // The pool was closed meanwhile.
    this.#busy.delete(worker);
    this.#idle.push(worker);
    worker.unref();
    if ("result" in reply) waiting.resolve(reply.result as never);
    else waiting.reject(toError(reply.error));
    this.#dispatch();
  }

  #end(reason: Error): void {
    if (this.#ended) return;
    this.#ended = reason;
    for (const { reject } of [...this.#busy.values(), ...this.#queue]) reject(reason);
    this.#busy.clear();
    this.#queue.length = 0;
  }
}

function toError({ message, stack, isUserError }: { message: string; stack?: string; isUserError: boolean }): Error {
  const error = isUserError ? new UserError(message) : new Error(message);
  error.stack = stack ?? error.stack;
  return error;
}
