/** Runs in a browser: fixtures through the same runners as in Node. */
import { openGpu } from "../../src/demo/open.ts";
import { parseFixture } from "../../src/verify/fixture.ts";
import { countOutcomes, showFile } from "../../src/verify/report.ts";
import type { Totals } from "../../src/verify/report.ts";
import { verify } from "../../src/verify/verify.ts";
import type { FileReport } from "../../src/verify/verify.ts";

/** The files that the server has under these paths. */
export async function verifyFixtures(paths: readonly string[]): Promise<{ totals: Totals; lines: string[] }> {
  const opened = await openGpu();
  const files = await Promise.all(paths.map(async (path) => {
    const response = await fetch(`${path}.safetensors`);
    return parseFixture(new Uint8Array(await response.arrayBuffer()), path);
  }));
  const reports: FileReport[] = [];
  for await (const report of verify(files, opened)) reports.push(report);
  return { totals: countOutcomes(reports), lines: reports.map(showFile) };
}

Object.assign(globalThis, { verifyFixtures });
