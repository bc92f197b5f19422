/** `npm run verify`: this library's results against those of PyTorch and of the official code. */
import { UserError } from "../errors.ts";
import { openDeviceOrSetUp } from "../device/setup.node.ts";
import { writeFileAtomic } from "../io/files.node.ts";
import { Gpu } from "../runtime/gpu.ts";
import { kernelsOnDisk } from "../runtime/source.node.ts";
import { readFixtures } from "../verify/files.node.ts";
import type { FixtureCase } from "../verify/fixture.ts";
import { countOutcomes, showFile, showTotals, toJson } from "../verify/report.ts";
import { verify } from "../verify/verify.ts";
import type { FileReport } from "../verify/verify.ts";
import { parseOptions, runMain } from "./main.ts";

const USAGE = `usage: npm run verify -- --fixtures DIR [--filter RE] [--json FILE]

Runs every fixture (*.safetensors) below DIR through the kernels, layers and networks of this library and
compares the results within the tolerances that the fixtures state.

  --fixtures DIR  folder with fixtures
  --filter RE     only cases for which this regular expression matches "FILE CASE OP",
                  such as "ops/conv2d case_3 conv2d"
  --json FILE     also writes every result there
  --help          prints this

Exit code: 0 when nothing failed, 1 when something did, 2 when the fixtures or options cannot be used.`;

const OPTIONS = {
  fixtures: { type: "string" },
  filter: { type: "string" },
  json: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

runMain(async () => {
  const options = parseOptions(OPTIONS, USAGE);
  if (options.help) {
    console.log(USAGE);
    return 0;
  }
  if (options.fixtures === undefined) throw new UserError(`--fixtures is missing\n\n${USAGE}`);
  const selects = parseFilter(options.filter);
  const files = await readFixtures(options.fixtures);
  if (!files.some(({ cases }) => cases.some(selects))) {
    throw new UserError(`--fixtures ${options.fixtures}: no case is selected; they match "FILE CASE OP"`);
  }
  const opened = await openDeviceOrSetUp();
  try {
    const gpu = new Gpu({ device: opened.device, kernels: kernelsOnDisk });
    const reports: FileReport[] = [];
    for await (const report of verify(files, { gpu, check: opened.check, selects })) {
      console.log(showFile(report));
      reports.push(report);
    }
    if (options.json !== undefined) await writeFileAtomic(options.json, toJson(opened.info, reports));
    const totals = countOutcomes(reports);
    console.log(`\n${showTotals(totals)}`);
    return totals.failed > 0 ? 1 : 0;
  } finally {
    opened.close();
  }
});

function parseFilter(source: string | undefined): (item: FixtureCase) => boolean {
  if (source === undefined) return () => true;
  let expression: RegExp;
  try {
    expression = new RegExp(source);
  } catch (cause) {
    throw new UserError(`--filter ${source}: ${(cause as Error).message}`);
  }
  return ({ file, id, op }) => expression.test(`${file.path} ${id} ${op}`);
}
