import { parentPort } from "node:worker_threads";
import { UserError } from "../errors.ts";
import { loadSharp } from "../io/image.node.ts";
import { type Job, runJob } from "./jobs.ts";

/** What a thread answers to a job. Errors lose their class on the way between threads, hence `isUserError`. */
export type Reply =
  | { readonly result: unknown }
  | { readonly error: { readonly message: string; readonly stack?: string; readonly isUserError: boolean } };

// The threads of the pool are the parallelism; images of an epoch do not come twice, so libvips need not keep any.
const configured = loadSharp().then((sharp) => {
  sharp.concurrency(1);
  sharp.cache(false);
});
configured.catch(() => {}); // the first job that needs sharp says so

parentPort!.on("message", async (job: Job) => {
  try {
    const result = await runJob(job);
    const moved = "images" in result ? [result.images.buffer, result.labels.buffer] : [result.image.buffer];
    parentPort!.postMessage({ result } satisfies Reply, moved as ArrayBuffer[]);
  } catch (error) {
    const { message, stack } = error as Error;
    parentPort!.postMessage({ error: { message, stack, isUserError: error instanceof UserError } } satisfies Reply);
  }
});
