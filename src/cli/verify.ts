/** `npm run verify`: this library's results against those of PyTorch and of the official code. */
import { UserError } from "../errors.ts";
import { requireWritable, writeFileAtomic } from "../io/files.node.ts";
import { readFixtures } from "../verify/files.node.ts";
import type { FixtureCase } from "../verify/fixture.ts";
import { countOutcomes, showFile, showTotals, toJson } from "../verify/report.ts";
import { verify } from "../verify/verify.ts";
import type { FileReport } from "../verify/verify.ts";
import { openForCommand, parseVariants } from "./device.ts";
import { runMain } from "./main.ts";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "./options.ts";

const COMMAND = {
  call: "npm run verify --",
  summary:
    "Runs fixtures, results of PyTorch and of the official code, through the kernels, layers and networks here and\n" +
    "compares within the tolerances that each fixture states.",
  options: {
    fixtures: { value: "DIR", help: "Folder with fixture files (*.safetensors), at any depth." },
    filter: { value: "RE", help: 'Only cases where this regular expression matches "FILE CASE OP".' },
    json: { value: "FILE", help: "Also writes every result into this file." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    variant: { value: "OP=NAME", multiple: true, help: "Forces a kernel variant." },
    ...OUTPUT_OPTIONS,
  },
  notes: "Exit code 0: nothing failed; 1: something did; 2: an option or a file has to be put right.",
} as const;

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const { fixtures: folder, adapter } = options;
  if (folder === undefined) throw new UserError("--fixtures DIR is missing; see --help");
  await requireWritable(options.json, "file");
  const output = openOutput(options);
  const selects = parseFilter(options.filter);
  const variants = parseVariants(options.variant);
  const files = await readFixtures(folder);
  const total = files.filter(({ cases }) => cases.some(selects)).length;
  if (total === 0) {
    const wanted = options.filter === undefined ? "" : ` that matches --filter ${options.filter}`;
    throw new UserError(`none of the ${files.length} files below ${folder} has a case${wanted}`);
  }
  const { gpu, check, close, info } = await openForCommand({ adapter, profile: false, variants });
  try {
    const reports: FileReport[] = [];
    const show = output.task("verifying", "files");
    for await (const report of verify(files, { gpu, check, selects })) {
      const counts = countOutcomes([report]);
      if (counts.failed > 0) output.print(showFile(report), { file: report.file.path, ...counts });
      else output.log(showFile(report));
      reports.push(report);
      if (reports.length < total) show(reports.length, total);
    }
    if (options.json !== undefined) await writeFileAtomic(options.json, toJson(info, reports));
    const totals = countOutcomes(reports);
    output.print(`\n${showTotals(totals)}`, { ...totals });
    return totals.failed > 0 ? 1 : 0;
  } finally {
    close();
  }
}

/** @throws UserError for what is no regular expression */
function parseFilter(source: string | undefined): (item: FixtureCase) => boolean {
  if (source === undefined) return () => true;
  try {
    const expression = new RegExp(source);
    return ({ file, id, op }) => expression.test(`${file.path} ${id} ${op}`);
  } catch (cause) {
    throw new UserError(`--filter ${source}: ${(cause as Error).message}`);
  }
}

await runMain(main);
