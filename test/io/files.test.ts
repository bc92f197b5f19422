import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { createFolder, readFileBytes, requireWritable, writeFileAtomic } from "../../src/io/files.node.ts";
import { assertRejects } from "../support/throws.ts";

const test = suite<{ folder: string }>("files");
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "files-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

test("writes whole files, creates folders, replaces, and leaves nothing else", async ({ folder }) => {
  const path = join(folder, "run", "deep", "last.bin");
  await writeFileAtomic(path, Uint8Array.of(1, 2, 3));
  await writeFileAtomic(path, "text");
  assert.is(readFileSync(path, "utf8"), "text");
  assert.equal(readdirSync(join(folder, "run", "deep")), ["last.bin"]);
});

test("many writers of one file: one of them wins as a whole", async ({ folder }) => {
  const path = join(folder, "same");
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
  assert.ok(texts.includes(readFileSync(path, "utf8")));
  assert.equal(readdirSync(folder), ["same"]);
});

test("a write that fails names the path and leaves nothing behind", async ({ folder }) => {
  const inTheWay = join(folder, "taken");
  await mkdir(join(inTheWay, "full"), { recursive: true });
  await assertRejects(() => writeFileAtomic(inTheWay, "x"), UserError, "cannot write", inTheWay);
  assert.equal(readdirSync(folder), ["taken"]);
  writeFileSync(join(folder, "file"), "");
  await assertRejects(() => writeFileAtomic(join(folder, "file", "x"), "x"), UserError, join(folder, "file", "x"));
});

test("folders: made at any depth, found, refused by name, where Node's own way never ends too", async ({ folder }) => {
  const deep = join(folder, "a", "b", "c");
  await Promise.all([createFolder(deep), createFolder(deep), createFolder(join(deep, "d"))]);
  assert.equal(readdirSync(deep), ["d"]);
  writeFileSync(join(folder, "file"), "");
  await assertRejects(() => createFolder(join(folder, "file")), UserError, "cannot create folder", "is in the way");
  if (process.platform !== "linux") return;
  await assertRejects(() => createFolder("/proc/x/y", "run folder"), UserError, "cannot create run folder /proc/x/y");
});

test("where results cannot be written, that is known before", async ({ folder }) => {
  writeFileSync(join(folder, "file"), "");
  await requireWritable(join(folder, "file"), "file");
  await requireWritable(join(folder, "new", "deep"), "folder");
  await requireWritable(undefined, "file");
  assert.equal(readdirSync(folder), ["file"]);
  await assertRejects(() => requireWritable(folder, "file"), UserError, `cannot write ${folder}: it is a folder`);
  await assertRejects(() => requireWritable(join(folder, "file"), "folder"), UserError, "is not a folder");
  await assertRejects(() => requireWritable(join(folder, "file", "new", "x"), "file"), UserError, "is not a folder");
});

test("a read that fails names what, where and why", async ({ folder }) => {
  const missing = join(folder, "none.safetensors");
  await assertRejects(() => readFileBytes(missing, "checkpoint"), UserError, "checkpoint", missing, "no such file");
  await assertRejects(() => readFileBytes(folder, "checkpoint"), UserError, folder, "it is a folder");
});

test.run();
