/** Event files, read back by protobufjs with TensorBoard's own definitions, and by the definition of TFRecords. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32c } from "../../src/io/crc32.ts";
import { eventFileStart, eventRecord } from "../../src/io/events.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { bitwiseCrc32c, readEvents } from "../support/events.ts";

test("CRC-32C of the examples of RFC 3720, appendix B.4, and of the usual check value", () => {
  const examples: [Uint8Array, number][] = [
    [new TextEncoder().encode("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(0xff), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    [Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ];
  for (const [bytes, sum] of examples) {
    assert.is(crc32c(bytes), sum);
    assert.is(bitwiseCrc32c(bytes), sum);
  }
});

test("a file says its version and where it starts, then scalars and images", () => {
  const png = encodePng({ width: 2, height: 1, channels: 3, data: Uint8Array.of(1, 2, 3, 250, 251, 252) });
  const bytes = Buffer.concat([
    eventFileStart(1e9, 7),
    eventRecord(1e9 + 0.25, 2 ** 40, { scalars: { "train/loss": -0.1, "eval/mIoU": 1e-30, unknown: NaN } }),
    eventRecord(1e9 + 1, 8, { images: { "panels/a b": { width: 2, height: 1, png } } }),
  ]);
  const [version, start, scalars, images, ...rest] = readEvents(bytes);
  assert.equal(rest, []);
  assert.is(version.fileVersion, "brain.Event:2");
  assert.is(version.wallTime, 1e9);
  assert.equal([start.step, start.sessionLog], [7, { status: 1 }]);
  assert.is(scalars.wallTime, 1e9 + 0.25);
  assert.is(scalars.step, 2 ** 40);
  assert.equal(scalars.summary!.value, [
    { tag: "train/loss", simpleValue: Math.fround(-0.1) },
    { tag: "eval/mIoU", simpleValue: Math.fround(1e-30) },
  ]);
  const [{ tag, image }] = images.summary!.value;
  assert.equal([tag, image!.width, image!.height, image!.colorspace], ["panels/a b", 2, 1, 3]);
  assert.ok(Buffer.from(image!.encodedImageString).equals(png));
});

test("a damaged record is noticed", () => {
  const bytes = eventRecord(1, 1, { scalars: { a: 1 } });
  for (const at of [0, 8, 12, bytes.length - 1]) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] ^= 1;
    assert.throws(() => readEvents(damaged), /checksum|length/);
  }
});

test.run();
