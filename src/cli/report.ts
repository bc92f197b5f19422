/** `npm run report`: a run's page anew, or several runs beside each other. Needs no device. */
import { dirname, join, resolve } from "node:path";
import { UserError } from "../errors.ts";
import { Report, writeComparison } from "../train/page/write.ts";
import { runMain } from "./main.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "./options.ts";

const COMPARISON = "comparison.html";

const COMMAND = {
  call: "npm run report --",
  operands: "RUN [RUN2 ...]",
  summary: "Writes a page about a run from what its folder holds, or one that compares several runs.",
  options: {
    out: { value: "FILE", help: `Default: the run's report.html; of several runs, ${COMPARISON} beside the first.` },
    ...OUTPUT_OPTIONS,
  },
  notes:
    "RUN is the folder of a run, such as runs/streets-tiny-20260101-120000, finished or not. The page is one file\n" +
    "that needs no network; training writes it by itself, and renews it as it goes on.",
} as const;

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(COMMAND, args);
  if (!options) return;
  const output = openOutput(options);
  const { operands: runs } = options;
  if (runs.length === 0) throw new UserError("the folder of a run is missing; see --help");
  const report = new Report(runs[0]);
  const comparison = join(dirname(resolve(runs[0])), COMPARISON);
  const out = options.out ?? (runs.length === 1 ? report.path : comparison);
  if (runs.length === 1) await report.write(null, out);
  else await writeComparison(runs, out);
  output.print(out, { out, runs });
}

await runMain(main);
