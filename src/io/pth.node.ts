/**
 * Files of `torch.save`: the ZIP archives of PyTorch 1.6 and later, and the pickles with raw storages behind them of
 * before. Nothing in them is run; see pickle.ts.
 * Source of the formats: PyTorch's torch/serialization.py.
 */
import { UserError } from "../errors.ts";
import { describeValue, unpickle } from "./pickle.ts";
import type { PickleWorld } from "./pickle.ts";
import type { Fail } from "./pickle_bytes.ts";
import { Storage, StorageType, TorchTensor, torchGlobals } from "./torch_objects.ts";
import type { Allow, TorchDtype } from "./torch_objects.ts";
import { ZipArchive } from "./zip.node.ts";

/** The bytes are not a file of `torch.save`, damaged, or ask for what only Python could do. */
export class PthError extends UserError {
  override name = "PthError";
}

/** None, numbers, text, bytes, tensors, lists (also for tuples) and dicts. */
export type PthValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | TorchTensor
  | readonly PthValue[]
  | ReadonlyMap<PthValue, PthValue>;

/** The copies of a file's data together may have this many times its size, and a little for small files. */
const MAX_UNFOLDED = 4;
const SMALL_BYTES = 2 ** 20;

/** torch/serialization.py: MAGIC_NUMBER and PROTOCOL_VERSION of the form before ZIP. */
const MAGIC_NUMBER = 0x1950a86a20f9469cfc6cn;
const PROTOCOL_VERSION = 1001;

export const isZip = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3;

/** A pickle, and not a safetensors file: as the length of its header these bytes would exceed the limit. */
export const isPickle = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && bytes[3] > 5;

/**
 * Reads a whole file held in memory. Tensors are views of it where they lie there in order; what they cost beyond that
 * is bounded by the size of the file.
 *
 * @param name what to call the file in errors
 * @throws PthError saying what was found: also when a global is not among what torchGlobals allows
 */
export function parsePth(bytes: Uint8Array, name = "PyTorch file"): PthValue {
  const fail: Fail = (problem) => {
    throw new PthError(`${name}: ${problem}`);
  };
  let left = MAX_UNFOLDED * bytes.length + SMALL_BYTES;
  const allow: Allow = (amount) => {
    left -= amount;
    if (left < 0) fail(`its contents unfold to more than ${MAX_UNFOLDED} times its ${bytes.length} bytes`);
  };
  if (isZip(bytes)) return parseZip(bytes, fail, allow);
  if (isPickle(bytes)) return parseLegacy(bytes, fail, allow);
  const found = Array.from(bytes.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return fail(`neither a ZIP archive nor a pickle: ${bytes.length} bytes that begin with ${found || "nothing"}`);
}

function parseZip(bytes: Uint8Array, fail: Fail, allow: Allow): PthValue {
  const archive = new ZipArchive(bytes, fail, allow);
  const suffix = "/data.pkl";
  const pickles = [...archive.entries.values()].filter(({ name }) => name.endsWith(suffix));
  const root = pickles[0]?.name.slice(0, -suffix.length);
  if (pickles.length !== 1) fail(`${pickles.length} entries data.pkl, expected one: no archive of torch.save`);
  if (archive.entries.has(`${root}/constants.pkl`)) fail("a TorchScript program, expected torch.save's state_dict");
  const order = archive.entries.get(`${root}/byteorder`);
  if (order) requireLittleEndian(new TextDecoder().decode(archive.read(order)) === "little", fail);
  const contents = new Map<string, () => Uint8Array>();
  const persistent = (id: unknown): Storage => {
    const { key, dtype, count } = storageId(id, fail);
    const entry = archive.entries.get(`${root}/data/${key}`) ?? fail(`the entry data/${key} is missing`);
    if (entry.size < count * dtype.bytes) {
      fail(`damaged: ${entry.size} bytes in data/${key}, expected ${count} elements of ${dtype.name}`);
    }
    const content = contents.get(key) ?? once(() => archive.read(entry));
    contents.set(key, content);
    return new Storage(dtype, count, content);
  };
  const world: PickleWorld = { globals: torchGlobals(fail, allow), persistent, fail };
  return unpickle(archive.read(pickles[0]), 0, world).value as PthValue;
}

/** Five pickles (magic number, version, the writer's machine, the value, the storages' keys), then the storages. */
function parseLegacy(bytes: Uint8Array, fail: Fail, allow: Allow): PthValue {
  const storages = new Map<string, { dtype: TorchDtype; count: number; bytes: Uint8Array | null }>();
  const persistent = (id: unknown): Storage => {
    const { key, dtype, count, view } = storageId(id, fail);
    const storage = storages.get(key) ?? { dtype, count, bytes: null };
    storages.set(key, storage);
    if (storage.dtype !== dtype || storage.count !== count) fail(`damaged: storage ${key} is described in two ways`);
    if (view && view.offset + view.count > count) fail(`damaged: a view beyond the ${count} elements of ${key}`);
    const { offset, count: viewed } = view ?? { offset: 0, count };
    const content = (): Uint8Array => {
      const whole = storage.bytes ?? fail(`the storage ${key} is missing`);
      return whole.subarray(offset * dtype.bytes, (offset + viewed) * dtype.bytes);
    };
    return new Storage(dtype, viewed, content);
  };
  const world: PickleWorld = { globals: torchGlobals(fail, allow), persistent, fail };
  let position = 0;
  const next = (): unknown => {
    const { value, end } = unpickle(bytes, position, world);
    position = end;
    return value;
  };
  const magic = next();
  if (magic !== MAGIC_NUMBER) fail(`a pickle of ${describeValue(magic)}; torch.save begins with its magic number`);
  const version = next();
  if (version !== PROTOCOL_VERSION) fail(`format version ${describeValue(version)}, expected ${PROTOCOL_VERSION}`);
  const machine = next();
  if (!(machine instanceof Map)) fail(`${describeValue(machine)} instead of what machine wrote it`);
  requireLittleEndian((machine as Map<unknown, unknown>).get("little_endian") === true, fail);
  const value = next() as PthValue;
  const keys = next();
  if (!Array.isArray(keys)) return fail(`damaged: ${describeValue(keys)} instead of the list of its storages`);

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of keys) {
    const storage = storages.get(String(key)) ?? fail(`damaged: nothing refers to storage ${describeValue(key)}`);
    const end = position + 8 + storage.count * storage.dtype.bytes;
    if (end > bytes.length) fail(`truncated: storage ${key} ends at byte ${end}, the file has ${bytes.length}`);
    const count = view.getBigInt64(position, true);
    if (count !== BigInt(storage.count)) fail(`damaged: ${count} elements in ${key}, expected ${storage.count}`);
    storage.bytes = bytes.subarray(position + 8, end);
    position = end;
  }
  for (const [key, { bytes: content }] of storages) if (!content) fail(`the storage ${key} is missing`);
  if (position !== bytes.length) fail(`damaged: ${bytes.length - position} bytes after the last storage`);
  return value;
}

interface StorageId {
  readonly key: string;
  readonly dtype: TorchDtype;
  readonly count: number;
  /** A part of the storage, as the form before ZIP may have it; all in elements. */
  readonly view: { readonly offset: number; readonly count: number } | null;
}

/** ("storage", its class, key, device, number of elements, perhaps (key of the view, offset, number)). */
function storageId(id: unknown, fail: Fail): StorageId {
  const [kind, type, key, , count, view] = Array.isArray(id) ? (id as unknown[]) : [];
  const isKey = typeof key === "string" || typeof key === "number";
  if (kind !== "storage" || !(type instanceof StorageType) || !isKey || !isCount(count)) {
    return fail(`it refers to ${describeValue(kind)}, ${describeValue(key)}, ${describeValue(count)}: not a storage`);
  }
  const [, offset, viewed] = Array.isArray(view) ? (view as unknown[]) : [];
  if (view && !(isCount(offset) && isCount(viewed))) return fail(`damaged: a malformed view of storage ${key}`);
  const part = view ? { offset: offset as number, count: viewed as number } : null;
  return { key: String(key), dtype: type.dtype, count, view: part };
}

function requireLittleEndian(isLittle: boolean, fail: Fail): void {
  if (!isLittle) fail("written on a big-endian machine, whose byte order is not read; save it anew on another one");
}

function once<T>(compute: () => T): () => T {
  let result: { value: T } | null = null;
  return () => (result ??= { value: compute() }).value;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
