import { existsSync, readFileSync } from "node:fs";
import { deflateSync } from "node:zlib";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MatError, decodeMat } from "../../src/io/mat.node.ts";
import { MAT_CLASS, MatWriter, matFile } from "../support/mat.ts";
import { mutate } from "../support/mutate.ts";
import { assertRejects } from "../support/throws.ts";

const ROWS = [
  [0, 1, 2],
  [3, 4, 100],
];

test("every numeric class, in both byte orders, compressed or not, comes out in rows", () => {
  const { cell: _, struct: __, ...numeric } = MAT_CLASS;
  for (const littleEndian of [true, false]) {
    for (const compressed of [true, false]) {
      for (const arrayClass of Object.values(numeric)) {
        const writer = new MatWriter({ littleEndian, compressed });
        const file = writer.file([writer.matrix("other", [[7]]), writer.matrix("S", ROWS, arrayClass)]);
        const { height, width, data } = decodeMat(file, ["S"]);
        assert.equal([height, width, ...data], [2, 3, ...ROWS.flat()], `class ${arrayClass}`);
      }
    }
  }
});

test("numbers stored narrower than their class, in small elements, negative and beyond a byte", () => {
  const writer = new MatWriter();
  const read = (rows: number[][], arrayClass: number, type?: number) => {
    return [...decodeMat(writer.file([writer.matrix("labels", rows, arrayClass, type)]), ["labels"]).data];
  };
  assert.equal(read(ROWS, MAT_CLASS.double, 2), ROWS.flat());
  assert.equal(read([[1, 2, 3, 4]], MAT_CLASS.uint8), [1, 2, 3, 4], "four bytes within the tag");
  assert.equal(read([[9]], MAT_CLASS.uint32, 4), [9]);
  assert.equal(read([[-1, -128]], MAT_CLASS.int8), [-1, -128]);
  assert.equal(read([[70000, 2 ** 32 - 1]], MAT_CLASS.uint32), [70000, 2 ** 32 - 1]);
});

test("a matrix in a structure, beside fields of other kinds", () => {
  const writer = new MatWriter();
  const fields = {
    Boundaries: writer.array("", [1, 1], MAT_CLASS.cell, [writer.matrix("", [[1]])]),
    Segmentation: writer.matrix("", ROWS),
    CategoriesPresent: writer.matrix("", [[2]], MAT_CLASS.double),
  };
  const file = writer.file([writer.struct("GTcls", fields)]);
  assert.equal([...decodeMat(file, ["GTcls", "Segmentation"]).data], ROWS.flat());
  assert.throws(() => decodeMat(file, ["GTcls", "Size"], "a.mat"), /a\.mat: GTcls has no field Size; it has Bound/);
  assert.throws(() => decodeMat(file, ["GTcls"], "a.mat"), /GTcls is of class 2; real numbers/);
  assert.throws(() => decodeMat(file, ["GTcls", "Segmentation", "x"]), /GTcls\.Segmentation is of class 9 and size/);
});

test("what cannot be read is refused with the file's name and the reason", async () => {
  const file = matFile("S", ROWS);
  const plain = new MatWriter({ compressed: false });
  const version = (value: number) => {
    const copy = file.slice();
    new DataView(copy.buffer).setUint16(124, value, true);
    return copy;
  };
  /** A variable whose body is these parts. */
  const bare = (dims: number[], flags: number, ...content: Uint8Array[]) => {
    return plain.file([plain.array("S", dims, flags, content)]);
  };
  const six = plain.element(2, [1, 2, 3, 4, 5, 6]);
  const cases: [Uint8Array, ...string[]][] = [
    [new Uint8Array(0), "not a MAT file"],
    [Buffer.from("x".repeat(400)), "not a MAT file"],
    [version(0x0200), "7.3"],
    [version(7), "version 7"],
    [file.subarray(0, 128), "no variable S; it has none"],
    [matFile("T", ROWS), "no variable S; it has T"],
    [file.subarray(0, 132), "truncated"],
    [file.subarray(0, file.length - 5), "truncated"],
    [file.map((byte, i) => (i > 140 ? 255 - byte : byte)), "does not decompress"],
    [bare([2, 3, 1], 9, six), "size 2x3x1"],
    [bare([0, 3], 9, plain.element(2, [])), "size 0x3"],
    [bare([-2, -3], 9, six), "size -2x-3"],
    [bare([2, 4], 9, six), "6 numbers of 8"],
    [bare([2 ** 20, 2 ** 20], 9, six), "6 numbers of 1099511627776"],
    [bare([2, 3], 9), "no numbers"],
    [bare([2, 3], 4, six), "class 4"],
    [bare([2, 3], 9 + 0x0800, six), "complex"],
    [bare([1, 1], 9, Uint8Array.of(2, 0, 5, 0, 1, 2, 3, 4)), "5 bytes in an element for 4"],
  ];
  for (const [bytes, ...parts] of cases) {
    await assertRejects(() => decodeMat(bytes, ["S"], "a.mat"), MatError, "a.mat", ...parts);
  }
});

test("an element that would decompress to more than any label is refused", async () => {
  const head = new MatWriter({ compressed: false }).file([]);
  const bomb = deflateSync(new Uint8Array(2 ** 27 + 1), { level: 1 });
  const tag = Buffer.alloc(8);
  tag.writeUInt32LE(15, 0);
  tag.writeUInt32LE(bomb.length, 4);
  await assertRejects(() => decodeMat(Buffer.concat([head, tag, bomb]), ["S"]), MatError, "does not decompress");
});

test("mutated files give a matrix or a typed error, quickly", () => {
  const writer = new MatWriter({ compressed: false });
  const wide = Array.from({ length: 12 }, (_, y) => Array.from({ length: 20 }, (_, x) => (x * y) % 183));
  const fields = { Boundaries: writer.matrix("", [[1]]), Segmentation: writer.matrix("", wide) };
  const struct = writer.struct("GTcls", fields);
  const files: [Uint8Array, string[]][] = [
    [matFile("S", wide), ["S"]],
    [writer.file([writer.matrix("S", wide)]), ["S"]],
    [writer.file([struct]), ["GTcls", "Segmentation"]],
  ];
  const begun = performance.now();
  let refused = 0;
  for (const [file, path] of files) {
    for (let number = 0; number < 300; number++) {
      try {
        const { height, width, data } = decodeMat(mutate(file, number), path, `mutation ${number}`);
        assert.is(data.length, height * width);
      } catch (error) {
        assert.instance(error, MatError, `mutation ${number}: ${(error as Error).stack}`);
        refused++;
      }
    }
  }
  assert.ok(refused > 450, `${refused} of 900 refused`);
  assert.ok(performance.now() - begun < 3000);
});

const SAMPLES = new URL("../../../shared/data/samples/cocostuff10k/annotator/data/input/", import.meta.url);
if (!existsSync(SAMPLES)) console.log("skipped: files that MATLAB wrote (../shared/data/samples is absent)");
(existsSync(SAMPLES) ? test : test.skip)("files that MATLAB wrote", () => {
  const read = (path: string, variable: string) => {
    return decodeMat(readFileSync(new URL(path, SAMPLES)), [variable], path);
  };
  const id = "COCO_train2014_000000119938";
  // Sums and corners as scipy.io.loadmat reads them.
  const regions = read(`regions/slico-1000/${id}.mat`, "regionMap");
  assert.equal([regions.height, regions.width, regions.data.length], [427, 640, 427 * 640]);
  const labels = read(`things/${id}.mat`, "labelMapThings");
  assert.equal([labels.height, labels.width, labels.data[300 * 640 + 200]], [427, 640, 1]);
  const sum = (data: Float64Array): number => data.reduce((total, value) => total + value, 0);
  assert.equal([sum(regions.data), sum(labels.data)], [127410798, 35403]);
  const at = (y: number, x: number): number => regions.data[y * 640 + x];
  assert.equal([at(0, 0), at(0, 639), at(426, 0), at(200, 300)], [1, 37, 909, 434]);
});

test.run();
