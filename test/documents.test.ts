/** What is written about the library: table from PyTorch, guide, method, and the docstrings of what is exported. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { preset } from "../src/config/presets.ts";
import * as everything from "../src/index.ts";
import * as nn from "../src/index.nn.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** What the table calls by another name than its class. */
const OWNERS: Readonly<Record<string, object>> = {
  Tensor: everything.Tensor,
  x: everything.Tensor.prototype,
  gpu: everything.Gpu.prototype,
  module: everything.Module.prototype,
  this: everything.Module.prototype,
  model: everything.Module.prototype,
  optimizer: everything.Sgd.prototype,
};

test("the table from PyTorch has everything that nn exports, and only what is there", () => {
  const rows = [...read("src/PYTORCH.md").matchAll(/^\| (?!PyTorch|---)(.*?) \| (.*?) \| (.*?) ?\|$/gm)];
  assert.ok(rows.length > 60);
  const codeIn = (text: string): string[] => [...text.matchAll(/`(.+?)`/g)].map((match) => match[1]);
  const names = rows.flatMap(([, , here]) => codeIn(here)).flatMap((code) => {
    return [...code.matchAll(/(?:(\w+)\.)?(\w+)(?=\(|$)/g)].map(([text, owner, name]) => ({ text, owner, name }));
  });
  const unknown = names.filter(({ owner, name }) => !(name in (owner === undefined ? everything : OWNERS[owner])));
  assert.equal(unknown.map(({ text }) => text), []);
  const found = new Set(rows.flatMap(([, , here, note]) => codeIn(here + note)).flatMap((code) => code.match(/\w+/g)));
  assert.equal(Object.keys(nn).filter((name) => !found.has(name)), [], "add rows to src/PYTORCH.md");
});

test("the guide to an operation of one's own does what it says", () => {
  const copy = mkdtempSync(join(tmpdir(), "mcibi-guide-"));
  try {
    for (const path of ["package.json", "src", "kernels", "bench", "test/ops", "test/support", "test/run.ts"]) {
      cpSync(join(root, path), join(copy, path), { recursive: true });
    }
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const blocks = [...read("src/GUIDE.md").matchAll(/^```(\w+)(?: (\S+))?\n([^]*?)^```$/gm)];
    const files = blocks.filter(([, , path]) => path !== undefined);
    assert.equal(files.map(([, , path]) => path), ["kernels/silu.wgsl", "src/ops/silu.ts", "example.ts"]);
    for (const [, , path, text] of files) writeFileSync(join(copy, path), text);
    // The compiler need not look at the rest once more.
    const { compilerOptions } = JSON.parse(read("tsconfig.json"));
    const project = { compilerOptions, files: ["src/ops/silu.ts", "example.ts"] };
    writeFileSync(join(copy, "tsconfig.json"), JSON.stringify(project));
    const script = blocks.filter(([, language]) => language === "sh").map(([, , , text]) => text).join("\n");
    const { status, stdout, stderr } = spawnSync("bash", ["-euc", script], { cwd: copy, encoding: "utf8" });
    assert.is(status, 0, stdout + stderr);
    assert.match(stdout, /\n4 passed, 0 failed, 0 skipped\n/);
    const printed = /# prints (.*)$/m.exec(script)![1];
    assert.ok(stdout.endsWith(`\n${printed}\n`), stdout);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

test("what comments say of the method stands there, and the options that it names exist", () => {
  const method = read("src/METHOD.md");
  const sections = new Set([...method.matchAll(/^##+ (\d[.\d]*\d|\d)/gm)].map((match) => match[1]));
  assert.ok(sections.size > 20);
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  const references = files.filter((path) => path.endsWith(".ts")).flatMap((path) => {
    const text = read(join("src", path)).replace(/\n\s*(\*|\/\/) /g, " ");
    return [...text.matchAll(/METHOD\.md ((?:\d[.\d]*(?:, | and | to )?)+)/g)].flatMap(([, list]) => {
      return list.match(/\d(\.\d)?/g)!.map((number) => ({ path, number }));
    });
  });
  assert.ok(references.length > 20);
  assert.equal(references.filter(({ number }) => !sections.has(number)), []);

  const named = method.matchAll(/`((?:model|memory|losses|train|eval)\.[\w.]+)(?:=\w+)?`/g);
  const options = [...named].map(([, path]) => path);
  assert.ok(options.length > 10);
  const config = preset();
  const has = (path: string): boolean => {
    let at: unknown = config;
    for (const key of path.split(".")) at = (at as Record<string, unknown> | undefined)?.[key];
    return at !== undefined;
  };
  assert.equal(options.filter((path) => !has(path)), []);
});

test("everything exported has a docstring, and so have the methods of what is exported", () => {
  const entries = ["runtime.node", "nn", "models", "kernels"].map((name) => join(root, `src/index.${name}.ts`));
  const { compilerOptions } = JSON.parse(read("tsconfig.json"));
  const program = ts.createProgram(entries, ts.convertCompilerOptionsFromJson(compilerOptions, root).options);
  const checker = program.getTypeChecker();
  const hasText = (symbol: ts.Symbol): boolean => symbol.getDocumentationComment(checker).length > 0;
  const hasTags = (symbol: ts.Symbol): boolean => symbol.getJsDocTags(checker).length > 0;
  const undocumented = new Set<string>();
  let count = 0;
  for (const entry of entries) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!)!;
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      count++;
      if (!hasText(symbol)) undocumented.add(symbol.name);
      for (const declaration of symbol.declarations!.filter(ts.isClassDeclaration)) {
        for (const member of declaration.members.filter((m) => ts.isMethodDeclaration(m) || ts.isGetAccessor(m))) {
          const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Override;
          if (ts.isPrivateIdentifier(member.name) || ts.getCombinedModifierFlags(member) & hidden) continue;
          const own = checker.getSymbolAtLocation(member.name)!;
          if (!hasText(own) && !hasTags(own)) undocumented.add(`${symbol.name}.${own.name}`);
        }
      }
    }
  }
  assert.ok(count > 150);
  assert.equal([...undocumented], []);
});

test.run();
