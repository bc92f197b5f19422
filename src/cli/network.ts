/** The network of a checkpoint, for commands that use one. */
import { buildModel } from "../config/model.ts";
import { PRESET_NAMES, preset } from "../config/presets.ts";
import { setFieldFromOption } from "../config/set.ts";
import { validateConfig } from "../config/validate.ts";
import type { Config } from "../config/config.ts";
import { UserError } from "../errors.ts";
import type { Segmentor } from "../models/segmentor.ts";
import { RandomState } from "../nn/random_state.ts";
import type { Gpu } from "../runtime/gpu.ts";
import { isCheckpoint, loadWeights } from "../train/checkpoint.ts";
import type { Weights } from "../train/checkpoint.ts";

/** Fields of the configuration that change how a network is used, and not which network it is. */
export const ADJUSTABLE = ["eval.", "data.size", "data.keepRatio", "data.workers"] as const;

/**
 * The checkpoint's own configuration with some fields changed; for weights from elsewhere a preset with any.
 *
 * @throws UserError where a preset is missing or one too many, for fields that cannot be changed or make no sense
 */
export function configOf(checkpoint: Weights, name: string | undefined, fields: readonly string[]): Config {
  const { path } = checkpoint;
  const isOwn = isCheckpoint(checkpoint);
  if (isOwn && name !== undefined) {
    throw new UserError(`--preset ${name}: checkpoint ${path} has a configuration of its own`);
  }
  if (!isOwn && name === undefined) {
    const choices = PRESET_NAMES.join(", ");
    throw new UserError(`checkpoint ${path} does not say which network it is of: give --preset, one of ${choices}`);
  }
  const config = isOwn ? structuredClone(checkpoint.config) : preset(name);
  for (const field of fields) {
    if (isOwn && !ADJUSTABLE.some((prefix) => field.startsWith(prefix))) {
      throw new UserError(`--set ${field}: evaluation can change ${ADJUSTABLE.join(", ")} only`);
    }
    setFieldFromOption(config, field);
  }
  validateConfig(config);
  return config;
}

interface ModelOptions {
  readonly config: Config;
  readonly checkpoint: Weights;
  readonly numClasses: number;
  readonly verbose: boolean;
}

/** The network with the checkpoint's weights, in eval mode. */
export function loadModel(gpu: Gpu, { config, checkpoint, numClasses, verbose }: ModelOptions): Segmentor {
  const { seed } = config.train;
  const model = buildModel(config, numClasses, new RandomState(seed)).initialize(gpu, seed);
  loadWeights(model, checkpoint, verbose ? { mostListed: Infinity } : {});
  return model.eval();
}
