/** The README's code runs as it is printed. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

test("one kernel and the autograd, as the README shows them", () => {
  const [kernel, autograd] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]);
  const data = `
    const pixels = new Float32Array(64 * 64 * 3).fill(0.5);
    const numbers = Float32Array.from({ length: 9 * 3 * 19 }, (_, i) => Math.sin(i));
    const labels = new Int32Array(64 * 64).fill(3);`;
  const body = kernel.replace("close();", "") + data + autograd.replace(/^import[^\n]*\n/, "") + "\nclose();\n";
  const names = /import \{([^}]*)\}/.exec(autograd)![1].split(",").filter((name) => !kernel.includes(name.trim()));
  const file = new URL("./readme_example.ts", import.meta.url);
  writeFileSync(file, body.replace("import {", `import {${names},`).replace('"mcibi-webgpu"', '"../src/index.ts"'));
  try {
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--import", "tsx", file.pathname], { encoding: "utf8" });
    assert.is(status, 0, stderr);
    assert.match(stdout, /Float32Array\(3\) \[ 0, 0, 2 \]/);
    assert.match(stdout, /Float32Array\(513\)/);
  } finally {
    rmSync(file);
  }
});

test.run();
