/** Calling an object that lives in a worker. Every call is a promise; errors keep their names and messages. */

/** T as it looks from outside the worker. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<Awaited<R>> : never;
};

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly unknown[];
}

type Reply =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly name: string; readonly message: string } };

interface Notice<E> {
  readonly event: E;
}

/** In the worker: answers calls with the methods of `target`. Returns the way to send events, which nobody answers. */
export function expose<E>(target: object): (event: E) => void {
  const methods = target as Record<string, (...args: unknown[]) => unknown>;
  const post = (message: Reply | Notice<E>): void => postMessage(message);
  addEventListener("message", async ({ data }: MessageEvent<Call>) => {
    const { id, method, args } = data;
    try {
      post({ id, result: await methods[method](...args) });
    } catch (cause) {
      const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
      post({ id, error: { name, message } });
    }
  });
  return (event) => post({ event });
}

/** Outside: the object in the worker. A worker that fails to start rejects every call. */
export function connect<T, E = never>(worker: Worker, onEvent: (event: E) => void = () => {}): Remote<T> {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let failure: Error | null = null;
  let calls = 0;
  worker.addEventListener("message", ({ data }: MessageEvent<Reply | Notice<E>>) => {
    if ("event" in data) return onEvent(data.event);
    const call = waiting.get(data.id)!;
    waiting.delete(data.id);
    if ("error" in data) call.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
    else call.resolve(data.result);
  });
  worker.addEventListener("error", ({ message }) => {
    failure = new Error(`a worker of this page failed: ${message}`);
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  });
  return new Proxy({} as Remote<T>, {
    // `await` asks everything whether it is a promise.
    get: (_, method: string) => method !== "then" && ((...args: unknown[]) => {
      if (failure) return Promise.reject(failure);
      const call = withResolvers();
      waiting.set(++calls, call);
      worker.postMessage({ id: calls, method, args } satisfies Call);
      return call.promise;
    }),
  });
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: Error): void;
}

function withResolvers(): PromiseWithResolvers<unknown> {
  let resolve!: (value: unknown) => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<unknown>((good, bad) => ([resolve, reject] = [good, bad]));
  return { promise, resolve, reject };
}
