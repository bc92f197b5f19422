import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { decodeRgb } from "../../src/io/image.node.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { buildPng } from "../support/png.ts";
import { assertRejects } from "../support/throws.ts";

const test = suite<{ folder: string; save: (name: string, bytes: Uint8Array) => string }>("image");
test.before.each((context) => {
  const folder = mkdtempSync(join(tmpdir(), "image-"));
  context.folder = folder;
  context.save = (name, bytes) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

test("RGB comes out as stored, gray as three channels, alpha is dropped, 16 bits become 8", async ({ save }) => {
  const data = Uint8Array.of(1, 2, 3, 250, 251, 252);
  const rgb = await decodeRgb(save("rgb.png", encodePng({ width: 2, height: 1, channels: 3, data })));
  assert.equal([rgb.width, rgb.height, ...rgb.data], [2, 1, ...data]);
  const column = { width: 1, height: 2, channels: 1, data: data.slice(0, 2) } as const;
  const gray = await decodeRgb(save("gray.png", encodePng(column)));
  assert.equal([...gray.data], [1, 1, 1, 2, 2, 2]);
  const rgba = { width: 1, height: 1, colorType: 6, channels: 4, bitDepth: 8, samples: [9, 8, 7, 1] };
  assert.equal([...(await decodeRgb(save("rgba.png", buildPng(rgba)))).data], [9, 8, 7]);
  const deep = { width: 1, height: 1, colorType: 2, channels: 3, bitDepth: 16, samples: [0xff00, 0x1234, 0x0080] };
  assert.equal([...(await decodeRgb(save("deep.png", buildPng(deep)))).data], [0xff, 0x12, 0]);
});

test("a JPEG comes out close to what went in", async ({ save }) => {
  const data = new Uint8Array(16 * 16 * 3).fill(100);
  const jpeg = await sharp(data, { raw: { width: 16, height: 16, channels: 3 } }).jpeg({ quality: 95 }).toBuffer();
  const { width, height, data: got } = await decodeRgb(save("a.jpg", jpeg));
  assert.equal([width, height], [16, 16]);
  assert.ok(got.every((value) => Math.abs(value - 100) <= 2));
  await assertRejects(() => decodeRgb(save("cut.jpg", jpeg.subarray(0, 200))), UserError, "cut.jpg", "cannot decode");
});

test("what is no image is refused with its name", async ({ folder, save }) => {
  await assertRejects(() => decodeRgb(save("notes.jpg", Buffer.from("hello"))), UserError, "notes.jpg", "PNG or JPEG");
  await assertRejects(() => decodeRgb(save("empty.png", new Uint8Array(0))), UserError, "empty.png");
  await assertRejects(() => decodeRgb(join(folder, "none.png")), UserError, "none.png", "no such file");
});

test.run();
