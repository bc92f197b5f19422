/** `npm run bench`: how fast the kernels are on this machine, after making sure that they are right. */
import { openForCommand } from "../src/cli/device.ts";
import { runMain } from "../src/cli/main.ts";
import { requireWritable, writeFileAtomic } from "../src/io/files.node.ts";
import type { ProgressLine } from "../src/train/progress.ts";
import { compare, describeComparison, keyOf, refuseOtherAdapter } from "./against.ts";
import type { Comparison } from "./against.ts";
import { mergeTimings } from "./clock.ts";
import { readOptions } from "./options.ts";
import type { BenchOptions } from "./options.ts";
import { toRow } from "./report.ts";
import { adapterOf, readResults, resultsPath, toJson } from "./results.ts";
import type { Results } from "./results.ts";
import { rooflineSvg } from "./roofline.ts";
import { Session } from "./session.ts";
import { tune } from "./tune.ts";

/** Rows that seem slower than before are measured so often again: most were disturbed. */
const SECOND_LOOKS = 3;

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) return 0;
  const { workloads, json, roofline, against, output } = options;
  const before = against === undefined ? null : await readResults(against);
  const opened = await openForCommand({ ...options, profile: false });
  try {
    const adapter = adapterOf(opened.info);
    const jsonPath = json && (await resultsPath(json, adapter));
    await requireWritable(jsonPath, "file");
    await requireWritable(roofline, "file");
    if (before) refuseOtherAdapter(against!, before.adapter, adapter);
    output.print(opened.adapter, { adapter });
    if (options.tune !== undefined) return (await tune(opened, workloads, options.tune, output)) ? 0 : 1;
    const session = new Session(opened, options);
    const peak = await session.peak();
    const rows = await session.kernels(workloads, peak);
    const steps = await session.steps(options.steps);
    const scaling = await session.scaling(options.scaling);
    const loader = await session.loader(options.loader, steps);
    const first: Results = { adapter, peak, rows, steps, scaling, loader };
    const results = before ? await lookAgain(session, options, before, first) : first;
    if (jsonPath !== undefined) await write(jsonPath, toJson(results), output);
    if (roofline !== undefined) await write(roofline, rooflineSvg(results), output);
    const comparison = before && compare(before, results);
    if (comparison) output.print(`\n${describeComparison(against!, comparison)}`, { comparison });
    return isGood(options, results, comparison) ? 0 : 1;
  } finally {
    opened.close();
  }
}

async function write(path: string, text: string, output: ProgressLine): Promise<void> {
  await writeFileAtomic(path, text);
  output.print(`\nwritten: ${path}`, { written: path });
}

/** The results with further samples of kernels that seem slower than before. */
async function lookAgain(
  session: Session,
  { workloads, output }: BenchOptions,
  before: Results,
  first: Results,
): Promise<Results> {
  let results = first;
  for (let look = 0; look < SECOND_LOOKS; look++) {
    const slower = new Set(compare(before, results).regressions.map(({ key }) => key));
    const rows = [...results.rows];
    const show = output.task(`measuring again what seems slower, ${look + 1} of ${SECOND_LOOKS}`, "rows");
    for (const [i, row] of rows.entries()) {
      show(i, rows.length);
      if (!slower.has(keyOf(row))) continue;
      const workload = workloads.find((candidate) => keyOf({ ...candidate, op: candidate.op.name }) === keyOf(row))!;
      rows[i] = toRow(workload, row.variant, mergeTimings(row, await session.time(workload)), results.peak);
    }
    results = { ...results, rows };
  }
  return results;
}

function isGood({ workloads }: BenchOptions, { rows, steps }: Results, comparison: Comparison | null): boolean {
  const isRight = rows.length === workloads.length && steps.every(({ latePipelines }) => latePipelines === 0);
  return isRight && !comparison?.regressions.length;
}

await runMain(main);
