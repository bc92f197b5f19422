/** The numbers and texts that a pickle is written in. */

export type Fail = (problem: string) => never;

/** Far above what a checkpoint has. */
const MAX_INTEGER_BYTES = 16;
const MAX_TEXT_BYTES = 2 ** 20;

/** Reads forwards. Whatever would reach beyond the end fails, as does what exceeds the limits above. */
export class PickleBytes {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fail: Fail;

  constructor(bytes: Uint8Array, start: number, fail: Fail) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fail = fail;
    this.position = start;
  }

  /** The place of the next `count` bytes, which are passed over. */
  #take(count: number): number {
    const start = this.position;
    if (count > this.#bytes.length - start) {
      this.#fail(`truncated: ${count} bytes wanted, ${this.#bytes.length - start} are left`);
    }
    this.position += count;
    return start;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  /** Big-endian, as pickles have it. */
  f64(): number {
    return this.#view.getFloat64(this.#take(8), false);
  }

  /** A length in 8 bytes; fails where fewer bytes than that are left. */
  length8(): number {
    const length = this.#view.getBigUint64(this.#take(8), true);
    const left = this.#bytes.length - this.position;
    if (length > BigInt(left)) this.#fail(`truncated: ${length} bytes wanted, ${left} are left`);
    return Number(length);
  }

  raw(length: number): Uint8Array {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  #text(length: number): Uint8Array {
    if (length > MAX_TEXT_BYTES) this.#fail(`a text of ${length} bytes, expected at most ${MAX_TEXT_BYTES}`);
    return this.raw(length);
  }

  latin1(length: number): string {
    return Array.from(this.#text(length), (byte) => String.fromCharCode(byte)).join("");
  }

  utf8(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.#text(length));
    } catch (cause) {
      if (cause instanceof TypeError) return this.#fail("text that is not UTF-8");
      throw cause;
    }
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) this.#fail("truncated within a line");
    const text = this.utf8(end - this.position);
    this.position++;
    return text;
  }

  /** Two's complement, little-endian; a number where it is exact. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) this.#fail(`an integer of ${length} bytes, expected at most ${MAX_INTEGER_BYTES}`);
    const value = this.raw(length).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    const signed = BigInt.asIntN(8 * length, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }
}
