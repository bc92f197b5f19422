/** Protocol buffers' wire format, as far as writing needs it: https://protobuf.dev/programming-guides/encoding. */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

const text = new TextEncoder();

/** A message under construction; fields are written in the order of the calls. Bytes are kept, not copied. */
export class Message {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Any of the integer types that are varints: negative ones are their 64-bit two's complement. */
  integer(field: number, value: number): this {
    return this.#tag(field, VARINT).#varint(value);
  }

  double(field: number, value: number): this {
    return this.#tag(field, FIXED64).#add(new Uint8Array(Float64Array.of(value).buffer));
  }

  float(field: number, value: number): this {
    return this.#tag(field, FIXED32).#add(new Uint8Array(Float32Array.of(value).buffer));
  }

  string(field: number, value: string): this {
    return this.bytes(field, text.encode(value));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#tag(field, LENGTH_DELIMITED).#varint(value.length).#add(value);
  }

  message(field: number, value: Message): this {
    this.#tag(field, LENGTH_DELIMITED).#varint(value.length);
    value.#chunks.forEach((chunk) => this.#add(chunk));
    return this;
  }

  finish(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let offset = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }

  #tag(field: number, wireType: number): this {
    return this.#varint(field * 8 + wireType);
  }

  #varint(value: number): this {
    const bytes: number[] = [];
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
    return this.#add(Uint8Array.of(...bytes, Number(rest)));
  }

  #add(chunk: Uint8Array): this {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    return this;
  }
}
