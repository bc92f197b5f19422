import { existsSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  parseSafetensors,
  type SafetensorsData,
  SafetensorsError,
  serializeSafetensors,
} from "../../src/io/safetensors.ts";
import { mutate } from "../support/mutate.ts";
import { assertRejects } from "../support/throws.ts";

/** A file with the given header object (or text) and `dataLength` bytes of data. */
function file(header: unknown, dataLength = 0): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** A file with the tensor "a" of 16-bit elements. */
function fileOf(dtype: string, bits: Uint16Array): Uint8Array {
  const whole = file({ a: entry(dtype, [bits.length], [0, bits.byteLength]) }, bits.byteLength);
  whole.set(new Uint8Array(bits.buffer), whole.length - bits.byteLength);
  return whole;
}

const entry = (dtype: unknown, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets });

const bytesOf = (data: SafetensorsData) => [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];

const EXAMPLES: [string, { shape: number[]; data: SafetensorsData }][] = [
  ["odd", { shape: [3], data: Uint8Array.of(1, 2, 255) }],
  ["weight", { shape: [2, 3], data: Float32Array.of(1, -0, NaN, Infinity, 1e-45, 3) }],
  ["scalar", { shape: [], data: Int32Array.of(-7) }],
  ["counter", { shape: [1], data: BigInt64Array.of(-(2n ** 63n)) }],
  ["empty", { shape: [0, 4], data: new Float32Array(0) }],
  ["__proto__", { shape: [1], data: Float64Array.of(Math.PI) }],
  ["small", { shape: [2], data: Int16Array.of(-1, 300) }],
];

test("what is written is read back, bit for bit, from any offset in memory", () => {
  const written = serializeSafetensors(EXAMPLES, { seed: "1", note: "ä\u2028" });
  for (const offset of [0, 1, 4]) {
    const memory = new Uint8Array(offset + written.length);
    memory.set(written, offset);
    const { metadata, tensors } = parseSafetensors(memory.subarray(offset));
    assert.equal(metadata, { seed: "1", note: "ä\u2028" });
    assert.is(tensors.size, EXAMPLES.length);
    for (const [name, { shape, data }] of EXAMPLES) {
      const found = tensors.get(name)!;
      assert.equal(found.shape, shape);
      assert.is(found.data.constructor, data.constructor);
      assert.equal(bytesOf(found.data), bytesOf(data));
    }
  }
});

test("the data starts at a multiple of 8, so that an aligned file is read without copies", () => {
  const written = serializeSafetensors(EXAMPLES);
  assert.is(Number(new DataView(written.buffer).getBigUint64(0, true)) % 8, 0);
  for (const { data } of parseSafetensors(written).tensors.values()) assert.is(data.buffer, written.buffer);
});

test("writing refuses a shape that does not fit and a name used twice", async () => {
  const data = new Float32Array(3);
  const square = { shape: [2, 2], data };
  await assertRejects(() => serializeSafetensors([["w", square]]), SafetensorsError, '"w"', "3 elements");
  const row = { shape: [3], data };
  await assertRejects(() => serializeSafetensors([["w", row], ["w", row]]), SafetensorsError, '"w"', "already taken");
  await assertRejects(() => serializeSafetensors([["__metadata__", row]]), SafetensorsError, "already taken");
});

/** Numbers and the bits of their nearest halves: ties go to the even one, and carry where the fraction is full. */
const HALVES: readonly (readonly [number, number])[] = [
  [0, 0], [-0, 0x8000], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [65519.99, 0x7bff], [Infinity, 0x7c00],
  [2 ** -14, 0x0400], [2 ** -24, 0x0001], [2 ** -25, 0x0000], [1.0001 * 2 ** -25, 0x0001], [1e-45, 0x0000],
  [1023.5 * 2 ** -24, 0x0400], [1 + 2 ** -11, 0x3c00], [1 + 3 * 2 ** -11, 0x3c02], [2 - 2 ** -12, 0x4000],
  [0.1, 0x2e66], [-1 / 3, 0xb555],
];

test("halves are written to the nearest, read as f32 from any offset, and counters beside them stay whole", async () => {
  const numbers = Float32Array.from([...HALVES.map(([number]) => number), NaN]);
  const counter = { shape: [1], data: BigInt64Array.of(2n ** 40n) };
  const written = serializeSafetensors(
    [["h", { shape: [numbers.length], data: numbers }], ["n", counter]], {}, { half: true },
  );
  const memory = new Uint8Array(1 + written.length);
  memory.set(written, 1);
  const { tensors } = parseSafetensors(memory.subarray(1));
  const found = tensors.get("h")!;
  assert.is(found.dtype, "F16");
  const every = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  const widened = parseSafetensors(fileOf("F16", every)).tensors.get("a")!.data as Float32Array;
  assert.equal([...found.data], [...HALVES.map(([, bits]) => widened[bits]), NaN]);
  assert.equal(tensors.get("n")!.data, counter.data);

  // Every half is what it is, whatever its bits.
  const again = serializeSafetensors([["a", { shape: [65536], data: widened }]], {}, { half: true });
  const twice = parseSafetensors(again).tensors.get("a")!.data;
  assert.equal(new Uint32Array(twice.buffer), new Uint32Array(widened.map((x) => (Number.isNaN(x) ? NaN : x)).buffer));

  const large = { shape: [2], data: Float32Array.of(1, -70000) };
  await assertRejects(() => serializeSafetensors([["w", large]], {}, { half: true }), SafetensorsError, '"w"', "-70000");
});

test("bfloat16 is the upper half of f32", () => {
  const { dtype, data } = parseSafetensors(fileOf("BF16", Uint16Array.of(0x3f80, 0xc049, 0x0001, 0x7f80))).tensors.get("a")!;
  assert.is(dtype, "BF16");
  assert.equal([...data], [1, -3.140625, 2 ** -133, Infinity]);
});

const BROKEN: [what: string, bytes: Uint8Array, ...message: string[]][] = [
  ["no length", new Uint8Array(5), "5 bytes are too few"],
  ["huge header length", new Uint8Array(64).fill(0xff), "not a safetensors file"],
  ["cut header", file({}).slice(0, 9), "truncated", "10", "9"],
  ["no JSON", file("{nope"), "not valid JSON"],
  ["not UTF-8", Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0xff), "not valid JSON"],
  ["array header", file("[]"), "not a JSON object"],
  ["metadata value", file({ __metadata__: { epoch: 3 } }), "__metadata__", '"epoch"'],
  ["dtype", file({ a: entry("F8_E4M3", [1], [0, 1]) }, 1), '"a"', '"F8_E4M3"', "supported are", "BF16"],
  ["inherited dtype", file({ a: entry("toString", [1], [0, 2]) }, 2), '"toString"'],
  ["shape", file({ a: entry("F32", [-1], [0, 4]) }, 4), '"a"', "shape [-1]"],
  ["fractional shape", file({ a: entry("F32", [0.5, 2], [0, 4]) }, 4), "shape"],
  ["offsets", file({ a: entry("F32", [1], [4, 0]) }, 4), "data_offsets [4,0]"],
  ["cut data", file({ a: entry("F32", [2], [0, 8]) }, 7), "truncated", "byte 8", "7 bytes"],
  ["size of halves", file({ a: entry("F16", [2], [0, 8]) }, 8), '"a"', "does not fit its 8 bytes"],
  ["size", file({ a: entry("F32", [3], [0, 8]) }, 8), '"a"', "does not fit its 8 bytes"],
  ["overflowing size", file({ a: entry("U8", [2 ** 32, 2 ** 32], [0, 0]) }), "does not fit"],
  ["infinite size", file({ a: entry("U8", [...Array(20).fill(2 ** 52), 0], [0, 8]) }, 8), "does not fit"],
  ["overlap", file({ a: entry("U8", [4], [0, 4]), b: entry("U8", [4], [2, 6]) }, 6), '"b"', "overlaps"],
  ["gap", file({ a: entry("U8", [1], [0, 1]), b: entry("U8", [1], [3, 4]) }, 4), "2 bytes before", '"b"'],
  ["rest", file({ a: entry("U8", [1], [0, 1]) }, 4), "3 bytes after the last tensor"],
  ["null entry", file({ a: null }), '"a"', "object"],
];

for (const [what, bytes, ...message] of BROKEN) {
  test(`broken file: ${what}`, () =>
    assertRejects(() => parseSafetensors(bytes, "model"), SafetensorsError, "model: ", ...message));
}

test("1000 damaged files give a typed error or a file", () => {
  const whole = serializeSafetensors(EXAMPLES, { seed: "1" });
  let refused = 0;
  for (let number = 0; number < 1000; number++) {
    try {
      parseSafetensors(mutate(whole, number));
    } catch (error) {
      assert.instance(error, SafetensorsError, `mutation ${number}: ${error}`);
      refused++;
    }
  }
  assert.ok(refused > 500, `only ${refused} were refused`);
});

const FIXTURE = new URL("../../../shared/fixtures/ops/relu.safetensors", import.meta.url);
if (!existsSync(FIXTURE)) console.log("skipped: reading a fixture file, because ../shared/fixtures is absent");
(existsSync(FIXTURE) ? test : test.skip)("reads a file that another program wrote", () => {
  const { metadata, tensors } = parseSafetensors(readFileSync(FIXTURE));
  const cases = JSON.parse(metadata.cases) as { id: string; inputs: string[] }[];
  for (const { id, inputs } of cases) for (const name of inputs) assert.ok(tensors.has(`${id}.${name}`));
});

test.run();
