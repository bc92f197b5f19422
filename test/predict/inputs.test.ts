import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { kindFolders, requireApart } from "../../src/predict/files.ts";
import { patternToRegExp, splitPattern } from "../../src/predict/glob.ts";
import { findImages } from "../../src/predict/inputs.ts";
import { assertRejects } from "../support/throws.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

/** A folder with empty files of these names. */
function folderOf(...names: string[]): TemporaryFolder {
  const folder = new TemporaryFolder();
  for (const name of names) {
    mkdirSync(dirname(folder.join(name)), { recursive: true });
    writeFileSync(folder.join(name), "");
  }
  return folder;
}

/** `[path below the folder, name, sequence]` of each image, and what was refused. */
async function find(folder: TemporaryFolder, args: readonly string[], excluded: readonly string[] = []) {
  const { images, refused } = await findImages(args.map((arg) => folder.join(arg)), excluded);
  const inside = (path: string): string => relative(folder.path, path);
  return {
    images: images.map(({ path, name, sequence }) => [inside(path), name, sequence]),
    refused: refused.map(({ path, reason }) => [inside(path), reason]),
  };
}

const matches = (pattern: string, ...paths: string[]): boolean[] => paths.map((path) => patternToRegExp(pattern).test(path));

test("patterns match parts of paths, folders at any depth, classes of characters and alternatives", () => {
  assert.equal(matches("*.png", "a.png", ".png", "a/b.png", "a_png", "a.pngx"), [true, true, false, false, false]);
  assert.equal(matches("a/**/b?.png", "a/b1.png", "a/x/y/b2.png", "a/b.png", "ab1.png"), [true, true, false, false]);
  assert.equal(matches("**", "a", "a/b.png"), [true, true]);
  assert.equal(matches("f[0-9].{png,jpe?}", "f1.png", "f2.jpeg", "f2.jpg", "fx.png"), [true, true, false, false]);
  assert.equal(matches("[!a]b+(c).png", "xb+(c).png", "ab+(c).png", "/b+(c).png"), [true, false, false]);
  assert.equal(splitPattern("/a/b/c*/d.png"), { folder: "/a/b", rest: "c*/d.png" });
  assert.equal([splitPattern("*.png"), splitPattern("/*")].map(({ folder }) => folder), [".", "/"]);
});

test("a pattern that is none is an error of the user", async () => {
  await assertRejects(() => patternToRegExp("[z-a]"), UserError, "[z-a]");
});

test("a folder's images keep their folders, numbers go by value, hidden files and other kinds are left out", async () => {
  using folder = folderOf("f10.png", "f9.PNG", "b/x.jpeg", "b/c/y.jpg", "notes.txt", ".hidden.png", ".git/z.png");
  const { images, refused } = await find(folder, [""]);
  const title = folder.path.split("/").at(-1)!;
  assert.equal(images, [
    ["b/c/y.jpg", "b/c/y", "b/c"], ["b/x.jpeg", "b/x", "b"], ["f9.PNG", "f9", title], ["f10.png", "f10", title],
  ]);
  assert.equal(refused, []);
});

test("names never collide: endings, capitals, folders of one name, files given twice", async () => {
  using folder = folderOf("a/img/1.png", "a/img/1.jpg", "b/img/1.png", "A.png", "b/a.png", "b/a-2.png");
  const { images } = await find(folder, ["a/img", "b/img", "A.png", "b/a.png", "b/a-2.png", "b/img/1.png"]);
  assert.equal(images, [
    ["a/img/1.jpg", "img/1", "img"], ["a/img/1.png", "img/1-2", "img"], ["b/img/1.png", "img-2/1", "img-2"],
    ["A.png", "A", null], ["b/a.png", "a-2", null], ["b/a-2.png", "a-2-2", null],
  ]);
});

test("patterns search, and a file that exists is none", async () => {
  using folder = folderOf("x/[1].png", "x/1.png", "x/y/2.jpg", "x/y/2.txt");
  assert.equal((await find(folder, ["x/[1].png"])).images, [["x/[1].png", "[1]", null]]);
  const { images } = await find(folder, ["x/**/[0-9].{png,jpg,txt}"]);
  assert.equal(images.map(([path, name]) => [path, name]), [["x/1.png", "1"], ["x/y/2.jpg", "y/2"]]);
});

test("what cannot be predicted is refused by name, and the rest goes on", async () => {
  using folder = folderOf("a.png", "empty/notes.txt", "closed/b.png");
  symlinkSync(folder.path, folder.join("circle"));
  symlinkSync(folder.join("nowhere"), folder.join("dangling.png"));
  chmodSync(folder.join("closed"), 0);
  const { images, refused } = await find(folder, ["none.png", "empty", "*.gif", "none/*", ""]);
  chmodSync(folder.join("closed"), 0o755);
  const isRoot = process.getuid?.() === 0; // whom no folder is closed to
  const [only] = images.filter(([path]) => path === "a.png");
  assert.ok(only && images.length === (isRoot ? 2 : 1));
  const found = [
    ["none.png", "no such file or folder"], ["empty", "no PNG or JPEG in this folder"],
    ["*.gif", "no PNG or JPEG matches"], ["none/*", "no PNG or JPEG matches"],
  ];
  assert.equal(refused, isRoot ? found : [...found, ["closed", "permission denied"]]);
});

test("earlier results are not taken for images, and no image is overwritten", async () => {
  using folder = folderOf("a.png", "overlay/a.png", "index/deep/a.png", "mine/overlay/a.png");
  const { images } = await find(folder, [""], kindFolders(folder.path));
  assert.equal(images.map(([path]) => path), ["a.png", "mine/overlay/a.png"]);
  const { images: inputs } = await findImages([folder.join("overlay")], kindFolders(folder.path));
  await assertRejects(() => requireApart(folder.path, inputs), UserError, "overlay/a.png", "overwritten");
  requireApart(folder.join("elsewhere"), inputs);
});

test.run();
