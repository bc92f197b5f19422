/** Scripts for a Python that has PyTorch, as Debian's package python3-torch brings it. */
import { spawnSync } from "node:child_process";
import * as assert from "uvu/assert";

const PROBE = "import torch; print(torch.__version__)";
const found = ["python3", "/usr/bin/python3"].flatMap((path) => {
  const { status, stdout } = spawnSync(path, ["-c", PROBE], { encoding: "utf8" });
  return status === 0 ? [{ path, version: stdout.trim() }] : [];
});

/** PyTorch's version, such as 1.13.0a0; null where there is none. */
export const torchVersion: string | null = found[0]?.version ?? null;

/** What a script prints. It has to succeed. */
export function runPython(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(found[0].path, args, { encoding: "utf8" });
  assert.is(status, 0, stderr);
  return stdout;
}
