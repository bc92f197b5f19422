import { deflateSync } from "node:zlib";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodePng, encodePng, PngError } from "../../src/io/png.node.ts";
import { buildPng, joinChunks, splitChunks } from "../support/png.ts";
import { mutate, pseudoRandom } from "../support/mutate.ts";
import { assertRejects } from "../support/throws.ts";

const KINDS = [
  { colorType: 0, color: "gray", channels: 1, depths: [1, 2, 4, 8, 16] },
  { colorType: 2, color: "rgb", channels: 3, depths: [8, 16] },
  { colorType: 3, color: "palette", channels: 1, depths: [1, 2, 4, 8] },
  { colorType: 4, color: "gray-alpha", channels: 2, depths: [8, 16] },
  { colorType: 6, color: "rgba", channels: 4, depths: [8, 16] },
] as const;
const SIZES = [[1, 1], [1, 9], [13, 1], [5, 3], [17, 11]] as const;

for (const { colorType, color, channels, depths } of KINDS) {
  for (const bitDepth of depths) {
    test(`${color} of ${bitDepth} bits: all row filters, interlaced or not, keep every sample`, () => {
      for (const [width, height] of SIZES) {
        const random = pseudoRandom(width * 100 + height);
        const samples = Array.from({ length: width * height * channels }, () => Math.floor(random() * 2 ** bitDepth));
        for (const interlaced of [false, true]) {
          const image = decodePng(buildPng({ width, height, colorType, channels, bitDepth, samples, interlaced }));
          assert.equal([image.width, image.height, image.channels], [width, height, channels]);
          assert.equal([image.color, image.bitDepth], [color, bitDepth]);
          assert.equal([...image.data], samples, `${width}x${height} interlaced ${interlaced}`);
          assert.is(image.palette?.length, color === "palette" ? 3 * 2 ** bitDepth : undefined);
        }
      }
    });
  }
}

test("decodes what libvips encodes", async () => {
  const [width, height] = [37, 23];
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * i * 7 + i) >> 3);
  for (const progressive of [false, true]) {
    const bytes = await sharp(data, { raw: { width, height, channels: 3 } }).png({ progressive }).toBuffer();
    assert.equal([...decodePng(bytes).data], [...data]);
  }
});

test("libvips decodes what we encode, and so do we", async () => {
  const [width, height] = [31, 18];
  const random = pseudoRandom(1);
  const data = Uint8Array.from({ length: width * height * 3 }, () => random() * 256);
  const rgb = encodePng({ width, height, channels: 3, data });
  assert.equal([...(await sharp(rgb).raw().toBuffer())], [...data]);
  assert.equal([...decodePng(rgb).data], [...data]);

  const gray = data.slice(0, width * height);
  const encoded = encodePng({ width, height, channels: 1, data: gray });
  assert.equal([...(await sharp(encoded).toColourspace("b-w").raw().toBuffer())], [...gray]);
  assert.equal([...decodePng(encoded).data], [...gray]);

  const indices = gray.map((value) => value % 4);
  const palette = Uint8Array.of(128, 64, 128, 244, 35, 232, 70, 70, 70, 102, 102, 156);
  const indexed = encodePng({ width, height, channels: 1, data: indices, palette });
  const colors = [...indices].flatMap((index) => [...palette.subarray(index * 3, index * 3 + 3)]);
  assert.equal([...(await sharp(indexed).raw().toBuffer())], colors);
  const decoded = decodePng(indexed);
  assert.equal([...decoded.data], [...indices]);
  assert.equal([...decoded.palette!], [...palette]);
});

test("encoding refuses data that does not fit", () => {
  const data = new Uint8Array(1);
  assert.throws(() => encodePng({ width: 2, height: 2, channels: 3, data }), /2x2x3 PNG from 1 bytes/);
  assert.throws(() => encodePng({ width: 0, height: 2, channels: 1, data: new Uint8Array(0) }), /0x2x1 PNG/);
  assert.throws(() => encodePng({ width: 1, height: 1, channels: 1, data, palette: data }), /palette of 1 bytes/);
});

const WHOLE = buildPng({ width: 5, height: 3, colorType: 3, channels: 1, bitDepth: 4, samples: Array(15).fill(1) });
/** The example with the body of one chunk changed; null leaves the chunk out. */
function withChunk(type: string, change: (body: Uint8Array) => Uint8Array | null): Uint8Array {
  const changed = splitChunks(WHOLE).map((chunk) => (chunk.type === type ? { type, body: change(chunk.body) } : chunk));
  return joinChunks(changed.filter((chunk): chunk is { type: string; body: Uint8Array } => chunk.body !== null));
}
const withHeader = (offset: number, ...bytes: number[]) =>
  withChunk("IHDR", (body) => {
    const copy = body.slice();
    copy.set(bytes, offset);
    return copy;
  });
const damaged = WHOLE.slice();
damaged[WHOLE.length - 20] ^= 1;

const BROKEN: [what: string, bytes: Uint8Array, message: string][] = [
  ["empty", new Uint8Array(0), "not a PNG"],
  ["JPEG", Uint8Array.of(0xff, 0xd8, 0xff, 0xe0), "not a PNG"],
  ["only the signature", WHOLE.slice(0, 8), "truncated after 8 bytes"],
  ["cut inside a chunk", WHOLE.slice(0, 30), "truncated"],
  ["without the end", WHOLE.slice(0, -12), "before the IEND chunk"],
  ["flipped bit", damaged, "IDAT checksum does not match"],
  ["zero width", withHeader(0, 0, 0, 0, 0), "0x3"],
  ["absurd size", withHeader(0, 0x7f, 0xff, 0xff, 0xff), "exceed the limit"],
  ["bit depth", withHeader(8, 3), "colour type 3 with 3 bits"],
  ["colour type", withHeader(9, 5), "colour type 5"],
  ["compression", withHeader(10, 1), "unknown compression 1"],
  ["interlace", withHeader(12, 2), "interlace method 2"],
  ["header length", withChunk("IHDR", (body) => body.slice(1)), "12 bytes instead of 13"],
  ["no header", withChunk("IHDR", () => null), "begins with PLTE"],
  ["no palette", withChunk("PLTE", () => null), "without a palette"],
  ["odd palette", withChunk("PLTE", (body) => body.slice(1)), "the palette has 47 bytes"],
  ["no data", withChunk("IDAT", () => null), "no image data"],
  ["not deflated", withChunk("IDAT", () => Uint8Array.of(1, 2, 3)), "damaged image data"],
  ["cut stream", withChunk("IDAT", (body) => body.slice(0, -6)), "damaged image data"],
  ["too little data", withChunk("IDAT", () => deflateSync(new Uint8Array(11))), "11 bytes of image data, 12 expected"],
  ["too much data", withChunk("IDAT", () => deflateSync(new Uint8Array(13))), "more image data than"],
  ["row filter", withChunk("IDAT", () => deflateSync(new Uint8Array(12).fill(9))), "row filter 9"],
  ["unknown critical chunk", joinChunks([...splitChunks(WHOLE).slice(0, 1), { type: "ABCD", body: damaged }]), "ABCD"],
  ["second header", joinChunks([...splitChunks(WHOLE).slice(0, 1), ...splitChunks(WHOLE)]), "second IHDR"],
];

for (const [what, bytes, message] of BROKEN) {
  test(`broken file: ${what}`, () => assertRejects(() => decodePng(bytes, "a.png"), PngError, "a.png: ", message));
}

test("an ancillary chunk of any content is passed over", () => {
  const [header, ...rest] = splitChunks(WHOLE);
  const image = decodePng(joinChunks([header, { type: "teXt", body: damaged }, ...rest]));
  assert.equal([...image.data], Array(15).fill(1));
});

test("900 damaged files, most with repaired checksums, give a typed error or an image", () => {
  const bodies = KINDS.map(({ colorType, channels, depths }, kind) => {
    const samples = Array.from({ length: 77 * channels }, (_, i) => i % 2);
    const interlaced = kind % 2 > 0;
    return buildPng({ width: 11, height: 7, colorType, channels, bitDepth: depths[0], samples, interlaced });
  });
  let refused = 0;
  for (let number = 0; number < 900; number++) {
    const whole = bodies[number % bodies.length];
    const chunks = splitChunks(whole);
    const victim = chunks[number % chunks.length];
    const repaired = chunks.map((chunk) =>
      chunk === victim ? { ...chunk, body: mutate(chunk.body, number) } : chunk,
    );
    const bytes = number % 3 ? joinChunks(repaired) : mutate(whole, number);
    try {
      decodePng(bytes);
    } catch (error) {
      assert.instance(error, PngError, `mutation ${number}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > 400, `only ${refused} were refused`);
});

test.run();
