/** The import direction of the source tree, and which files may touch Node. */
import { readFileSync, readdirSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = new URL("../src/", import.meta.url);

/** Each layer may import itself and what stands to its left. */
const CHAIN = ["device", "runtime", "tensor", "ops", "nn", "models", "train", "cli"];

/** What a folder beside the chain may import; types of a tensor are allowed to `data` and `io`. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  autograd: [],
  optim: ["ops", "tensor", "runtime", "autograd"],
  config: ["nn", "models", "optim", "ops", "tensor", "runtime"],
  io: [],
  analysis: ["io"],
  data: ["io"],
  demo: ["device", "config", "data", "io", "autograd", "runtime", "tensor", "ops", "nn", "models", "train"],
  export: ["config", "data", "io", "autograd", "runtime", "tensor", "ops", "nn", "models", "train"],
  predict: ["config", "data", "io", "runtime", "tensor", "ops", "models", "train"],
  verify: ["config", "data", "io", "optim", "autograd", "device", "runtime", "tensor", "ops", "nn", "models", "train"],
};

/** Folders that layers of the chain may import besides their left. */
const ALSO: Readonly<Record<string, readonly string[]>> = {
  tensor: ["autograd"],
  ops: ["autograd"],
  nn: ["autograd"],
  models: ["autograd"],
  train: ["autograd", "optim", "config", "data", "io", "analysis"],
  cli: ["autograd", "optim", "config", "data", "io", "analysis", "export", "predict", "verify", "demo"],
};

const NODE_FOLDERS = ["data", "io", "train", "cli", "predict", "verify"];

function sources(): string[] {
  return (readdirSync(root, { recursive: true }) as string[]).filter((f) => /\.(ts|mjs)$/.test(f)).map((f) => f.replaceAll("\\", "/"));
}

function imports(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(new URL(file, root), "utf8");
  return [...text.matchAll(/^\s*(?:import|export)\s+(type\s)?[^;]*?from\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm)].map((m) => ({
    typeOnly: m[1] !== undefined,
    target: m[2] ?? m[3] ?? m[4],
  }));
}

/** The path below src of an imported file, null for one outside: kernels/manifest.ts. */
function insideSource(file: string, target: string): string | null {
  const { href } = new URL(target, new URL(file, root));
  return href.startsWith(root.href) ? href.slice(root.href.length) : null;
}

function allowed(folder: string): readonly string[] {
  const place = CHAIN.indexOf(folder);
  return place < 0 ? BESIDE[folder] : [...CHAIN.slice(0, place), ...(ALSO[folder] ?? [])];
}

for (const file of sources().filter((f) => f.includes("/"))) {
  const folder = file.split("/")[0];
  test(file, () => {
    assert.ok(CHAIN.includes(folder) || folder in BESIDE, `${folder} is not a layer this test knows`);
    for (const { target, typeOnly } of imports(file)) {
      if (target.startsWith(".")) {
        const path = insideSource(file, target);
        const other = path?.split("/")[0];
        if (path === null || other === undefined || !path.includes("/") || other === folder) continue; // src/errors.ts too
        if (typeOnly && other === "tensor" && ["data", "io"].includes(folder)) continue;
        assert.ok(allowed(folder).includes(other), `imports ${path}; ${folder} may import ${allowed(folder).join(", ") || "nothing"}`);
        const nodeFile = path.includes(".node.") && !file.includes(".node.") && !NODE_FOLDERS.includes(folder);
        assert.not(nodeFile, `imports ${path}, which is for Node only`);
      } else if (/^(node:|webgpu$|sharp$|tsx|esbuild$)/.test(target)) {
        assert.ok(file.includes(".node.") || NODE_FOLDERS.includes(folder), `imports ${target}: only *.node.ts and ${NODE_FOLDERS.join(", ")} may`);
      } else {
        assert.unreachable(`imports ${target}, a package this test does not know`);
      }
    }
  });
}

test("the browser entry reaches nothing that needs Node", () => {
  const seen = new Set<string>();
  const visit = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const { target, typeOnly } of imports(file)) {
      if (typeOnly) continue;
      assert.ok(target.startsWith("."), `${file} imports ${target}`);
      const path = insideSource(file, target);
      if (path === null) continue;
      assert.not.match(path, /\.node\./, `${file} imports ${path}`);
      visit(path);
    }
  };
  visit("index.browser.ts");
  assert.ok(seen.size > 40);
});

test("what the package exports as a whole is what its parts export", () => {
  const lines = readFileSync(new URL("index.browser.ts", root), "utf8").replace(/^\/\*[^]*?\*\/\n/, "").trim().split("\n");
  for (const line of lines) assert.match(line, /^export \* from "\.\/index\.\w+\.ts";$/, "add it to one of the parts instead");
});

test.run();
