import { deflateSync } from "node:zlib";

/** A writer of MATLAB level 5 files for the reader's tests, after MathWorks' description of the format. */

export interface MatOptions {
  readonly littleEndian?: boolean;
  /** As `save -v7` does, each variable in an element of its own. */
  readonly compressed?: boolean;
}

/** Array classes. */
export const MAT_CLASS = {
  ...{ cell: 1, struct: 2, double: 6, single: 7, int8: 8, uint8: 9, int16: 10, uint16: 11, int32: 12, uint32: 13 },
  ...{ int64: 14, uint64: 15 },
} as const;

type Writer = readonly [bytes: number, write: (out: Buffer, value: number, at: number, little: boolean) => void];

/** By the type of an element's data. */
const WRITERS: Readonly<Record<number, Writer>> = {
  1: [1, (out, value, at) => out.writeInt8(value, at)],
  2: [1, (out, value, at) => out.writeUInt8(value, at)],
  3: [2, (out, value, at, little) => (little ? out.writeInt16LE(value, at) : out.writeInt16BE(value, at))],
  4: [2, (out, value, at, little) => (little ? out.writeUInt16LE(value, at) : out.writeUInt16BE(value, at))],
  5: [4, (out, value, at, little) => (little ? out.writeInt32LE(value, at) : out.writeInt32BE(value, at))],
  6: [4, (out, value, at, little) => (little ? out.writeUInt32LE(value, at) : out.writeUInt32BE(value, at))],
  7: [4, (out, value, at, little) => (little ? out.writeFloatLE(value, at) : out.writeFloatBE(value, at))],
  9: [8, (out, value, at, little) => (little ? out.writeDoubleLE(value, at) : out.writeDoubleBE(value, at))],
  12: [8, (out, value, at, little) => writeBig(out, value, at, little)],
  13: [8, (out, value, at, little) => writeBig(out, value, at, little)],
};

function writeBig(out: Buffer, value: number, at: number, little: boolean): void {
  if (little) out.writeBigInt64LE(BigInt(value), at);
  else out.writeBigInt64BE(BigInt(value), at);
}

/** The type that stores each class without narrowing. */
export const MAT_STORAGE: Readonly<Record<number, number>> = {
  ...{ 6: 9, 7: 7, 8: 1, 9: 2, 10: 3, 11: 4, 12: 5, 13: 6, 14: 12, 15: 13 },
};

/** Writes the elements of one file. */
export class MatWriter {
  readonly #little: boolean;
  readonly #compressed: boolean;

  constructor({ littleEndian = true, compressed = true }: MatOptions = {}) {
    this.#little = littleEndian;
    this.#compressed = compressed;
  }

  /** A file of these variables, which `matrix` or `struct` made. */
  file(variables: readonly Uint8Array[]): Uint8Array {
    const header = Buffer.alloc(128, " ");
    header.write("MATLAB 5.0 MAT-file, written by a test");
    const words = this.#numbers(4, [0x0100, 0x4d49]);
    words.copy(header, 124);
    const elements = variables.map((variable) => (this.#compressed ? this.#compress(variable) : variable));
    return Uint8Array.from(Buffer.concat([header, ...elements]));
  }

  /** A matrix from its rows. */
  matrix(name: string, rows: readonly (readonly number[])[], arrayClass: number = MAT_CLASS.uint8, type?: number) {
    const columns = rows[0].flatMap((_, x) => rows.map((row) => row[x]));
    const data = this.element(type ?? MAT_STORAGE[arrayClass], columns);
    return this.array(name, [rows.length, rows[0].length], arrayClass, [data]);
  }

  /** A 1x1 structure; the fields' own names are empty. */
  struct(name: string, fields: Readonly<Record<string, Uint8Array>>): Uint8Array {
    const names = Object.keys(fields).map((field) => field.padEnd(32, "\0")).join("");
    const labels = [this.element(5, [32]), this.element(1, [...Buffer.from(names)])];
    return this.array(name, [1, 1], MAT_CLASS.struct, [...labels, ...Object.values(fields)]);
  }

  array(name: string, dims: readonly number[], flags: number, content: readonly Uint8Array[]): Buffer {
    const head = [this.element(6, [flags, 0]), this.element(5, dims), this.element(1, [...Buffer.from(name)])];
    return this.#wrap(14, Buffer.concat([...head, ...content]));
  }

  /** Numbers of a data type; up to 4 bytes in the small form. */
  element(type: number, values: readonly number[]): Buffer {
    const body = this.#numbers(type, values);
    if (body.length === 0 || body.length > 4) return this.#wrap(type, body);
    const small = this.#numbers(6, [body.length * 2 ** 16 + type]);
    return Buffer.concat([small, body, Buffer.alloc(4 - body.length)]);
  }

  #numbers(type: number, values: readonly number[]): Buffer {
    const [bytes, write] = WRITERS[type];
    const out = Buffer.alloc(values.length * bytes);
    values.forEach((value, i) => write(out, value, i * bytes, this.#little));
    return out;
  }

  #wrap(type: number, body: Buffer): Buffer {
    return Buffer.concat([this.#numbers(6, [type, body.length]), body, Buffer.alloc(-body.length & 7)]);
  }

  #compress(variable: Uint8Array): Buffer {
    const body = deflateSync(variable);
    return Buffer.concat([this.#numbers(6, [15, body.length]), body]);
  }
}

/** A compressed file with one uint8 matrix, as the labels of COCO-Stuff are. */
export function matFile(name: string, rows: readonly (readonly number[])[]): Uint8Array {
  const writer = new MatWriter();
  return writer.file([writer.matrix(name, rows)]);
}
