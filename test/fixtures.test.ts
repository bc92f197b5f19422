/** The fixtures that a script of ours computed are what it computes, where there is the PyTorch to ask. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseSafetensors } from "../src/io/safetensors.ts";
import type { StoredTensor } from "../src/io/safetensors.ts";
import { assertClose } from "./support/compare.ts";
import { runPython, torchVersion } from "./support/python.ts";

const FIXTURES = new URL("fixtures/", import.meta.url).pathname;

const numbers = (data: StoredTensor["data"]): number[] => Array.from(data as ArrayLike<number>, Number);

for (const family of ["backbones", "hosts"]) {
  test(`${family}/generate.py computes the stored numbers`, () => {
    if (!torchVersion?.startsWith("1.13.")) return console.log("skipped: fixtures anew (no python3 has torch 1.13)");
    const folder = join(FIXTURES, family);
    const target = mkdtempSync(join(tmpdir(), "fixtures-"));
    try {
      runPython(join(folder, "generate.py"), target);
      const files = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
      assert.equal(readdirSync(target).sort(), files.sort());
      for (const name of files) {
        const read = (from: string) => parseSafetensors(readFileSync(join(from, name)), name);
        const [fresh, stored] = [read(target), read(folder)];
        assert.equal([...fresh.tensors.keys()], [...stored.tensors.keys()]);
        for (const [tensor, { shape, data }] of stored.tensors) {
          const found = fresh.tensors.get(tensor)!;
          assert.equal(found.shape, shape);
          assertClose(`${name} ${tensor}`, numbers(found.data), numbers(data), shape, { rtol: 1e-6, atol: 1e-9 });
        }
      }
    } finally {
      rmSync(target, { recursive: true });
    }
  });
}

test.run();
