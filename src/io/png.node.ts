import { constants, deflateSync, inflateSync } from "node:zlib";
import { UserError } from "../errors.ts";
import { crc32 } from "./crc32.ts";

/**
 * PNG without colour conversion: a palette image stays its indices, 16-bit samples stay 16 bits, samples below 8 bits
 * are unpacked but not rescaled. That is what label images need and what image libraries do not offer.
 * Source of the format: the PNG specification, second edition (ISO/IEC 15948).
 */

export type PngColor = "gray" | "rgb" | "palette" | "gray-alpha" | "rgba";

export interface PngImage {
  readonly width: number;
  readonly height: number;
  readonly color: PngColor;
  readonly bitDepth: number;
  /** Samples per pixel. */
  readonly channels: number;
  /** `[height, width, channels]` as stored: palette indices, not colours; 0 .. 2^bitDepth - 1. */
  readonly data: Uint8Array | Uint16Array;
  /** RGB triples of a palette image. */
  readonly palette?: Uint8Array;
}

/** The bytes are not a well-formed PNG. */
export class PngError extends UserError {
  override name = "PngError";
}

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const COLORS: Readonly<Record<number, { color: PngColor; channels: number; depths: readonly number[] }>> = {
  0: { color: "gray", channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { color: "rgb", channels: 3, depths: [8, 16] },
  3: { color: "palette", channels: 1, depths: [1, 2, 4, 8] },
  4: { color: "gray-alpha", channels: 2, depths: [8, 16] },
  6: { color: "rgba", channels: 4, depths: [8, 16] },
};
/** Keeps a forged header from asking for more memory than any real image needs. */
const MAX_PIXELS = 2 ** 28;
/** The seven passes of Adam7 interlacing: first column, first row, column step, row step. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;
const NOT_INTERLACED = [[0, 0, 1, 1]] as const;

type Pass = readonly [x0: number, y0: number, dx: number, dy: number];
type Fail = (problem: string) => never;

interface Header {
  readonly width: number;
  readonly height: number;
  readonly bitDepth: number;
  readonly color: PngColor;
  readonly channels: number;
  readonly passes: readonly Pass[];
}

/**
 * Decodes any PNG: all colour types, bit depths and interlacing; ancillary chunks (gamma, transparency) are ignored.
 *
 * @param name what to call the file in errors
 * @throws PngError when it is not a PNG, truncated, or damaged (every checksum is verified)
 */
export function decodePng(bytes: Uint8Array, name = "PNG"): PngImage {
  const fail: Fail = (problem) => {
    throw new PngError(`${name}: ${problem}`);
  };
  const { header, palette, compressed } = readChunks(bytes, fail);
  const { width, height, bitDepth, color, channels, passes } = header;

  const expected = passes.reduce((sum, pass) => sum + passBytes(header, pass), 0);
  const filtered = inflate(compressed, expected, fail);
  const data = bitDepth === 16 ? new Uint16Array(width * height * channels) : new Uint8Array(width * height * channels);
  let offset = 0;
  for (const pass of passes) {
    const length = passBytes(header, pass);
    decodePass(header, pass, filtered.subarray(offset, offset + length), data, fail);
    offset += length;
  }
  return { width, height, color, bitDepth, channels, data, palette };
}

function readChunks(bytes: Uint8Array, fail: Fail) {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) fail("not a PNG file (wrong signature)");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  let palette: Uint8Array | undefined;
  const compressed: Uint8Array[] = [];
  let position = SIGNATURE.length;
  for (;;) {
    if (position + 12 > bytes.length) fail(`truncated after ${bytes.length} bytes, before the IEND chunk`);
    const length = view.getUint32(position);
    const type = String.fromCharCode(...bytes.subarray(position + 4, position + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) fail(`damaged: no chunk begins at byte ${position}`);
    const end = position + 8 + length;
    if (end + 4 > bytes.length) {
      fail(`truncated: the ${type} chunk ends at byte ${end + 4}, the file has ${bytes.length}`);
    }
    const checksum = crc32(bytes.subarray(position + 4, end));
    if (checksum !== view.getUint32(end)) fail(`damaged: the ${type} checksum does not match`);
    const body = bytes.subarray(position + 8, end);
    if (!header && type !== "IHDR") fail(`damaged: begins with ${type} instead of IHDR`);
    if (type === "IHDR") {
      if (header) fail("damaged: a second IHDR chunk");
      header = readHeader(body, fail);
    } else if (type === "PLTE") {
      if (length === 0 || length % 3 !== 0 || length > 768) fail(`damaged: the palette has ${length} bytes`);
      palette = body.slice();
    } else if (type === "IDAT") {
      compressed.push(body);
    } else if (type === "IEND") {
      break;
    } else if (type[0] === type[0].toUpperCase()) {
      fail(`contains the unknown critical chunk ${type}`);
    }
    position = end + 4;
  }
  if (!header) return fail("no image header");
  if (compressed.length === 0) fail("damaged: no image data (IDAT) chunk");
  if (header.color === "palette" && !palette) fail("damaged: a palette image without a palette (PLTE) chunk");
  return { header, palette: header.color === "palette" ? palette : undefined, compressed };
}

function readHeader(body: Uint8Array, fail: Fail): Header {
  if (body.length !== 13) fail(`damaged: IHDR has ${body.length} bytes instead of 13`);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const width = view.getUint32(0);
  const height = view.getUint32(4);
  const [bitDepth, colorType, compression, filter, interlace] = body.subarray(8);
  if (width === 0 || height === 0) fail(`damaged: the image is ${width}x${height}`);
  if (width * height > MAX_PIXELS) fail(`${width}x${height} pixels exceed the limit of ${MAX_PIXELS} pixels`);
  const kind = COLORS[colorType];
  if (!kind?.depths.includes(bitDepth)) {
    return fail(`damaged: colour type ${colorType} with ${bitDepth} bits does not exist`);
  }
  if (compression !== 0 || filter !== 0) fail(`damaged: unknown compression ${compression} or filter method ${filter}`);
  if (interlace > 1) fail(`damaged: unknown interlace method ${interlace}`);
  const passes: readonly Pass[] = interlace ? ADAM7 : NOT_INTERLACED;
  return { width, height, bitDepth, color: kind.color, channels: kind.channels, passes };
}

const passSize = ({ width, height }: Header, [x0, y0, dx, dy]: Pass) => ({
  columns: Math.max(0, Math.ceil((width - x0) / dx)),
  rows: Math.max(0, Math.ceil((height - y0) / dy)),
});

const rowBytes = ({ channels, bitDepth }: Header, columns: number) => Math.ceil((columns * channels * bitDepth) / 8);

/** Bytes of one pass before compression: each row is preceded by its filter type. An empty pass has none. */
function passBytes(header: Header, pass: Pass): number {
  const { columns, rows } = passSize(header, pass);
  return columns === 0 ? 0 : rows * (1 + rowBytes(header, columns));
}

function inflate(parts: readonly Uint8Array[], expected: number, fail: Fail): Uint8Array {
  let data: Uint8Array;
  try {
    data = inflateSync(parts.length === 1 ? parts[0] : Buffer.concat(parts), { maxOutputLength: expected });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === "ERR_BUFFER_TOO_LARGE") return fail("damaged: more image data than the size in the header needs");
    return fail(`damaged image data (${message})`);
  }
  if (data.length !== expected) fail(`damaged: ${data.length} bytes of image data, ${expected} expected`);
  return data;
}

function decodePass(
  header: Header,
  pass: Pass,
  filtered: Uint8Array,
  out: Uint8Array | Uint16Array,
  fail: Fail,
): void {
  const { columns, rows } = passSize(header, pass);
  if (columns === 0) return;
  const { width, channels, bitDepth } = header;
  const [x0, y0, dx, dy] = pass;
  const stride = rowBytes(header, columns);
  const pixelBytes = Math.max(1, (channels * bitDepth) >> 3);
  let previous = new Uint8Array(stride);
  for (let y = 0; y < rows; y++) {
    const start = y * (stride + 1);
    const row = filtered.subarray(start + 1, start + 1 + stride) as Uint8Array<ArrayBuffer>;
    const filter = filtered[start];
    if (!unfilter(filter, row, previous, pixelBytes)) fail(`damaged: row filter ${filter} does not exist`);
    const target = ((y0 + y * dy) * width + x0) * channels;
    if (bitDepth === 8 && dx === 1) out.set(row, target);
    else unpackRow(row, bitDepth, columns, channels, out, target, dx * channels);
    previous = row;
  }
}

/** Writes the samples of one row, `step` apart from pixel to pixel. */
function unpackRow(
  row: Uint8Array,
  bitDepth: number,
  columns: number,
  channels: number,
  out: Uint8Array | Uint16Array,
  target: number,
  step: number,
): void {
  const mask = (1 << bitDepth) - 1;
  for (let i = 0; i < columns * channels; i++) {
    const bit = i * bitDepth;
    const byte = bit >> 3;
    const packed = (row[byte] >> (8 - bitDepth - (bit & 7))) & mask;
    const place = target + Math.floor(i / channels) * step + (i % channels);
    out[place] = bitDepth === 16 ? (row[byte] << 8) | row[byte + 1] : packed;
  }
}

/** Undoes one row's filter in place; false when there is no such filter. `previous` is the row above, unfiltered. */
function unfilter(filter: number, row: Uint8Array, previous: Uint8Array, pixelBytes: number): boolean {
  const n = row.length;
  switch (filter) {
    case 0:
      return true;
    case 1:
      for (let i = pixelBytes; i < n; i++) row[i] += row[i - pixelBytes];
      return true;
    case 2:
      for (let i = 0; i < n; i++) row[i] += previous[i];
      return true;
    case 3:
      for (let i = 0; i < n; i++) row[i] += ((i < pixelBytes ? 0 : row[i - pixelBytes]) + previous[i]) >> 1;
      return true;
    case 4:
      for (let i = 0; i < Math.min(pixelBytes, n); i++) row[i] += previous[i];
      for (let i = pixelBytes; i < n; i++) row[i] += paeth(row[i - pixelBytes], previous[i], previous[i - pixelBytes]);
      return true;
    default:
      return false;
  }
}

/** Whichever of left, above and upper left is closest to left + above - upperLeft. */
function paeth(left: number, above: number, upperLeft: number): number {
  const toLeft = Math.abs(above - upperLeft);
  const toAbove = Math.abs(left - upperLeft);
  const toUpperLeft = Math.abs(left + above - 2 * upperLeft);
  if (toLeft <= toAbove && toLeft <= toUpperLeft) return left;
  return toAbove <= toUpperLeft ? above : upperLeft;
}

/** An 8-bit image to encode: gray, palette (when `palette` is given) or RGB. */
export interface PngSource {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** `[height, width, channels]`. */
  readonly data: Uint8Array;
  /** RGB triples; `data` then holds indices into them. */
  readonly palette?: Uint8Array;
}

/**
 * Encodes 8-bit gray, palette or RGB. The size of `data` must fit; a palette needs one channel and 1 to 256 colours.
 */
export function encodePng({ width, height, channels, data, palette }: PngSource): Uint8Array {
  if (!(width > 0 && height > 0) || data.length !== width * height * channels) {
    throw new RangeError(`${width}x${height}x${channels} PNG from ${data.length} bytes`);
  }
  if (palette && (channels !== 1 || palette.length % 3 !== 0 || palette.length < 3 || palette.length > 768)) {
    throw new RangeError(`a palette of ${palette.length} bytes for ${channels} channels`);
  }
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, palette ? 3 : channels === 3 ? 2 : 0], 8);

  const stride = width * channels;
  const filtered = new Uint8Array(height * (stride + 1));
  for (let y = 0; y < height; y++) {
    const target = filtered.subarray(y * (stride + 1), (y + 1) * (stride + 1));
    // Differences between indices mean nothing, so only colours gain from prediction.
    if (channels === 3) filterPaeth(data, y * stride, stride, channels, target);
    else target.set(data.subarray(y * stride, (y + 1) * stride), 1);
  }
  const body = deflateSync(filtered, { level: 6, strategy: channels === 3 ? constants.Z_FILTERED : undefined });
  return Buffer.concat([
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", header),
    ...(palette ? [chunk("PLTE", palette)] : []),
    chunk("IDAT", body),
    chunk("IEND", new Uint8Array(0)),
  ]);
}

function filterPaeth(data: Uint8Array, start: number, stride: number, channels: number, target: Uint8Array): void {
  target[0] = 4;
  const hasAbove = start > 0;
  for (let i = 0; i < stride; i++) {
    const left = i >= channels ? data[start + i - channels] : 0;
    const above = hasAbove ? data[start + i - stride] : 0;
    const upperLeft = hasAbove && i >= channels ? data[start + i - stride - channels] : 0;
    target[1 + i] = data[start + i] - paeth(left, above, upperLeft);
  }
}

function chunk(type: string, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length);
  bytes.set(Buffer.from(type, "latin1"), 4);
  bytes.set(body, 8);
  view.setUint32(8 + body.length, crc32(bytes.subarray(4, 8 + body.length)));
  return bytes;
}
