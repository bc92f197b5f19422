/** Configurations that were written to a file and are read again, perhaps by a later version. */
import { isBackboneType, standardBackbone } from "../config/backbone.ts";
import type { Config } from "../config/config.ts";
import { preset } from "../config/presets.ts";
import { validateConfig } from "../config/validate.ts";
import { UserError } from "../errors.ts";

/**
 * Checks that a value read from `where` is a complete configuration.
 *
 * @throws UserError naming the file and the first field that is missing, of another type or out of range
 */
export function checkStoredConfig(stored: unknown, where: string): Config {
  const value = withLaterFields(stored);
  const found = fieldsOf(value);
  const examples = preset();
  const type = found.get("model.backbone.type");
  if (isBackboneType(type)) examples.model.backbone = standardBackbone(type);
  for (const [path, example] of fieldsOf(examples)) {
    const field = found.get(path);
    if (typeof field === typeof example && Array.isArray(field) === Array.isArray(example)) continue;
    throw new UserError(`${where}: the configuration's field ${path} is ${JSON.stringify(field) ?? "missing"}`);
  }
  try {
    validateConfig(value as Config);
  } catch (cause) {
    if (!(cause instanceof UserError)) throw cause;
    throw new UserError(`${where}: ${cause.message}`, { cause });
  }
  return value as Config;
}

/** What fields meant before they were there. */
const EARLIER = {
  model: {
    ...{ segmentor: "mcibi", keyQueryConvs: 2, contextAttention: true, fusion: "official" },
    backbone: { type: "resnet" },
  },
  memory: { skipZeroFeatures: false, init: "first-batch-mean", officialAliasing: false },
  losses: {
    ...{ classWeights: [], normByClassWeights: true, labelSmoothing: 0, lowest: 0 },
    ohem: { minKept: 0, threshold: 0.7 },
    memory: { beforeUpdate: false },
  },
  optim: { type: "sgd", betas: [0.9, 0.999], eps: 1e-8, minLr: 0, backbone: { lr: 1, weightDecay: 1 } },
  data: { keepRatio: true, rotate: { probability: 0, degrees: 30 } },
  train: { accumulate: 1, recompute: false },
} as const;

/** The configuration of an earlier version with the fields that it did not know. */
function withLaterFields(stored: unknown, earlier: object = EARLIER): unknown {
  if (typeof stored !== "object" || stored === null) return stored;
  const config = stored as Record<string, unknown>;
  const added = Object.entries(earlier).map(([name, value]: [string, unknown]) => {
    const isGroup = typeof value === "object" && value !== null && !Array.isArray(value) && name in config;
    return [name, isGroup ? withLaterFields(config[name], value) : (config[name] ?? value)];
  });
  return { ...config, ...Object.fromEntries(added) };
}

const MOST_LISTED = 5;

/**
 * Fields in which two configurations differ, as text, apart from where the data lies.
 *
 * @param names what to call the two
 */
export function configDifferences(a: Config, b: Config, names: readonly [string, string]): string[] {
  const others = fieldsOf(b);
  const differences = [...fieldsOf(a)].flatMap(([path, value]) => {
    const other = others.get(path);
    if (path === "data.root" || JSON.stringify(value) === JSON.stringify(other)) return [];
    return [`${path} is ${JSON.stringify(value)} in ${names[0]}, ${JSON.stringify(other)} in ${names[1]}`];
  });
  return differences.slice(0, MOST_LISTED);
}

/** Leaves by path. */
function fieldsOf(value: unknown, prefix = ""): Map<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return new Map([[prefix, value]]);
  const path = (name: string): string => (prefix === "" ? name : `${prefix}.${name}`);
  const inner = Object.entries(value).map(([name, field]) => fieldsOf(field, path(name)));
  return new Map(inner.flatMap((fields) => [...fields]));
}
