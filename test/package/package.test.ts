/** The packed package in somebody's project: what it installs, its types, in Node, and bundled for a browser. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { BuildOptions, BuildResult } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pageFiles } from "../../src/demo/bundle.node.ts";
import { hasChromium, launchChromium, watchPage } from "../support/chromium.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const test = suite("package");
let folder = "";
let files: readonly string[] = [];

test.before(() => {
  folder = mkdtempSync(join(tmpdir(), "mcibi-package-"));
  const [packed] = JSON.parse(run(root, "npm", "pack", "--json", "--silent", "--pack-destination", folder)) as Packed[];
  files = packed.files.map(({ path }) => path);
  cpSync(fileURLToPath(new URL("./project", import.meta.url)), folder, { recursive: true });
  const types = `file:${join(root, "node_modules/@webgpu/types")}`; // so that no registry is asked
  const dependencies = { "mcibi-webgpu": `file:${packed.filename}`, "@webgpu/types": types };
  write("package.json", JSON.stringify({ type: "module", dependencies }));
  run(folder, "npm", "install", "--offline", "--no-audit", "--no-fund");
});

test.after(() => rmSync(folder, { recursive: true, force: true }));

test("the tarball has what is needed and nothing else, and no script that runs where it is installed", () => {
  const pretrained = ["README.md", "street.png", "tiny.safetensors"].map((name) => `dist/predict/pretrained/${name}`);
  const documents = ["package.json", "README.md", "CHANGELOG.md", "LICENSE", "datasets.md", ...pretrained];
  const isNeeded = (name: string): boolean => /^((dist|kernels)\/.*\.(js|css|html|d\.ts|wgsl|md)|src\/\w+\.md)$/.test(name);
  assert.equal(files.filter((name) => !documents.includes(name) && !isNeeded(name)), []);
  for (const name of ["LICENSE", "CHANGELOG.md", "kernels/matmul.wgsl", "dist/index.browser.js", ...pretrained]) {
    assert.ok(files.includes(name), `${name} is missing`);
  }
  const description = join(folder, "node_modules/mcibi-webgpu/package.json");
  const { scripts, private: isPrivate } = JSON.parse(readFileSync(description, "utf8"));
  const atInstallation = ["preinstall", "install", "postinstall", "prepare"];
  assert.equal(Object.keys(scripts).filter((name) => atInstallation.includes(name)), []);
  assert.is(isPrivate, undefined);
});

test("installing it brings types and nothing else", () => {
  const installed = readdirSync(join(folder, "node_modules")).filter((name) => !name.startsWith("."));
  assert.equal(installed, ["@webgpu", "mcibi-webgpu"]);
});

test("its types serve a project that resolves as Node does, and one that bundles", () => {
  link("@types/node");
  const bundled = { module: "esnext", moduleResolution: "bundler", allowImportingTsExtensions: true, noEmit: true };
  compile(["in_node.ts"], { module: "nodenext", types: ["node"], rewriteRelativeImportExtensions: true, outDir: "out" });
  compile(["in_browser.ts"], { ...bundled, types: [] });
  link("webgpu"); // the types do without it
});

test("in Node: a file on a bare device, kernels by name, a network trained from scratch", () => {
  checkResults(JSON.parse(run(folder, process.execPath, "out/in_node.js")));
});

test("its commands start", () => {
  const command = join(folder, "node_modules/.bin/mcibi-webgpu");
  const names = [...run(folder, command).matchAll(/^  (\w+) /gm)].map(([, name]) => name);
  assert.ok(names.includes("train") && names.includes("verify"));
  for (const name of names) assert.match(run(folder, command, name, "--help"), `Usage: npx mcibi-webgpu ${name} `);
});

test("its page is the one that the sources make", async () => {
  run(folder, join(folder, "node_modules/.bin/mcibi-webgpu"), "demo", "--out", "page");
  const page = await pageFiles();
  assert.equal(readdirSync(join(folder, "page")).sort(), [...page.keys()].sort());
  for (const [name, bytes] of page) assert.ok(readFileSync(join(folder, "page", name)).equals(bytes), name);
});

test("bundled for browsers it has nothing of Node, and of a single operation only what that needs", async () => {
  const all = (await bundle({ entryPoints: ["in_browser.ts"] })).metafile!;
  assert.equal(Object.values(all.outputs).flatMap(({ imports }) => imports), []);
  assert.equal(Object.keys(all.inputs).filter((name) => /\.node\.|\/(cli|data|train)\//.test(name)), []);
  const contents = 'import { relu } from "mcibi-webgpu"; console.log(relu);';
  const one = (await bundle({ stdin: { contents, resolveDir: folder } })).metafile!;
  const used = Object.values(one.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  assert.equal(used.filter((name) => /conv2d|models\//.test(name)), []);
  assert.ok(used.some((name) => name.endsWith("ops/activation.js")));
});

test("in Chromium: the same", async () => {
  if (!hasChromium("the package in a browser")) return;
  const { outputFiles } = await bundle({ entryPoints: ["in_browser.ts"] });
  const html = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="script.js"></script>';
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    const { problems } = watchPage(page);
    await page.route("http://localhost/", (route) => route.fulfill({ contentType: "text/html", body: html }));
    await page.route("http://localhost/script.js", (route) => {
      return route.fulfill({ contentType: "text/javascript", body: outputFiles![0].text });
    });
    await page.goto("http://localhost/");
    checkResults((await page.evaluate("globalThis.mcibi")) as Results);
    assert.equal(problems, []);
  } finally {
    await browser.close();
  }
});

/** What npm says of a tarball. */
interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function checkResults(results: Results): void {
  const { raw, typed, headline, trained } = results;
  assert.equal(raw.map((value) => Math.round(value * 1e6) / 1e6), [-0.2, 0, 2, -1, 3]);
  assert.equal(typed, { values: [0, 4, 2, 3, 0, 0], places: [1, 0] });
  assert.match(headline, /^\/\/ activation: /);
  assert.ok(trained.losses[0] > 0.3 && trained.losses.at(-1)! < 0.1, `losses ${trained.losses}`);
  assert.ok(trained.accuracy > 0.97, `accuracy ${trained.accuracy}`);
}

interface Results {
  readonly raw: readonly number[];
  readonly typed: { readonly values: readonly number[]; readonly places: readonly number[] };
  readonly headline: string;
  readonly trained: { readonly losses: readonly number[]; readonly accuracy: number };
}

function bundle(options: BuildOptions): Promise<BuildResult> {
  return build({
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    loader: { ".wgsl": "text" },
    absWorkingDir: folder,
    logLevel: "silent",
    ...options,
  });
}

function compile(files: readonly string[], options: Readonly<Record<string, unknown>>): void {
  const compilerOptions = { target: "es2022", strict: true, ...options };
  write("tsconfig.json", JSON.stringify({ compilerOptions, files }));
  run(folder, process.execPath, join(root, "node_modules/typescript/bin/tsc"));
}

/** A package that the project installed besides: that of this checkout. */
function link(name: string): void {
  const target = join(folder, "node_modules", name);
  mkdirSync(join(target, ".."), { recursive: true });
  symlinkSync(join(root, "node_modules", name), target);
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

/** What a command prints. */
function run(cwd: string, command: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${error?.message ?? `${stdout}${stderr}`}`);
  return stdout;
}

test.run();
