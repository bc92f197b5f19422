/** A plain writer of ZIP archives that the reader's tests damage, and of the 64-bit fields that only huge ones have. */
import { crc32 } from "../../src/io/crc32.ts";

export interface ZipOptions {
  /** Sizes and offsets as large archives have them, in 64 bits. */
  readonly zip64?: boolean;
  readonly method?: number;
  readonly encrypted?: boolean;
}

export function zipOf(entries: Readonly<Record<string, Uint8Array>>, options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, method = 0, encrypted = false } = options;
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const common = Buffer.alloc(26); // from the version to the length of the extra field
    common.writeUInt16LE(encrypted ? 1 : 0, 2);
    common.writeUInt16LE(method, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(zip64 ? 0xffffffff : content.length, 14);
    common.writeUInt32LE(zip64 ? 0xffffffff : content.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    parts.push(u32(0x04034b50), common, Buffer.from(name), Buffer.from(content));
    const long = [u16(1), u16(24), u64(content.length), u64(content.length), u64(offset)];
    const extra = Buffer.concat(zip64 ? long : []);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(zip64 ? 0xffffffff : offset, 10);
    const central = Buffer.from(common);
    central.writeUInt16LE(extra.length, 24);
    directory.push(u32(0x02014b50), u16(0), central, rest, Buffer.from(name), extra);
    offset += 30 + Buffer.byteLength(name) + content.length;
  }
  const [count, size] = [Object.keys(entries).length, Buffer.concat(directory).length];
  const end64 = [u32(0x06064b50), u64(44), Buffer.alloc(12), u64(count), u64(count), u64(size), u64(offset)];
  const locator = [u32(0x07064b50), u32(0), u64(offset + size), u32(1)];
  const [countField, offsetField] = zip64 ? [u16(0xffff), u32(0xffffffff)] : [u16(count), u32(offset)];
  const end = [u32(0x06054b50), u32(0), countField, countField, u32(size), offsetField, u16(0)];
  return Buffer.concat([...parts, ...directory, ...(zip64 ? [...end64, ...locator] : []), ...end]);
}

const u16 = (value: number): Buffer => bytesOf(2, value);
const u32 = (value: number): Buffer => bytesOf(4, value);
const u64 = (value: number): Buffer => bytesOf(8, value);

function bytesOf(count: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes.subarray(0, count);
}
