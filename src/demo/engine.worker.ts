import { Engine } from "./engine.ts";
import type { EngineEvent } from "./engine.ts";
import { kernelsInside, openGpu } from "./open.ts";
import type { Scenes } from "./scenes.worker.ts";
import { connect, expose } from "./rpc.ts";

let engine: Engine | null = null;

/** The engine, once it has a device. */
const starter = {
  /** Opens the device. Returns the adapter in words. */
  async open(): Promise<string> {
    const { gpu, adapter, check } = await openGpu();
    const scenes = connect<Scenes>(new Worker(new URL("./scenes.js", import.meta.url), { type: "module" }));
    const batchesOf = async (config: Parameters<Scenes["prepare"]>[0]) => {
      await scenes.prepare(config);
      return scenes;
    };
    engine = new Engine({ gpu, kernels: kernelsInside, check, emit, batchesOf });
    return adapter;
  },
};
export type EngineWorker = typeof starter & Engine;

const emit = expose<EngineEvent>(
  new Proxy(starter, {
    get(_, method: string) {
      if (method in starter) return starter[method as "open"];
      const methods = engine as unknown as Record<string, (...args: never[]) => unknown>;
      return (...args: never[]) => methods[method](...args);
    },
  }),
);
