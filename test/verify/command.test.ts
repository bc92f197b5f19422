/** The command as a process: what it prints, and its exit codes. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSafetensors, serializeSafetensors } from "../../src/io/safetensors.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const RELU = join(ROOT, "test/fixtures/opinfo/relu.safetensors");

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const command = [...process.execArgv, join(ROOT, "src/cli/verify.ts"), ...args];
    const child = execFile(process.execPath, command, { cwd: ROOT }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode!, stdout, stderr });
    });
  });
}

test("options and folders that cannot be used: one message, exit code 2", async () => {
  const refused: [args: string[], ...parts: string[]][] = [
    [[], "--fixtures"],
    [["--fixtures", "no/such/folder"], "no/such/folder", "no such folder"],
    [["--fixtures", "kernels"], "kernels", "no fixture"],
    [["--fixtures", "test/fixtures/optim", "--filter", "("], "--filter ("],
    [["--fixtures", "test/fixtures/optim", "--filter", "conv"], "--filter conv"],
    [["--fixtures", "test/fixtures", "--fast"], "--fast"],
  ];
  const ended = await Promise.all(refused.map(([args]) => run(...args)));
  for (const [i, { code, stdout, stderr }] of ended.entries()) {
    const [args, ...parts] = refused[i];
    assert.is(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.is(stdout, "");
    assert.not.match(stderr, /^\s+at /m);
    for (const part of parts) assert.ok(stderr.includes(part), `${part} is not in ${stderr}`);
  }
});

test("passing and failing fixtures: one line per file, the totals, JSON, exit codes 0 and 1", async () => {
  const folder = await mkdtemp(join(tmpdir(), "verify-"));
  try {
    await writeFile(join(folder, "good.safetensors"), readFileSync(RELU));
    const json = join(folder, "out/results.json");
    const good = await run("--fixtures", folder, "--json", json);
    assert.is(good.code, 0, good.stderr);
    assert.equal(good.stdout, "good: 1 passed, 0 failed, 0 skipped\n\n1 passed, 0 failed, 0 skipped\n");
    const { adapter, passed, files } = JSON.parse(readFileSync(json, "utf8"));
    assert.equal([typeof adapter.description, passed, files[0].path], ["string", 1, "good"]);

    const { metadata, tensors } = parseSafetensors(readFileSync(RELU));
    (tensors.get("case_1.output")!.data as Float32Array)[3] += 1;
    await writeFile(join(folder, "wrong.safetensors"), serializeSafetensors(tensors, metadata));
    const wrong = await run("--fixtures", folder, "--filter", "^wrong ");
    assert.is(wrong.code, 1, wrong.stderr);
    const lines = wrong.stdout.split("\n");
    assert.is(lines[0], "wrong: 0 passed, 1 failed, 0 skipped");
    assert.is(lines[1], "  FAILED case_1 (nn.functional.relu)");
    assert.match(lines[2], /^ {4}output: \[3\] is \S+, expected \S+ \(tolerance .*\); 1 of 5 are wrong, shape \[5\]$/);
    assert.equal(lines.slice(3), ["", "0 passed, 1 failed, 0 skipped", ""]);

    await writeFile(join(folder, "cut.safetensors"), readFileSync(RELU).subarray(0, 400));
    const unused = join(folder, "unused.json");
    const cut = await run("--fixtures", folder, "--json", unused);
    assert.equal([cut.code, cut.stdout, existsSync(unused)], [2, "", false]);
    assert.match(cut.stderr, "cut: truncated");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.run();
