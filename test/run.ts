/** `npm test`: every test/**\/*.test.ts in one process and, at the end, one line `N passed, M failed, K skipped`. */
import { parse } from "uvu/parse";
import { run } from "uvu/run";
import { closeSharedDevice, sharedDevice } from "./support/gpu.ts";

const pattern = process.argv[2] ? new RegExp(process.argv[2]) : /\.test\.ts$/;
const { suites } = await parse(new URL(".", import.meta.url).pathname, pattern);
const found = suites.filter((suite) => suite.name.endsWith(".test.ts"));

// uvu only prints its totals: they are read off its output.
const counts = { Total: 0, Passed: 0, Skipped: 0 };
const write = process.stdout.write.bind(process.stdout);
process.stdout.write = ((chunk: string | Uint8Array, ...rest: never[]) => {
  for (const [, name, count] of String(chunk).matchAll(/(Total|Passed|Skipped): +(\d+)/g)) {
    counts[name as keyof typeof counts] = Number(count);
  }
  return write(chunk, ...rest);
}) as typeof process.stdout.write;

if (found.length === 0) {
  console.error(`no test file matches ${pattern}`);
  process.exitCode = 1;
} else {
  await sharedDevice(); // first, because setting a machine up may run this command anew
  await run(found, { bail: false });
  await closeSharedDevice();
  const failed = counts.Total - counts.Passed;
  console.log(`\n${counts.Passed} passed, ${failed} failed, ${counts.Skipped} skipped`);
  if (failed > 0 || counts.Total === 0) process.exitCode = 1;
}
