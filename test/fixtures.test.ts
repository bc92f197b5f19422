/** The fixtures that a script of ours computed are what it computes, where there is the PyTorch to ask. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";

const FOLDER = new URL("fixtures/backbones/", import.meta.url).pathname;

const python = (...args: string[]) => spawnSync("python3", args, { encoding: "utf8" });

test("backbones/generate.py writes the stored bytes", () => {
  const { stdout } = python("-c", "import torch; print(torch.__version__)");
  if (!stdout?.startsWith("1.13.")) return console.log("skipped: fixtures anew (python3 has no torch 1.13)");
  const target = mkdtempSync(join(tmpdir(), "fixtures-"));
  try {
    const { status, stderr } = python(join(FOLDER, "generate.py"), target);
    assert.is(status, 0, stderr);
    const files = readdirSync(FOLDER).filter((name) => name.endsWith(".safetensors"));
    assert.equal(readdirSync(target).sort(), files.sort());
    for (const name of files) {
      assert.ok(readFileSync(join(target, name)).equals(readFileSync(join(FOLDER, name))), `${name} differs`);
    }
  } finally {
    rmSync(target, { recursive: true });
  }
});

test.run();
