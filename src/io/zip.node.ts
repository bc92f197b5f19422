import { inflateRawSync } from "node:zlib";
import { crc32 } from "./crc32.ts";
import type { Fail } from "./pickle_bytes.ts";

/**
 * Reads ZIP archives held in memory: stored and deflated entries, with the 64-bit sizes of large archives.
 * Source of the format: PKWARE's APPNOTE.TXT 6.3.
 */

export interface ZipEntry {
  readonly name: string;
  /** Bytes of the content. */
  readonly size: number;
  readonly compressedSize: number;
  readonly isDeflated: boolean;
  readonly checksum: number;
  readonly headerOffset: number;
}

const END = { signature: 0x06054b50, bytes: 22 };
const END64 = { signature: 0x06064b50, bytes: 56 };
const END64_LOCATOR = { signature: 0x07064b50, bytes: 20 };
const ENTRY = { signature: 0x02014b50, bytes: 46 };
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const MAX_COMMENT = 0xffff;
const ZIP64_FIELD = 1;
const STORED = 0;
const DEFLATED = 8;
const IS_ENCRYPTED = 1;

export class ZipArchive {
  readonly entries: ReadonlyMap<string, ZipEntry>;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;
  readonly #allow: (bytes: number) => void;

  /**
   * Reads the directory alone.
   *
   * @param fail throws what a damaged archive has to throw
   * @param allow is told before so many bytes are inflated, and may refuse by throwing
   */
  constructor(bytes: Uint8Array, fail: Fail, allow: (bytes: number) => void) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
    this.#allow = allow;
    this.entries = this.#readDirectory();
  }

  /** The content of an entry: a view of the archive where it is stored, its own memory where it is deflated. */
  read({ name, size, compressedSize, isDeflated, checksum, headerOffset }: ZipEntry): Uint8Array {
    this.#require(headerOffset, LOCAL, `the entry ${name}`);
    const lengths = this.#view.getUint16(headerOffset + 26, true) + this.#view.getUint16(headerOffset + 28, true);
    const start = headerOffset + LOCAL.bytes + lengths;
    const end = start + compressedSize;
    if (end > this.#bytes.length) {
      this.#fail(`truncated: the entry ${name} ends at byte ${end}, the file has ${this.#bytes.length}`);
    }
    const raw = this.#bytes.subarray(start, end);
    const content = isDeflated ? this.#inflate(raw, name, size) : raw;
    if (content.length !== size) this.#fail(`damaged: ${content.length} bytes in the entry ${name}, expected ${size}`);
    // PyTorch can be told to leave checksums out; they are 0 then.
    if (checksum !== 0 && crc32(content) !== checksum) {
      this.#fail(`damaged: the checksum of the entry ${name} does not match`);
    }
    return content;
  }

  #inflate(raw: Uint8Array, name: string, size: number): Uint8Array {
    this.#allow(size);
    try {
      return inflateRawSync(raw, { maxOutputLength: Math.max(size, 1) });
    } catch (cause) {
      return this.#fail(`damaged: the entry ${name} cannot be inflated (${(cause as Error).message})`);
    }
  }

  #readDirectory(): Map<string, ZipEntry> {
    const end = this.#findEnd();
    const { count, offset } = this.#directory(end);
    const entries = new Map<string, ZipEntry>();
    let position = offset;
    for (let i = 0; i < count; i++) {
      this.#require(position, ENTRY, `entry ${i} of the directory`);
      const at = (field: number): number => this.#view.getUint16(position + field, true);
      const next = position + ENTRY.bytes + at(28) + at(30) + at(32);
      if (next > end) this.#fail(`damaged: entry ${i} of the directory reaches beyond it`);
      const entry = this.#readEntry(position);
      if (entries.has(entry.name)) this.#fail(`damaged: two entries are named ${entry.name}`);
      entries.set(entry.name, entry);
      position = next;
    }
    return entries;
  }

  #readEntry(position: number): ZipEntry {
    const view = this.#view;
    const nameLength = view.getUint16(position + 28, true);
    const nameStart = position + ENTRY.bytes;
    const name = new TextDecoder().decode(this.#bytes.subarray(nameStart, nameStart + nameLength));
    if (view.getUint16(position + 8, true) & IS_ENCRYPTED) this.#fail(`the entry ${name} is encrypted`);
    const method = view.getUint16(position + 10, true);
    if (method !== STORED && method !== DEFLATED) {
      this.#fail(`the entry ${name} has compression method ${method}, supported are stored (0) and deflated (8)`);
    }
    const extra = nameStart + nameLength;
    const long = this.#longFields(extra, extra + view.getUint16(position + 30, true));
    const field = (place: number): number => {
      const value = view.getUint32(position + place, true);
      return value === 0xffffffff ? (long.shift() ?? value) : value;
    };
    // In the order in which the 64-bit values follow each other.
    const [size, compressedSize, headerOffset] = [field(24), field(20), field(42)];
    const checksum = view.getUint32(position + 16, true);
    return { name, size, compressedSize, isDeflated: method === DEFLATED, checksum, headerOffset };
  }

  /** The 64-bit values among an entry's extra fields. */
  #longFields(start: number, end: number): number[] {
    for (let position = start; position + 4 <= end; ) {
      const next = position + 4 + this.#view.getUint16(position + 2, true);
      if (this.#view.getUint16(position, true) === ZIP64_FIELD && next <= end) {
        const count = Math.floor((next - position - 4) / 8);
        return Array.from({ length: count }, (_, i) => this.#u64(position + 4 + 8 * i));
      }
      position = next;
    }
    return [];
  }

  #findEnd(): number {
    const last = this.#bytes.length - END.bytes;
    for (let position = last; position >= Math.max(0, last - MAX_COMMENT); position--) {
      if (this.#view.getUint32(position, true) !== END.signature) continue;
      if (position + END.bytes + this.#view.getUint16(position + 20, true) === this.#bytes.length) return position;
    }
    return this.#fail(`truncated: the directory at the end of the archive is missing (${this.#bytes.length} bytes)`);
  }

  #directory(end: number): { count: number; offset: number } {
    const locator = end - END64_LOCATOR.bytes;
    if (locator < 0 || this.#view.getUint32(locator, true) !== END64_LOCATOR.signature) {
      return { count: this.#view.getUint16(end + 10, true), offset: this.#view.getUint32(end + 16, true) };
    }
    const end64 = this.#u64(locator + 8);
    this.#require(end64, END64, "the 64-bit end of the directory");
    return { count: this.#u64(end64 + 32), offset: this.#u64(end64 + 48) };
  }

  /** A record of that kind has to begin there. */
  #require(position: number, { signature, bytes }: typeof END, what: string): void {
    const isThere = position + bytes <= this.#bytes.length && this.#view.getUint32(position, true) === signature;
    if (!isThere) this.#fail(`damaged: ${what} is not at byte ${position}, where it should be`);
  }

  /** Beyond 2^53 it is inexact, and then larger than any file. */
  #u64(position: number): number {
    return Number(this.#view.getBigUint64(position, true));
  }
}
