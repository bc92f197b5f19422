/** Every file in kernels/: compiles as it stands, opens with its contract, and the manifest and README match it. */
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { kernelFiles, manifestText } from "../../src/runtime/manifest.node.ts";
import { kernelReadme } from "../../src/cli/kernel_readme.ts";
import { parseKernel } from "../../src/runtime/parse.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { sharedDevice } from "../support/gpu.ts";

const read = (name: string): string => readFileSync(new URL(`../../kernels/${name}`, import.meta.url), "utf8");

test("the manifest is what the WGSL files say", () => {
  assert.ok(read("manifest.ts") === manifestText(), "kernels/manifest.ts is out of date: run `npm run manifest`");
});

test("kernels/README.md is what the contracts in the WGSL files say", () => {
  const readme = read("README.md");
  for (const file of kernelFiles()) assert.ok(readme.includes(`\`${file}.wgsl\``), `no row for ${file}.wgsl`);
  assert.ok(readme === kernelReadme(), "kernels/README.md is out of date: run `npm run manifest`");
});

for (const file of kernelFiles()) {
  test(`${file}.wgsl compiles as it stands`, async () => {
    const { device, check } = await sharedDevice();
    const module = device.createShaderModule({ code: kernelsOnDisk(file) });
    const { messages } = await module.getCompilationInfo();
    assert.equal(messages.filter((m) => m.type === "error").map((m) => `${m.lineNum}: ${m.message}`), []);
    check();
  });

  test(`${file}.wgsl opens with its contract`, () => {
    const source = kernelsOnDisk(file);
    const header = source.slice(0, source.search(/^[^/\n]/m));
    assert.match(header, new RegExp(`^// ${file}\\b`), "the first line names the kernel");
    assert.match(header, /dispatch/, "the contract gives the dispatch");
    const { bindings, overrides, params } = parseKernel(source, file);
    const siblings = [...header.matchAll(/(\w+)\.wgsl/g)].map((match) => kernelsOnDisk(match[1]));
    const contract = [header, ...siblings].join("\n"); // what a variant shares with its base stands there
    for (const name of [...Object.keys(bindings), ...Object.keys(params)]) {
      if (name !== "params") assert.ok(new RegExp(`\\b${name}\\b`).test(contract), `the contract does not speak of ${name}`);
    }
    for (const [name, { optional }] of Object.entries(overrides)) {
      if (!optional) assert.ok(new RegExp(`\\b${name}\\b`).test(contract), `the contract does not speak of ${name}`);
    }
  });
}

test.run();
