import { deflateSync } from "node:zlib";

/** A second, plain writer of PNG files that the decoder's tests compare with: every colour type, depth and filter. */

export interface Chunk {
  readonly type: string;
  readonly body: Uint8Array;
}

/** CRC-32 bit by bit, as the PNG specification defines it. */
function crc(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  return ~value >>> 0;
}

/** A PNG file of these chunks, with correct lengths and checksums. */
export function joinChunks(chunks: readonly Chunk[]): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10)];
  for (const { type, body } of chunks) {
    const typed = Buffer.concat([Buffer.from(type, "latin1"), body]);
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(body.length, 0);
    frame.writeUInt32BE(crc(typed), 4);
    parts.push(frame.subarray(0, 4), typed, frame.subarray(4));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

/** The chunks of a well-formed PNG file. */
export function splitChunks(file: Uint8Array): Chunk[] {
  const buffer = Buffer.from(file);
  const chunks: Chunk[] = [];
  for (let at = 8; at < buffer.length; ) {
    const length = buffer.readUInt32BE(at);
    const body = Uint8Array.from(buffer.subarray(at + 8, at + 8 + length));
    chunks.push({ type: buffer.toString("latin1", at + 4, at + 8), body });
    at += 12 + length;
  }
  return chunks;
}

export interface PngDescription {
  readonly width: number;
  readonly height: number;
  readonly colorType: number;
  readonly channels: number;
  readonly bitDepth: number;
  readonly samples: readonly number[];
  readonly interlaced?: boolean;
}

/** Encodes samples; row y of each pass uses filter y mod 5; a palette of the greatest size goes with colour type 3. */
export function buildPng(image: PngDescription): Uint8Array {
  const { width, height, colorType, bitDepth, interlaced = false } = image;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bitDepth, colorType, 0, 0, interlaced ? 1 : 0], 8);
  const rows = interlaced ? interlacedRows(image) : plainRows(image);
  const palette = { type: "PLTE", body: Uint8Array.from({ length: 3 * 2 ** bitDepth }, (_, i) => i * 5) };
  const data = deflateSync(Buffer.concat(rows));
  const middle = Math.floor(data.length / 2);
  return joinChunks([
    { type: "IHDR", body: header },
    ...(colorType === 3 ? [palette] : []),
    { type: "IDAT", body: data.subarray(0, middle) },
    { type: "IDAT", body: data.subarray(middle) },
    { type: "IEND", body: new Uint8Array(0) },
  ]);
}

function plainRows(image: PngDescription): Uint8Array[] {
  const stride = image.width * image.channels;
  const rows = Array.from({ length: image.height }, (_, y) => image.samples.slice(y * stride, (y + 1) * stride));
  return filterRows(rows, image);
}

/** The specification's 8x8 pattern: which pass each pixel belongs to. */
const PATTERN = ["16462646", "77777777", "56565656", "77777777", "36463646", "77777777", "56565656", "77777777"];

function interlacedRows(image: PngDescription): Uint8Array[] {
  const { width, height, channels, samples } = image;
  return ["1", "2", "3", "4", "5", "6", "7"].flatMap((pass) => {
    const rows: number[][] = [];
    for (let y = 0; y < height; y++) {
      const columns = Array.from({ length: width }, (_, x) => x).filter((x) => PATTERN[y % 8][x % 8] === pass);
      const pixel = (x: number) => samples.slice((y * width + x) * channels, (y * width + x + 1) * channels);
      if (columns.length > 0) rows.push(columns.flatMap(pixel));
    }
    return filterRows(rows, image);
  });
}

function filterRows(rows: readonly number[][], { bitDepth, channels }: PngDescription): Uint8Array[] {
  const distance = Math.max(1, (bitDepth * channels) / 8);
  const packed = rows.map((row) => pack(row, bitDepth));
  return packed.map((row, y) => {
    const above = y > 0 ? packed[y - 1] : new Uint8Array(row.length);
    const filter = y % 5;
    const predicted = row.map((_, i) => {
      const [a, b, c] = [row[i - distance] ?? 0, above[i], above[i - distance] ?? 0];
      if (filter === 4) return [a, b, c].sort((p, q) => Math.abs(a + b - c - p) - Math.abs(a + b - c - q))[0];
      return [0, a, b, (a + b) >> 1][filter];
    });
    return Uint8Array.from([filter, ...row.map((value, i) => value - predicted[i])]);
  });
}

function pack(row: readonly number[], bitDepth: number): Uint8Array {
  const bits = row.map((sample) => sample.toString(2).padStart(bitDepth, "0")).join("");
  const bytes = bits.match(/.{1,8}/g) ?? [];
  return Uint8Array.from(bytes, (byte) => parseInt(byte.padEnd(8, "0"), 2));
}
