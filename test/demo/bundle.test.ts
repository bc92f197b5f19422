/** The page's files: complete, for browsers, and needing nothing from anywhere else. */
import { writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bundleScripts, pageFiles } from "../../src/demo/bundle.node.ts";
import { serve } from "../../src/demo/serve.node.ts";
import { UserError } from "../../src/errors.ts";
import { kernelsOnDisk } from "../../src/runtime/source.node.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";
import { assertRejects } from "../support/throws.ts";

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

test("nothing of Node is in the page, and the kernels are", async () => {
  const files = await pageFiles();
  const scripts = [...files].filter(([name]) => name.endsWith(".js")).map(([, bytes]) => text(bytes)).join("\n");
  assert.not.match(scripts, /["'`]node:|require\(|\bprocess\./);
  const longest = (file: string): string => kernelsOnDisk(file).split("\n").sort((a, b) => b.length - a.length)[0];
  for (const file of ["conv2d_panel", "memory_update"]) assert.ok(scripts.includes(longest(file)), file);
  const page = text(files.get("index.html"));
  for (const [, name] of page.matchAll(/(?:src|href)="(?!data:)([^"#]+)"/g)) assert.ok(files.has(name), name);
  assert.not.match(page + text(files.get("style.css")), /https?:|url\(/);
});

test("a script that needs Node does not become part of a page", async () => {
  using folder = new TemporaryFolder();
  const path = folder.join("script.ts");
  writeFileSync(path, 'import { readFileSync } from "node:fs";\nconsole.log(readFileSync);\n');
  await assertRejects(() => bundleScripts({ script: path }), Error, "node:fs");
});

test("the server gives these files and no others, and says when its port is taken", async () => {
  const server = await serve(new Map([["index.html", Buffer.from("page")]]), 0);
  try {
    const root = await fetch(server.url);
    assert.is(await root.text(), "page");
    assert.match(root.headers.get("content-type")!, /^text\/html/);
    for (const path of ["package.json", "../package.json", "%2e%2e/package.json", "%"]) {
      assert.is((await fetch(server.url + path)).status, 404, path);
    }
    assert.is((await fetch(server.url, { method: "POST" })).status, 405);
    const taken = Number(new URL(server.url).port);
    await assertRejects(() => serve(new Map(), taken), UserError, "it is taken; choose another one with --port");
  } finally {
    await server.close();
  }
});

test.run();
