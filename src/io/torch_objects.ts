/** What the pickles of `torch.save` speak of: storages, tensors as views of them, and the few plain classes beside. */
import { widenBfloat, widenHalf } from "./half.ts";
import { PickleFunction, describeValue } from "./pickle.ts";
import type { Stateful } from "./pickle.ts";
import type { Fail } from "./pickle_bytes.ts";
import type { SafetensorsData } from "./safetensors.ts";

/** How the elements of a storage lie in a file, and what reads them. */
export interface TorchDtype {
  readonly name: string;
  readonly bytes: number;
  /** Elements at the start of `buffer` at a byte offset that suits their size. */
  readonly view: (buffer: ArrayBuffer, offset: number, count: number) => SafetensorsData | Uint16Array;
  /** Where JavaScript has no array of the kind: the exact conversion to one that it has. */
  readonly widen?: (bits: Uint16Array) => Float32Array;
}

const dtype = (
  name: string,
  Type: { BYTES_PER_ELEMENT: number; new (b: ArrayBuffer, o: number, n: number): SafetensorsData | Uint16Array },
  widen?: TorchDtype["widen"],
): TorchDtype => ({ name, bytes: Type.BYTES_PER_ELEMENT, view: (b, o, n) => new Type(b, o, n), widen });

/** By the names of their storages. A bool is a byte of 0 or 1. */
const DTYPES: Readonly<Record<string, TorchDtype>> = {
  FloatStorage: dtype("float32", Float32Array),
  DoubleStorage: dtype("float64", Float64Array),
  HalfStorage: dtype("float16", Uint16Array, widenHalf),
  BFloat16Storage: dtype("bfloat16", Uint16Array, widenBfloat),
  LongStorage: dtype("int64", BigInt64Array),
  IntStorage: dtype("int32", Int32Array),
  ShortStorage: dtype("int16", Int16Array),
  CharStorage: dtype("int8", Int8Array),
  ByteStorage: dtype("uint8", Uint8Array),
  BoolStorage: dtype("bool", Uint8Array),
};

/** A class of storages, which the pickle names in its persistent ids. */
export class StorageType {
  readonly dtype: TorchDtype;

  constructor(type: TorchDtype) {
    this.dtype = type;
  }
}

/** `count` elements in the bytes of a file, which are fetched when they are needed first. */
export class Storage {
  readonly dtype: TorchDtype;
  readonly count: number;
  readonly bytes: () => Uint8Array;

  constructor(type: TorchDtype, count: number, bytes: () => Uint8Array) {
    this.dtype = type;
    this.count = count;
    this.bytes = bytes;
  }
}

/** Takes so many bytes of memory beside the file, or throws. */
export type Allow = (bytes: number) => void;

/** A strided view of a storage. */
export class TorchTensor {
  readonly shape: readonly number[];
  readonly #storage: Storage;
  readonly #offset: number;
  readonly #strides: readonly number[];
  readonly #allow: Allow;

  /** All in elements; the view has to lie within the storage. */
  constructor(storage: Storage, offset: number, shape: readonly number[], strides: readonly number[], allow: Allow) {
    this.#storage = storage;
    this.#offset = offset;
    this.shape = shape;
    this.#strides = strides;
    this.#allow = allow;
  }

  /**
   * The elements in row-major order: a view of the file where they lie there like that, and a copy otherwise. 16-bit
   * floating point becomes 32-bit, bool a byte of 0 or 1.
   */
  data(): SafetensorsData {
    const { widen } = this.#storage.dtype;
    const elements = this.#elements();
    if (!widen) return elements as SafetensorsData;
    this.#allow(4 * elements.length);
    return widen(elements as Uint16Array);
  }

  #elements(): SafetensorsData | Uint16Array {
    const type = this.#storage.dtype;
    const count = elementCount(this.shape);
    const source = this.#storage.bytes();
    const start = this.#offset * type.bytes;
    if (count === 0) return type.view(new ArrayBuffer(0), 0, 0);
    if (isRowMajor(this.shape, this.#strides)) {
      const absolute = source.byteOffset + start;
      if (absolute % type.bytes === 0) return type.view(source.buffer as ArrayBuffer, absolute, count);
      this.#allow(count * type.bytes);
      // Not slice(), which in a Buffer is a view.
      return type.view(new Uint8Array(source.subarray(start, start + count * type.bytes)).buffer, 0, count);
    }
    this.#allow(count * type.bytes);
    const out = new Uint8Array(count * type.bytes);
    let position = 0;
    for (const offset of offsets(this.shape, this.#strides)) {
      const from = start + offset * type.bytes;
      for (let i = 0; i < type.bytes; i++) out[position++] = source[from + i];
    }
    return type.view(out.buffer, 0, count);
  }
}

const elementCount = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Places of the elements in row-major order. */
function* offsets(shape: readonly number[], strides: readonly number[]): Generator<number> {
  const index = shape.map(() => 0);
  let offset = 0;
  for (;;) {
    yield offset;
    let axis = shape.length - 1;
    for (; axis >= 0; axis--) {
      offset += strides[axis];
      if (++index[axis] < shape[axis]) break;
      offset -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

const MAX_RANK = 32;

/** Everything that a checkpoint may refer to by name; anything else, `torch.complex64` included, is refused by name. */
export function torchGlobals(fail: Fail, allow: Allow): ReadonlyMap<string, unknown> {
  const need = (condition: boolean, problem: string): void => {
    if (!condition) fail(`damaged or hostile pickle: ${problem}`);
  };
  const tensor = ([storage, offset, shape, strides]: readonly unknown[]): TorchTensor => {
    if (!(storage instanceof Storage)) return fail(`damaged: a tensor of ${describeValue(storage)}, not of a storage`);
    if (!isCounts(shape) || !isCounts(strides) || !isCounts([offset]) || shape.length !== strides.length) {
      const place = [shape, strides, offset].map(showPlain).join(", ");
      return fail(`damaged: a tensor with the malformed shape, strides and offset ${place}`);
    }
    need(shape.length <= MAX_RANK, `a tensor of ${shape.length} axes, expected at most ${MAX_RANK}`);
    const from = offset as number;
    const last = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], from);
    if (!shape.includes(0) && last >= storage.count) {
      fail(`damaged: a tensor [${shape}] with strides [${strides}] from ${from} in a storage of ${storage.count}`);
    }
    return new TorchTensor(storage, from, shape, strides, allow);
  };
  const rebuild = new PickleFunction(tensor);
  const parameter = new PickleFunction(([data]) => data);
  const size = ([value = []]: readonly unknown[]): unknown =>
    Array.isArray(value) ? value : fail(`damaged: a torch.Size of ${describeValue(value)}`);
  const orderedDict = new PickleFunction(([pairs = []]) => {
    const isPairs = Array.isArray(pairs) && pairs.every((pair) => Array.isArray(pair) && pair.length === 2);
    if (!isPairs) return fail(`damaged: an OrderedDict of ${describeValue(pairs)}`);
    return new Map(pairs as [unknown, unknown][]);
  });
  const numpyScalar = new PickleFunction(([type, bytes]) => readScalar(type, bytes, fail));
  return new Map<string, unknown>([
    ["collections.OrderedDict", orderedDict],
    ["torch._utils._rebuild_tensor", rebuild],
    ["torch._utils._rebuild_tensor_v2", rebuild],
    ["torch._utils._rebuild_parameter", parameter],
    ["torch.Size", new PickleFunction(size)],
    ["torch.device", new PickleFunction((args) => args.map(String).join(":"))],
    ...Object.entries(DTYPES).map(([name, type]) => [`torch.${name}`, new StorageType(type)] as const),
    ...Object.values(DTYPES).map(({ name }) => [`torch.${name}`, name] as const),
    // Bytes of Python 2 and of protocol 2 pass as text through this.
    ["_codecs.encode", new PickleFunction(([text, encoding]) => encodeLatin1(text, encoding, fail))],
    ["numpy.dtype", new PickleFunction(([type]) => new NumpyDtype(type, fail))],
    ["numpy.core.multiarray.scalar", numpyScalar],
    ["numpy._core.multiarray.scalar", numpyScalar],
  ]);
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);

const showPlain = (value: unknown): string =>
  Array.isArray(value) ? `[${value.slice(0, 8).map((n) => describeValue(n))}]` : describeValue(value);

function encodeLatin1(text: unknown, encoding: unknown, fail: Fail): Uint8Array {
  if (typeof text !== "string" || encoding !== "latin1") {
    return fail(`damaged: bytes from ${describeValue(text)} in the encoding ${describeValue(encoding)}`);
  }
  return Uint8Array.from(text, (character) => {
    const code = character.codePointAt(0)!;
    return code < 256 ? code : fail("damaged: bytes from text that is not latin1");
  });
}

/** Little-endian readers of NumPy's scalars, such as a best score beside the weights. */
const SCALARS: Readonly<Record<string, (view: DataView) => number | bigint | boolean>> = {
  f8: (view) => view.getFloat64(0, true),
  f4: (view) => view.getFloat32(0, true),
  i8: (view) => view.getBigInt64(0, true),
  i4: (view) => view.getInt32(0, true),
  i2: (view) => view.getInt16(0, true),
  i1: (view) => view.getInt8(0),
  u8: (view) => view.getBigUint64(0, true),
  u4: (view) => view.getUint32(0, true),
  u2: (view) => view.getUint16(0, true),
  u1: (view) => view.getUint8(0),
  b1: (view) => view.getUint8(0) !== 0,
};

class NumpyDtype implements Stateful {
  readonly name: string;
  readonly #fail: Fail;

  constructor(name: unknown, fail: Fail) {
    if (typeof name !== "string" || !Object.hasOwn(SCALARS, name)) {
      fail(`a NumPy value of type ${describeValue(name)}, supported are ${Object.keys(SCALARS).join(", ")}`);
    }
    this.name = name as string;
    this.#fail = fail;
  }

  /** (version, byte order, ...) */
  setState(state: unknown): void {
    const order: unknown = Array.isArray(state) ? state[1] : undefined;
    if (order !== "<" && order !== "|") this.#fail(`a NumPy value in the byte order ${describeValue(order)}`);
  }
}

function readScalar(type: unknown, bytes: unknown, fail: Fail): number | bigint | boolean {
  const size = type instanceof NumpyDtype ? Number(type.name.slice(1)) : NaN;
  if (!(type instanceof NumpyDtype) || !(bytes instanceof Uint8Array) || bytes.length !== size) {
    return fail(`damaged: a NumPy scalar of ${describeValue(bytes)}`);
  }
  return SCALARS[type.name](new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength));
}
