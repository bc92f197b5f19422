import { chmodSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { encodePicture } from "../../src/io/image.node.ts";
import { requireFfmpeg, writeVideo } from "../../src/predict/video.ts";
import { assertRejects } from "../support/throws.ts";
import { TemporaryFolder } from "../support/tiny_run.ts";

/** Calls `use` where `ffmpeg` is this shell script, or where there is none. */
async function withProgram(script: string | null, use: (folder: TemporaryFolder) => Promise<void>): Promise<void> {
  using folder = new TemporaryFolder();
  if (script !== null) {
    writeFileSync(folder.join("ffmpeg"), `#!/bin/sh\n${script}\n`);
    chmodSync(folder.join("ffmpeg"), 0o755);
  }
  const { PATH } = process.env;
  process.env.PATH = script === null ? folder.path : `${folder.path}:${PATH}`;
  try {
    await use(folder);
  } finally {
    process.env.PATH = PATH;
  }
}

test("where there is no ffmpeg, that is said", () =>
  withProgram(null, async ({ path }) => {
    await assertRejects(requireFfmpeg, UserError, "--video needs the program ffmpeg");
    assert.equal(readdirSync(path), []);
  }));

test("ffmpeg gets all frames in their order, and the file appears when it has ended", () =>
  withProgram('for last; do :; done; [ "$1" = -version ] || { cat; echo "$@"; } > "$last"', async (folder) => {
    await requireFfmpeg();
    writeFileSync(folder.join("1"), "one,");
    writeFileSync(folder.join("2"), "two.");
    await writeVideo(folder.join("video", "a", "x.mp4"), 12.5, [folder.join("1"), folder.join("2")]);
    assert.equal(readdirSync(folder.join("video", "a")), ["x.mp4"]);
    const written = readFileSync(folder.join("video", "a", "x.mp4"), "utf8");
    assert.match(written, /^one,two\.-loglevel .*-framerate 12\.5 /);
  }));

test("an ffmpeg that fails, or a frame that is gone, leaves no file", async () => {
  await withProgram('for last; do :; done; echo half > "$last"; echo "no encoder" >&2; exit 7', async (folder) => {
    writeFileSync(folder.join("1"), Buffer.alloc(2 ** 20));
    const write = () => writeVideo(folder.join("out", "x.mp4"), 5, [folder.join("1")]);
    await assertRejects(write, UserError, "x.mp4", "code 7", "no encoder");
    assert.equal(readdirSync(folder.join("out")), []);
  });
  await withProgram('for last; do :; done; cat > "$last"', async (folder) => {
    const write = () => writeVideo(folder.join("out", "x.mp4"), 5, [folder.join("gone.png")]);
    await assertRejects(write, UserError, "gone.png");
    assert.equal(readdirSync(folder.join("out")), []);
  });
});

const isThere = await requireFfmpeg().then(() => true, () => false);
if (!isThere) console.log("skipped: a video by ffmpeg itself, because it is not installed");
(isThere ? test : test.skip)("a real video, of frames with odd sides", async () => {
  using folder = new TemporaryFolder();
  const frames = await Promise.all([0, 80, 160].map(async (gray, i) => {
    const data = new Uint8Array(33 * 17 * 3).fill(gray);
    writeFileSync(folder.join(`${i}.png`), await encodePicture({ width: 33, height: 17, channels: 3, data }));
    return folder.join(`${i}.png`);
  }));
  await writeVideo(folder.join("v.mp4"), 10, frames);
  const bytes = readFileSync(folder.join("v.mp4"));
  assert.is(bytes.toString("latin1", 4, 8), "ftyp");
  assert.ok(bytes.includes("moov"));
});

test.run();
