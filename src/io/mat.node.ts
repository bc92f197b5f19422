import { inflateSync } from "node:zlib";
import { UserError } from "../errors.ts";

/**
 * Numeric matrices from MATLAB files of level 5 (what `save -v6` and `-v7` write): compressed or not, in either byte
 * order, of any real numeric class, at the top or as a field of a 1x1 structure. Other contents are skipped.
 * Source of the format: MathWorks, "MAT-File Format", the chapter on level 5.
 */

/** A numeric matrix; MATLAB stores columns, this is `[height, width]` in rows. */
export interface MatMatrix {
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

/** The bytes are not a well-formed level 5 file, or do not hold the matrix that is asked for. */
export class MatError extends UserError {
  override name = "MatError";
}

const HEADER_BYTES = 128;
/** Keeps a forged file from asking for more memory than any real label needs. */
const MAX_ELEMENT_BYTES = 2 ** 27;

/** Data types of elements. */
const [MATRIX, COMPRESSED] = [14, 15];
/** Array classes: the numeric ones are 6 (double) to 15 (uint64). */
const STRUCT = 2;
const [FIRST_NUMERIC, LAST_NUMERIC] = [6, 15];
const COMPLEX = 0x0800;

type Read = (view: DataView, offset: number, little: boolean) => number;

/** How the numbers of a data type are stored, which may be narrower than the class of their array. */
const NUMBERS: ReadonlyMap<number, { bytes: number; read: Read }> = new Map([
  [1, { bytes: 1, read: (view, at) => view.getInt8(at) }],
  [2, { bytes: 1, read: (view, at) => view.getUint8(at) }],
  [3, { bytes: 2, read: (view, at, little) => view.getInt16(at, little) }],
  [4, { bytes: 2, read: (view, at, little) => view.getUint16(at, little) }],
  [5, { bytes: 4, read: (view, at, little) => view.getInt32(at, little) }],
  [6, { bytes: 4, read: (view, at, little) => view.getUint32(at, little) }],
  [7, { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) }],
  [9, { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) }],
  [12, { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) }],
  [13, { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) }],
]);

interface Element {
  readonly type: number;
  readonly body: Uint8Array;
}

/**
 * Reads one matrix.
 *
 * @param path the variable's name, then the names of structure fields inside it: `["S"]`, `["GTcls", "Segmentation"]`
 * @param name what to call the file in errors
 * @throws MatError when the file is no MAT file of level 5, is truncated or damaged, or has no such numeric matrix
 */
export function decodeMat(bytes: Uint8Array, path: readonly string[], name = "MAT file"): MatMatrix {
  return new MatReader(bytes, name).matrix(path);
}

/** An array's description, and the elements that follow it. */
interface MatArray {
  readonly name: string;
  readonly arrayClass: number;
  readonly isComplex: boolean;
  readonly dims: readonly number[];
  readonly content: readonly Element[];
}

class MatReader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#name = name;
    const mark = text(bytes.subarray(HEADER_BYTES - 2, HEADER_BYTES));
    if (mark !== "IM" && mark !== "MI") this.#fail("not a MAT file of level 5 (no byte order mark at byte 126)");
    this.#little = mark === "IM";
    const version = viewOf(bytes).getUint16(HEADER_BYTES - 4, this.#little);
    if (version === 0x0200) this.#fail("a MAT file of version 7.3 (HDF5); expected level 5, which `save -v7` writes");
    if (version !== 0x0100) this.#fail(`damaged: version ${version} in the header, 256 expected`);
  }

  matrix([variable, ...fields]: readonly string[]): MatMatrix {
    const found: string[] = [];
    for (const stored of this.#elements(this.#bytes.subarray(HEADER_BYTES))) {
      const element = stored.type === COMPRESSED ? this.#inflate(stored.body) : stored;
      if (element.type !== MATRIX) continue;
      const array = this.#array(element);
      if (array.name === variable) return this.#resolve(array, fields, variable);
      found.push(array.name);
    }
    return this.#fail(`holds no variable ${variable}; it has ${found.join(", ") || "none"}`);
  }

  #resolve(array: MatArray, [field, ...deeper]: readonly string[], where: string): MatMatrix {
    if (field === undefined) return this.#numericMatrix(array, where);
    const { arrayClass, dims, content } = array;
    if (arrayClass !== STRUCT || dims.some((size) => size !== 1)) {
      this.#fail(`${where} is of class ${arrayClass} and size ${dims.join("x")}; a 1x1 structure expected`);
    }
    const [length, names, ...values] = content;
    const [bytes] = this.#numbers(length, `the field name length of ${where}`, 1);
    const count = names && bytes > 0 ? names.body.length / bytes : 0;
    const fields = Array.from({ length: count }, (_, i) => text(names.body.subarray(i * bytes, (i + 1) * bytes)));
    const index = fields.indexOf(field);
    if (index < 0) this.#fail(`${where} has no field ${field}; it has ${fields.join(", ") || "none"}`);
    return this.#resolve(this.#array(values[index]), deeper, `${where}.${field}`);
  }

  #numericMatrix({ arrayClass, isComplex, dims, content }: MatArray, where: string): MatMatrix {
    if (arrayClass < FIRST_NUMERIC || arrayClass > LAST_NUMERIC || isComplex) {
      this.#fail(`${where} is of ${isComplex ? "complex " : ""}class ${arrayClass}; real numbers expected`);
    }
    if (dims.length !== 2 || dims.some((size) => size < 1)) {
      this.#fail(`${where} is of size ${dims.join("x")}; a matrix expected`);
    }
    const [height, width] = dims;
    const columns = this.#numbers(content[0], where, height * width);
    const data = new Float64Array(columns.length);
    for (let x = 0, i = 0; x < width; x++) {
      for (let y = 0; y < height; y++) data[y * width + x] = columns[i++];
    }
    return { height, width, data };
  }

  /** Every array begins with flags, sizes and name. */
  #array(element: Element | undefined): MatArray {
    if (element?.type !== MATRIX) return this.#fail("damaged: an array is missing");
    const [flags, sizes, label, ...content] = this.#elements(element.body);
    const [word] = this.#numbers(flags, "the flags of an array", 2);
    const dims = [...this.#numbers(sizes, "the size of an array")];
    if (!label) return this.#fail("damaged: an array without a name");
    return { name: text(label.body), arrayClass: word & 0xff, isComplex: (word & COMPLEX) !== 0, dims, content };
  }

  /** The numbers of an element; as many as `expected`, where that is given. */
  #numbers(element: Element | undefined, what: string, expected?: number): Float64Array {
    const storage = element && NUMBERS.get(element.type);
    if (!element || !storage) return this.#fail(`damaged: ${what} has no numbers of a known type`);
    const { bytes, read } = storage;
    const count = element.body.length / bytes;
    if (count !== (expected ?? Math.floor(count))) this.#fail(`damaged: ${what} has ${count} numbers of ${expected}`);
    const view = viewOf(element.body);
    return Float64Array.from({ length: count }, (_, i) => read(view, i * bytes, this.#little));
  }

  /** The elements that follow each other in `bytes`: a tag of type and length, then the body, aligned to 8 bytes. */
  *#elements(bytes: Uint8Array): Generator<Element, void, undefined> {
    const view = viewOf(bytes);
    for (let at = 0; at < bytes.length; ) {
      if (at + 8 > bytes.length) this.#fail(`truncated: an element's tag ends after the last byte`);
      const word = view.getUint32(at, this.#little);
      // A body of at most 4 bytes may stand in the tag itself, its length in the upper half of the first word.
      const isSmall = word >>> 16 > 0;
      const type = isSmall ? word & 0xffff : word;
      const length = isSmall ? word >>> 16 : view.getUint32(at + 4, this.#little);
      const start = at + (isSmall ? 4 : 8);
      if (isSmall && length > 4) this.#fail(`damaged: ${length} bytes in an element for 4`);
      if (start + length > bytes.length) {
        this.#fail(`truncated: an element needs ${length} bytes, ${bytes.length - start} are left`);
      }
      yield { type, body: bytes.subarray(start, start + length) };
      at = isSmall ? at + 8 : start + (type === COMPRESSED ? length : Math.ceil(length / 8) * 8);
    }
  }

  #inflate(compressed: Uint8Array): Element {
    let bytes: Uint8Array;
    try {
      bytes = inflateSync(compressed, { maxOutputLength: MAX_ELEMENT_BYTES });
    } catch (cause) {
      return this.#fail(`damaged: an element does not decompress (${(cause as Error).message})`);
    }
    for (const element of this.#elements(bytes)) return element;
    return this.#fail("damaged: an empty compressed element");
  }

  #fail(problem: string): never {
    throw new MatError(`${this.#name}: ${problem}`);
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Characters up to the first zero. */
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1").split("\0", 1)[0];
