/**
 * `npm run build`, which `npm pack` runs first: JavaScript and types of what the package consists of, in dist/, and
 * those of the manifest, beside the kernels. The layout below dist/ is that of src/.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pageFiles } from "../demo/bundle.node.ts";
import { kernelFiles } from "../runtime/manifest.node.ts";
import { kernelsOnDisk } from "../runtime/source.node.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const dist = join(root, "dist");
const emitted = join(dist, "emitted");

rmSync(dist, { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const project = join(root, "src/tsconfig.build.json");
const { status } = spawnSync(process.execPath, [tsc, "-p", project, "--outDir", emitted], { stdio: "inherit" });
if (status !== 0) process.exit(1);

moveAll(join(emitted, "src"), dist);
moveAll(join(emitted, "kernels"), join(root, "kernels"));
rmSync(emitted, { recursive: true });

// The compiler rewrites what JavaScript imports, but not what declarations do.
const declarations = (readdirSync(dist, { recursive: true }) as string[]).filter((name) => name.endsWith(".d.ts"));
for (const name of declarations) edit(name, /(?<=(?:from |import\()"\.[^"]*)\.ts(?=")/g, ".js");

cpSync(join(root, "src/predict/pretrained"), join(dist, "predict/pretrained"), { recursive: true });
for (const name of ["train/page/style.css", "train/page/client.js"]) cpSync(join(root, "src", name), join(dist, name));

// JSON modules are experimental in Node 20, and would say so at every start.
const tuned = readFileSync(join(root, "src/ops/tuned.json"), "utf8").trim();
rmSync(join(dist, "ops/tuned.json"));
edit("ops/tuned.js", 'import checkedIn from "./tuned.json" with { type: "json" };', `const checkedIn = ${tuned};`);

const texts = Object.fromEntries(kernelFiles().map((file) => [file, kernelsOnDisk(file)]));
write("runtime/source.bundled.js", [
  `const texts = ${JSON.stringify(texts, null, 1)};`,
  "export function kernelsBundled(file) {",
  "  if (!Object.hasOwn(texts, file)) throw new Error(`there is no kernels/${file}.wgsl`);",
  "  return texts[file];",
  "}",
]);
write("index.kernels.bundled.js", [
  'export { manifest } from "../kernels/manifest.js";',
  'export { kernelsBundled as kernelSource } from "./runtime/source.bundled.js";',
]);

// Those who install the package have nothing to bundle with. See demo/files.node.ts for the network.
mkdirSync(join(dist, "demo/packed"));
for (const [name, bytes] of await pageFiles()) {
  if (!name.endsWith(".safetensors")) writeFileSync(join(dist, "demo/packed", name), bytes);
}

function moveAll(from: string, to: string): void {
  for (const name of readdirSync(from)) renameSync(join(from, name), join(to, name));
}

function write(name: string, lines: readonly string[]): void {
  writeFileSync(join(dist, name), `${lines.join("\n")}\n`);
}

/** @throws Error where there is nothing to edit, but for declarations that import nothing */
function edit(name: string, from: string | RegExp, to: string): void {
  const path = join(dist, name);
  const before = readFileSync(path, "utf8");
  const after = before.replaceAll(from, to);
  if (typeof from === "string" && after === before) throw new Error(`${name}: expected ${from}`);
  writeFileSync(path, after);
}
