import { readdir, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { UserError } from "../errors.ts";
import { readFileBytes } from "../io/files.node.ts";
import { parseFixture } from "./fixture.ts";
import type { FixtureFile } from "./fixture.ts";

const EXTENSION = ".safetensors";

/**
 * Every fixture file below a folder, in alphabetical order.
 *
 * @throws UserError where there is no such folder, where it holds no fixtures, or naming the file that is broken
 */
export async function readFixtures(folder: string): Promise<FixtureFile[]> {
  const info = await stat(folder).catch(() => null);
  if (!info?.isDirectory()) {
    throw new UserError(`--fixtures ${folder}: ${info ? "this is not a folder" : "there is no such folder"}`);
  }
  const entries = await readdir(folder, { recursive: true });
  const names = entries.filter((name) => name.endsWith(EXTENSION)).sort();
  if (names.length === 0) throw new UserError(`--fixtures ${folder}: no fixture found, no *${EXTENSION} below it`);
  return Promise.all(names.map(async (name) => {
    const path = name.split(sep).join("/").slice(0, -EXTENSION.length);
    return parseFixture(await readFileBytes(join(folder, name), "fixture"), path);
  }));
}
