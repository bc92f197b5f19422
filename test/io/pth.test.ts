import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { UserError } from "../../src/errors.ts";
import { PthError, parsePth } from "../../src/io/pth.node.ts";
import { parseSafetensors, serializeSafetensors } from "../../src/io/safetensors.ts";
import type { StoredTensor } from "../../src/io/safetensors.ts";
import { parseStateFile } from "../../src/io/state_file.node.ts";
import { BatchNorm2d, Conv2d, ReLU, Sequential } from "../../src/nn/layers.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { assertClose } from "../support/compare.ts";
import { testGpu } from "../support/gpu.ts";
import { mutate } from "../support/mutate.ts";
import { runPython, torchVersion } from "../support/python.ts";
import { assertRejects } from "../support/throws.ts";
import { zipOf } from "../support/zip.ts";

const CARRIED = fileURLToPath(new URL("./pth_files/", import.meta.url));
const SCRIPT = fileURLToPath(new URL("make_pth.py", import.meta.url));
const KINDS = ["zip", "zip_protocol4", "legacy", "legacy_protocol4", "deflated", "training", "training_legacy"];

/** Every tensor as PyTorch itself wrote it into the safetensors file beside: shape, type and each value, -0 too. */
function assertSameTensors(folder: string, name: string): void {
  const found = parseStateFile(readFileSync(join(folder, `${name}.pth`)), name).tensors;
  const expected = parseSafetensors(readFileSync(join(folder, `${name}.safetensors`))).tensors;
  assert.equal([...found.keys()], [...expected.keys()]);
  for (const [key, tensor] of expected) assertSame(`${name} ${key}`, found.get(key)!, tensor);
}

type Found = Pick<StoredTensor, "shape" | "data">;

function assertSame(label: string, found: Found, expected: Found): void {
  assert.equal(found.shape, expected.shape, label);
  assert.is(found.data.constructor, expected.data.constructor, label);
  assert.is(found.data.length, expected.data.length, label);
  const differs = found.data.findIndex((value: number | bigint, i: number) => !Object.is(value, expected.data[i]));
  assert.is(differs, -1, `${label}: element ${differs}`);
}

for (const name of KINDS) test(`carried file ${name}`, () => assertSameTensors(CARRIED, name));

test("where files begin in memory makes no difference", () => {
  for (const name of ["zip", "legacy"]) {
    const bytes = readFileSync(join(CARRIED, `${name}.pth`));
    const whole = parseStateFile(bytes, name).tensors;
    for (const offset of [1, 4]) {
      const moved = Buffer.concat([Buffer.alloc(offset), bytes]).subarray(offset);
      for (const [key, tensor] of parseStateFile(moved, name).tensors) assertSame(key, tensor, whole.get(key)!);
    }
  }
});

test("a stored archive in order costs no copies; views of one storage share it", () => {
  const bytes = new Uint8Array(readFileSync(join(CARRIED, "zip.pth")));
  const { tensors } = parseStateFile(bytes, "zip");
  const [shared, row] = [tensors.get("shared")!.data, tensors.get("row")!.data];
  assert.is(shared.buffer, bytes.buffer);
  assert.is(row.byteOffset, shared.byteOffset + 2 * 6 * 4);
});

test("what stands beside the weights is plain data", () => {
  for (const name of ["training", "training_legacy"]) {
    const value = parsePth(readFileSync(join(CARRIED, `${name}.pth`)), name) as ReadonlyMap<string, unknown>;
    assert.is(value.get("cur_epoch"), 3);
    assert.is(value.get("cur_iter"), 2 ** 40);
    assert.equal(value.get("names"), ["a", [null, true, new Uint8Array(Buffer.from("bytes"))]]);
    assert.equal([value.get("device"), value.get("dtype"), value.get("size")], ["cpu", "float16", [2, 3]]);
  }
});

test("safetensors lose the prefix of DataParallel too; a name that only some have is kept", () => {
  const tensor = { shape: [1], data: Float32Array.of(1) };
  const names = (...keys: string[]) => {
    const bytes = serializeSafetensors(keys.map((key) => [key, tensor] as const));
    return [...parseStateFile(bytes, "x").tensors.keys()];
  };
  assert.equal(names("module.a", "module.b.weight"), ["a", "b.weight"]);
  assert.equal(names("module.a", "b"), ["module.a", "b"]);
});

const latin = (text: string): Uint8Array => Buffer.from(text, "latin1");
/** A pickle of protocol 2, and the two kinds of file with it in the place of the value. */
const pickle = (body: string): Uint8Array => latin(`\x80\x02${body}.`);
const zip = (value: Uint8Array, beside: Record<string, Uint8Array> = {}): Uint8Array =>
  zipOf({ "a/data.pkl": value, ...beside });
const MAGIC = pickle("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19");
const head = (endian = "\x88"): Uint8Array[] => [MAGIC, pickle("M\xe9\x03"), pickle(`}U\x0dlittle_endian${endian}s`)];
const legacy = (value: Uint8Array): Uint8Array => Buffer.concat([...head(), value, pickle("]")]);

const id = (type: string, key: string, count: string): string =>
  `(U\x07storagectorch\n${type}\nU\x01${key}U\x03cpu${count}tQ`;
const TWO_FLOATS = id("FloatStorage", "0", "K\x02");
const tensor = (shape: string, strides: string, offset = "K\x00", storage = TWO_FLOATS): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${storage}${offset}${shape}${strides}\x89}tR`;
const floats = { "a/data/0": new Uint8Array(Float32Array.of(5, 6).buffer) };

test("64-bit archives", () => {
  const dict = pickle(`}U\x01x${tensor("K\x02\x85", "K\x01\x85")}s`);
  const bytes = zipOf({ "a/data.pkl": dict, ...floats }, { zip64: true });
  assert.equal([...parseStateFile(bytes, "x").tensors.get("x")!.data], [5, 6]);
});

const HOSTILE: [what: string, value: Uint8Array, ...message: string[]][] = [
  ["GLOBAL and REDUCE", pickle("cposix\nsystem\nU\x02id\x85R"), "posix.system", "run programs"],
  ["the builtins", pickle("c__builtin__\neval\nU\x011\x85R"), "__builtin__.eval"],
  ["STACK_GLOBAL", latin("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R."), "os.system"],
  ["a name through attributes", latin("\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93)R."), "__init__"],
  ["a prototype's name", pickle("ctorch\n__proto__\n)R"), "torch.__proto__"],
  ["INST", pickle("(U\x02idiposix\nsystem\n"), "instruction 0x69"],
  ["EXT1", pickle("\x82\x01"), "instruction 0x82"],
  ["protocol 0", latin("\x80\x00N."), "protocol 0"],
  ["a call of data", pickle("U\x01x)R"), "a call of the text"],
  ["a call without arguments", pickle("ccollections\nOrderedDict\nNR"), "None as its arguments"],
  ["a state for data", pickle("K\x01}b"), "a state for 1"],
  ["deep nesting", pickle("(".repeat(100_000)), "levels deep"],
  ["a tall stack", pickle("]".repeat(100_000)), "values are nested"],
  ["many steps", pickle("N0".repeat(600_000)), "more than 1000000 steps"],
  ["a huge LONG", pickle(`\x8b\x00\x00\x10\x00${"\x7f".repeat(2 ** 20)}`), "an integer of 1048576 bytes"],
  ["a LONG beyond the end", pickle("\x8b\xff\xff\xff\x7f"), "an integer of 2147483647 bytes"],
  ["a text beyond the end", pickle("X\xff\xff\xff\x7f"), "a text of 2147483647 bytes"],
  ["bytes beyond the end", latin("\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff."), "truncated", "18446744073709551615"],
  ["an empty memo", pickle("h\x07"), "memo 7 is empty"],
  ["values below a mark", pickle("K\x01(a"), "1 values wanted from a stack of 0"],
  ["an item for a number", pickle("K\x01K\x02a"), "an item for 1"],
  ["a key alone", pickle("}(K\x01u"), "a key without a value"],
  ["text that is none", pickle("X\x01\x00\x00\x00\xff"), "not UTF-8"],
  ["no end", latin("\x80\x02N"), "truncated"],
  ["two values", pickle("NN"), "ends with 2 values"],
  ["another persistent id", pickle("U\x01xQ"), "not a storage"],
  ["an unknown storage", pickle(id("ComplexFloatStorage", "0", "K\x01")), "torch.ComplexFloatStorage"],
  ["a missing storage", pickle(tensor(")", ")", "K\x00", id("FloatStorage", "7", "K\x02"))), "7", "missing"],
  ["a tensor beyond its storage", pickle(tensor("K\x03\x85", "K\x01\x85")), "[3]", "a storage of 2"],
  ["a stride beyond its storage", pickle(tensor("K\x02\x85", "K\x02\x85")), "strides [2]"],
  ["an offset beyond its storage", pickle(tensor(")", ")", "K\x02")), "from 2"],
  ["a negative shape", pickle(tensor("J\xff\xff\xff\xff\x85", "K\x01\x85")), "malformed shape"],
  ["a shape without strides", pickle(tensor("K\x01\x85", ")")), "malformed shape"],
  ["33 axes", pickle(tensor(`(${"K\x01".repeat(33)}t`, `(${"K\x01".repeat(33)}t`)), "33 axes"],
  ["a tensor of no storage", pickle(tensor(")", ")", "K\x00", "N")), "a tensor of None"],
];

for (const [what, value, ...message] of HOSTILE) {
  test(`refused: ${what}`, async () => {
    // The older form has its storages behind the pickle, and more pickles behind that: these need the newer one.
    const kinds = [zip(value, floats), ...(/storage|stride|offset|no end/.test(what) ? [] : [legacy(value)])];
    for (const bytes of kinds) await assertRejects(() => parsePth(bytes, "f.pth"), PthError, "f.pth: ", ...message);
  });
}

test("bombs: a list that doubles itself costs nothing, a tensor larger than its file is refused", async () => {
  const doubled = Array.from({ length: 200 }, (_, i) => "q?0]h?ah?a".replaceAll("?", String.fromCharCode(i)));
  assert.is((parsePth(zip(pickle(`]${doubled.join("")}`)), "f.pth") as readonly unknown[]).length, 2);
  const expanded = pickle(`}U\x01x${tensor("J\xff\xff\xff\x7f\x85", "K\x00\x85")}s`);
  const bytes = zip(expanded, floats);
  await assertRejects(() => parseStateFile(bytes, "f.pth"), PthError, "f.pth: ", "unfold to more than 4 times");
});

const BROKEN: [what: string, bytes: Uint8Array, ...message: string[]][] = [
  ["nothing", new Uint8Array(0), "0 bytes that begin with nothing"],
  ["a web page", latin("<!DOCTYPE html>"), "neither a ZIP archive nor a pickle", "3c 21 44"],
  ["an archive of something else", zipOf({ "a/b.txt": latin("x") }), "0 entries data.pkl"],
  ["a program", zip(pickle("N"), { "a/constants.pkl": pickle("N") }), "TorchScript"],
  ["big-endian", zip(pickle("N"), { "a/byteorder": latin("big") }), "big-endian"],
  ["big-endian, legacy", Buffer.concat([...head("\x89"), pickle("N"), pickle("]")]), "big-endian"],
  ["encrypted", zipOf({ "a/data.pkl": pickle("N") }, { encrypted: true }), "a/data.pkl is encrypted"],
  ["another compression", zipOf({ "a/data.pkl": pickle("N") }, { method: 12 }), "compression method 12"],
  ["not deflated after all", zipOf({ "a/data.pkl": pickle("N") }, { method: 8 }), "cannot be inflated"],
  ["another pickle", pickle("U\x10a dict of things"), "pickle of the text", "magic number"],
  ["another version", Buffer.concat([MAGIC, pickle("K\x01")]), "version 1, expected 1001"],
  ["a storage nobody wants", Buffer.concat([...head(), pickle("N"), pickle("]U\x015a")]), 'storage the text "5"'],
  ["more than its storages", Buffer.concat([legacy(pickle("N")), latin("xyz")]), "3 bytes after"],
];

for (const [what, bytes, ...message] of BROKEN) {
  test(`broken file: ${what}`, () => assertRejects(() => parsePth(bytes, "f.pth"), PthError, "f.pth: ", ...message));
}

test("a damaged storage is noticed by its checksum", async () => {
  const bytes = new Uint8Array(readFileSync(join(CARRIED, "zip.pth")));
  const { data } = parseStateFile(bytes.slice(), "f.pth").tensors.get("float64")!;
  bytes[data.byteOffset] ^= 1;
  await assertRejects(() => parseStateFile(bytes, "f.pth"), PthError, "checksum", "data/");
});

test("files without a state_dict say what they have", async () => {
  const module = readFileSync(join(CARRIED, "module.pth"));
  const name = "torch.nn.modules.container.Sequential";
  await assertRejects(() => parseStateFile(module, "m.pth"), PthError, "m.pth", name);
  const refused = (body: string, ...message: string[]) =>
    assertRejects(() => parseStateFile(zip(pickle(body)), "f.pth"), PthError, "f.pth", ...message);
  await refused("K\x05", "5, expected a state_dict");
  await refused("}", "empty dict");
  await refused("}U\x05epochK\x03s", 'the text "epoch" is 3', "under model or state_dict");
});

test("700 damaged files of each kind give a typed error or a file, and quickly", () => {
  const begun = performance.now();
  for (const name of ["zip.pth", "legacy.pth", "deflated.pth", "training_legacy.pth", "zip.safetensors"]) {
    const whole = new Uint8Array(readFileSync(join(CARRIED, name)));
    let refused = 0;
    for (let number = 0; number < 700; number++) {
      try {
        parseStateFile(mutate(whole, number), name);
      } catch (error) {
        assert.instance(error, UserError, `${name}, mutation ${number}: ${(error as Error).stack}`);
        assert.match((error as Error).message, name);
        refused++;
      }
    }
    assert.ok(refused > 400, `${name}: only ${refused} were refused`);
  }
  assert.ok(performance.now() - begun < 60_000);
});

if (!torchVersion) console.log("skipped: files from and for PyTorch (no python3 here has torch)");
const withTorch = torchVersion ? test : test.skip;
const folder = mkdtempSync(join(tmpdir(), "pth-"));
test.after(() => rmSync(folder, { recursive: true }));

withTorch("files of the PyTorch that is installed", () => {
  runPython(SCRIPT, "make", folder);
  for (const name of KINDS) assertSameTensors(folder, name);
});

withTorch("PyTorch loads what we write, strictly, and computes the same with it", async () => {
  const gpu = await testGpu();
  using _ = gpu.arena();
  const layers = [new Conv2d(3, 4, [3, 2]), new BatchNorm2d(4), new ReLU(), new Conv2d(4, 2, 1, { bias: false })];
  const net = new Sequential(...layers).initialize(gpu, 3);
  const image = Float32Array.from({ length: 2 * 3 * 5 * 4 }, (_, i) => Math.sin(i)); // NCHW
  const pixels = Float32Array.from(image, (_, i) => {
    const [c, x, y, n] = [i % 3, Math.floor(i / 3) % 4, Math.floor(i / 12) % 5, Math.floor(i / 60)];
    return image[((n * 3 + c) * 5 + y) * 4 + x];
  });
  const x = Tensor.from(gpu, pixels, [2, 5, 4, 3]);
  net.forward(x); // so that the running statistics are not those of the beginning
  const file = join(folder, "ours.safetensors");
  writeFileSync(file, serializeSafetensors(await net.stateDict()));
  const checked = JSON.parse(runPython(SCRIPT, "check", file)) as { kinds: Record<string, unknown>; output: number[] };
  const { kinds, output } = checked;
  assert.equal(kinds["0.weight"], ["torch.float32", [4, 3, 3, 2]]);
  assert.equal(kinds["1.num_batches_tracked"], ["torch.int64", []]);
  const y = net.eval().forward(x); // [2, 3, 3, 2]
  const ours = await y.data();
  const nchw = ours.map((_, i) => {
    const [place, channel, n] = [i % 9, Math.floor(i / 9) % 2, Math.floor(i / 18)];
    return ours[(n * 9 + place) * 2 + channel];
  });
  assertClose("output", nchw, output, [2, 2, 3, 3], { rtol: 1e-5, atol: 1e-6 });
});

test.run();
