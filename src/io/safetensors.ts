import { UserError } from "../errors.ts";
import { narrowHalf, widenBfloat, widenHalf } from "./half.ts";

/**
 * The safetensors format: an unsigned 64-bit little-endian header length, a JSON header, raw little-endian data.
 * Works on bytes only, so that it runs in browsers too. Typed arrays have the byte order of the machine, which is
 * little endian wherever WebGPU runs.
 */

/** Element types that are in memory what they are in the file. */
const ARRAY_OF = {
  F64: Float64Array,
  F32: Float32Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

/** Those that have no array here: 16 bits in the file, 32 in memory, where they keep their values. */
const WIDEN = { F16: widenHalf, BF16: widenBfloat } as const;

const DTYPES: readonly string[] = [...Object.keys(ARRAY_OF), ...Object.keys(WIDEN)];

/** Types of elements, as the format spells them. */
export type SafetensorsDtype = keyof typeof ARRAY_OF | keyof typeof WIDEN;
/** Elements of a tensor in a file. */
export type SafetensorsData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint8Array;

/** One stored tensor: row-major `data` with `shape`; a scalar has shape `[]`. Halves are widened to f32. */
export interface StoredTensor {
  /** In the file. */
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: SafetensorsData;
}

/** What is in a file: tensors by name, and texts by name. */
export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/** The bytes are not a well-formed safetensors file. */
export class SafetensorsError extends UserError {
  override name = "SafetensorsError";
}

/** The limit of the reference implementation: a longer header is a broken file, not a big model. */
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;
/** Data starts at a multiple of the largest element size, so that no tensor needs a copy to be aligned. */
const ALIGNMENT = 8;
const METADATA_KEY = "__metadata__";

/**
 * Reads a whole file held in memory. Tensors are views into `bytes` where type and alignment allow it, else copies.
 *
 * @param name what to call the file in errors
 * @throws SafetensorsError when the header is not well formed, a tensor's bytes do not fit its shape, or the tensors
 *   do not cover the data exactly once
 */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors data"): SafetensorsFile {
  const fail = (problem: string): never => {
    throw new SafetensorsError(`${name}: ${problem}`);
  };
  const { header, dataStart } = readHeader(bytes, fail);
  const dataLength = bytes.byteLength - dataStart;

  let metadata: Record<string, string> = {};
  const entries: { key: string; dtype: SafetensorsDtype; shape: number[]; begin: number; end: number }[] = [];
  for (const [key, value] of Object.entries(header)) {
    if (key === METADATA_KEY) metadata = checkMetadata(value, fail);
    else entries.push({ key, ...checkEntry(key, value, dataLength, fail) });
  }

  let covered = 0;
  for (const entry of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin < covered) fail(`tensor "${entry.key}" overlaps the one stored before it`);
    if (entry.begin > covered) fail(`${entry.begin - covered} bytes before tensor "${entry.key}" belong to no tensor`);
    covered = entry.end;
  }
  if (covered !== dataLength) fail(`${dataLength - covered} bytes after the last tensor belong to no tensor`);

  const tensors = new Map<string, StoredTensor>();
  for (const { key, dtype, shape, begin, end } of entries) {
    tensors.set(key, { dtype, shape, data: decode(bytes, dtype, dataStart + begin, end - begin) });
  }
  return { metadata, tensors };
}

/** How tensors are written. */
export interface SerializeOptions {
  /** Writes f32 as F16, rounded to the nearest. */
  readonly half?: boolean;
}

/**
 * Writes tensors and string metadata. The result depends on the arguments alone: larger element types come first
 * (which keeps every tensor aligned), otherwise the given order is kept.
 *
 * @throws SafetensorsError when the number of elements does not match a shape, a name is used twice, or a number is
 *   more than F16 can hold
 */
export function serializeSafetensors(
  tensors: Iterable<readonly [string, { readonly shape: readonly number[]; readonly data: SafetensorsData }]>,
  metadata: Readonly<Record<string, string>> = {},
  { half = false }: SerializeOptions = {},
): Uint8Array {
  const entries = [...tensors]
    .map(([key, { shape, data }]) => [key, { shape, ...encode(key, data, half) }] as const)
    .toSorted(([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set(METADATA_KEY, metadata);
  let offset = 0;
  for (const [key, { shape, dtype, data }] of entries) {
    if (header.has(key) || key === METADATA_KEY) throw new SafetensorsError(`tensor name "${key}" is already taken`);
    if (elementCount(shape) !== data.length) {
      throw new SafetensorsError(`tensor "${key}" has ${data.length} elements, its shape is [${shape}]`);
    }
    header.set(key, { dtype, shape, data_offsets: [offset, offset + data.byteLength] });
    offset += data.byteLength;
  }

  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(LENGTH_BYTES + headerLength + offset);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength), true);
  bytes.fill(0x20, LENGTH_BYTES, LENGTH_BYTES + headerLength);
  bytes.set(json, LENGTH_BYTES);
  let position = LENGTH_BYTES + headerLength;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return bytes;
}

type Fail = (problem: string) => never;

function readHeader(bytes: Uint8Array, fail: Fail): { header: object; dataStart: number } {
  if (bytes.byteLength < LENGTH_BYTES) fail(`${bytes.byteLength} bytes are too few for a safetensors file`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) fail(`a header of ${length} bytes: not a safetensors file`);
  const dataStart = LENGTH_BYTES + Number(length);
  if (dataStart > bytes.byteLength) {
    fail(`truncated: the header ends at byte ${dataStart}, the file has ${bytes.byteLength}`);
  }
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(LENGTH_BYTES, dataStart));
    header = JSON.parse(text);
  } catch (cause) {
    fail(`the header is not valid JSON (${(cause as Error).message})`);
  }
  if (!isObject(header)) return fail("the header is not a JSON object");
  return { header, dataStart };
}

function checkMetadata(value: unknown, fail: Fail): Record<string, string> {
  if (!isObject(value)) return fail(`${METADATA_KEY} is not an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== "string") fail(`${METADATA_KEY} "${key}" is not a string`);
  }
  return value as Record<string, string>;
}

function checkEntry(key: string, value: unknown, dataLength: number, fail: Fail) {
  if (!isObject(value)) return fail(`tensor "${key}" is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype !== "string" || !DTYPES.includes(dtype)) {
    return fail(`tensor "${key}" has dtype ${JSON.stringify(dtype)}, supported are ${DTYPES.join(", ")}`);
  }
  if (!isCountArray(shape)) return fail(`tensor "${key}" has the malformed shape ${JSON.stringify(shape)}`);
  if (!isCountArray(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail(`tensor "${key}" has the malformed data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets;
  if (end > dataLength) {
    fail(`truncated: tensor "${key}" ends at byte ${end} of the data, which has ${dataLength} bytes`);
  }
  const size = arrayOf(dtype as SafetensorsDtype).BYTES_PER_ELEMENT;
  // A product beyond 2^53 is inexact, and then larger than any real file: it can never equal end - begin.
  if (elementCount(shape) * size !== end - begin) {
    fail(`tensor "${key}" of ${dtype} [${shape}] does not fit its ${end - begin} bytes`);
  }
  return { dtype: dtype as SafetensorsDtype, shape, begin, end };
}

/** The array that holds the stored bits. */
function arrayOf(dtype: SafetensorsDtype) {
  return isWidened(dtype) ? Uint16Array : ARRAY_OF[dtype];
}

const isWidened = (dtype: SafetensorsDtype): dtype is keyof typeof WIDEN => dtype in WIDEN;

function decode(bytes: Uint8Array, dtype: SafetensorsDtype, start: number, length: number): SafetensorsData {
  const stored = viewOrCopy(bytes, arrayOf(dtype), start, length);
  return isWidened(dtype) ? WIDEN[dtype](stored as Uint16Array) : (stored as SafetensorsData);
}

function viewOrCopy(bytes: Uint8Array, Type: ReturnType<typeof arrayOf>, start: number, length: number) {
  const absolute = bytes.byteOffset + start;
  const count = length / Type.BYTES_PER_ELEMENT;
  if (absolute % Type.BYTES_PER_ELEMENT === 0) return new Type(bytes.buffer as ArrayBuffer, absolute, count);
  // Not slice(), which in a Buffer is a view.
  return new Type(new Uint8Array(bytes.subarray(start, start + length)).buffer);
}

function encode(key: string, data: SafetensorsData, half: boolean) {
  if (!half || !(data instanceof Float32Array)) return { dtype: dtypeOf(data), data };
  const narrow = narrowHalf(data);
  const lost = data.findIndex((value, i) => Number.isFinite(value) && (narrow[i] & 0x7fff) === 0x7c00);
  if (lost >= 0) throw new SafetensorsError(`tensor "${key}" holds ${data[lost]}, more than F16 can`);
  return { dtype: "F16" as const, data: narrow };
}

function dtypeOf(data: SafetensorsData): SafetensorsDtype {
  const found = Object.entries(ARRAY_OF).find(([, Type]) => data instanceof Type);
  if (!found) throw new SafetensorsError(`${data.constructor.name} has no safetensors dtype here`);
  return found[0] as SafetensorsDtype;
}

const elementCount = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isCountArray = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
