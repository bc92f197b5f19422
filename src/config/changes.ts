import { isBackboneType } from "./backbone.ts";
import type { BackboneConfig, Config } from "./config.ts";

/** Some fields of a group. Backbones, whose types have fields of their own, are given as a whole. */
export type Changes<T = Config> = { readonly [K in keyof T]?: T[K] extends OpenGroup<T[K]> ? Changes<T[K]> : T[K] };

type OpenGroup<T> = T extends readonly unknown[] | BackboneConfig ? never : object;

/** A copy of a configuration with fields replaced, the later changes over the earlier ones. */
export function changed(config: Config, ...changes: readonly Changes[]): Config {
  return changes.reduce<Config>((value, change) => replaced(value, change) as Config, structuredClone(config));
}

type Group = Readonly<Record<string, unknown>>;

function replaced(old: object, change: object): object {
  const fields = Object.entries(change).map(([name, value]) => {
    const former = (old as Group)[name];
    return [name, isOpenGroup(value) && isOpenGroup(former) ? replaced(former, value) : structuredClone(value)];
  });
  return { ...old, ...Object.fromEntries(fields) };
}

const isOpenGroup = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isBackboneType((value as Group).type);
