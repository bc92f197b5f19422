import type { Config } from "../config/config.ts";
import type { Batch } from "../data/loader.ts";
import { expose } from "./rpc.ts";
import { SceneBatches, streetScene } from "./scenes.ts";

let batches: SceneBatches | null = null;

const scenes = {
  scene: streetScene,
  /** Says what the batches to come are for. */
  prepare(config: Config): void {
    batches = new SceneBatches(config);
  },
  batch(epoch: number, step: number): Batch {
    return batches!.batch(epoch, step);
  },
};
export type Scenes = typeof scenes;

expose(scenes);
