/** The types that the generated manifest gives to kernel calls: a wrong name anywhere in a dispatch is a `tsc` error. */
import { manifest } from "../../kernels/manifest.ts";
import type { BindingInfo, OverrideInfo, Scalar, TuneInfo } from "./parse.ts";

/** A kernel: the name of a file where its entry point is `main`, else `file.entry`. */
export type KernelName = keyof typeof manifest;

/** A file in kernels/, without `.wgsl`. */
export type KernelFile = (typeof manifest)[KernelName]["file"];

type Entry<K extends KernelName> = (typeof manifest)[K];
type RequiredOverride<K extends KernelName> = {
  [N in keyof Entry<K>["overrides"]]: Entry<K>["overrides"][N] extends { optional: false } ? N : never;
}[keyof Entry<K>["overrides"]];

/** Names of the storage bindings of a kernel, as its WGSL spells them. */
export type BindingName<K extends KernelName> = Exclude<keyof Entry<K>["bindings"], "params">;

/** Values for the fields of `struct Params`. */
export type ParamValues<K extends KernelName> = { readonly [N in keyof Entry<K>["params"]]: number };

/** Values for the overrides; those with a default in the WGSL may be left out. */
export type ConstantValues<K extends KernelName> = { readonly [N in RequiredOverride<K>]: number | boolean } & {
  readonly [N in Exclude<keyof Entry<K>["overrides"], RequiredOverride<K>>]?: number | boolean;
};

/** One row of the manifest, without the literal types. */
export interface KernelEntry {
  readonly file: string;
  readonly entry: string;
  readonly sha256: string;
  readonly enables: readonly string[];
  readonly bindings: Readonly<Record<string, BindingInfo>>;
  readonly params: Readonly<Record<string, Scalar>>;
  readonly overrides: Readonly<Record<string, OverrideInfo>>;
  readonly workgroup: readonly string[];
  readonly tune: Readonly<Record<string, TuneInfo>>;
}

/** The row of a kernel. */
export function kernelEntry(name: KernelName): KernelEntry {
  return manifest[name];
}

/** The text of a kernel file, by its name without `.wgsl`: from the disk in Node, from a bundle in a browser. */
export type KernelSource = (file: string) => string;
