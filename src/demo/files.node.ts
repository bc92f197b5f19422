/** The page's files: bundled from the sources or, in the package, as `npm run build` has bundled them. */
import { readFile, readdir } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Files } from "./bundle.node.ts";

const PACKED = new URL("./packed/", import.meta.url);
/** In the package it is there once, for `predict` as well. */
const NETWORK = new URL("../predict/pretrained/tiny.safetensors", import.meta.url);

/** By name. */
export async function demoFiles(): Promise<Files> {
  if (import.meta.url.endsWith(".ts")) return (await import("./bundle.node.ts")).pageFiles();
  const names = await readdir(fileURLToPath(PACKED));
  const paths = [...names.map((name) => new URL(name, PACKED)), NETWORK];
  return new Map(await Promise.all(paths.map(async (path) => [basename(path.pathname), await readFile(path)] as const)));
}
