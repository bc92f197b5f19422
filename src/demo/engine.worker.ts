import { Engine } from "./engine.ts";
import type { EngineEvent } from "./engine.ts";
import { kernelsInside, openGpu } from "./open.ts";
import type { OpenedGpu } from "./open.ts";
import type { Scenes } from "./scenes.worker.ts";
import { connect, expose } from "./rpc.ts";

/** From `open` on, which is the first call of the page; the others wait for it, and fail as it does. */
let engine: Promise<Engine>;

/** The engine, once it has a device. */
const starter = {
  /** Opens the device. Returns the adapter in words. */
  async open(): Promise<string> {
    const opening = openGpu();
    engine = opening.then(engineOn);
    await engine;
    return (await opening).adapter;
  },
};
export type EngineWorker = typeof starter & Engine;

function engineOn({ gpu, check }: OpenedGpu): Engine {
  const scenes = connect<Scenes>(new Worker(new URL("./scenes.js", import.meta.url), { type: "module" }));
  const batchesOf = async (config: Parameters<Scenes["prepare"]>[0]) => {
    await scenes.prepare(config);
    return scenes;
  };
  return new Engine({ gpu, kernels: kernelsInside, check, emit, batchesOf });
}

const emit = expose<EngineEvent>(
  new Proxy(starter, {
    get(_, method: string) {
      if (method in starter) return starter[method as "open"];
      return async (...args: never[]) => {
        const methods = (await engine) as unknown as Record<string, (...args: never[]) => unknown>;
        return methods[method](...args);
      };
    },
  }),
);
