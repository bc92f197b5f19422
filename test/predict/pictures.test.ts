import { test } from "uvu";
import * as assert from "uvu/assert";
import { ADVANCE, LINE, drawText } from "../../src/predict/font.ts";
import { colorMap, overlay, sharesOf, showShare } from "../../src/predict/pictures.ts";
import { datasetLayout, DATASET_NAMES } from "../../src/data/open.ts";

const CLASSES = { classNames: ["road", "sky", "Ty"], palette: [[10, 20, 30], [200, 100, 0], [255, 0, 255]] } as const;

/** Two rows of road and one of sky, four pixels wide. */
const MAP = { width: 4, height: 3, classes: Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0) };

test("shares and their words", () => {
  assert.equal(sharesOf(MAP, 3), [8 / 12, 4 / 12, 0]);
  assert.equal([1, 0.41234, 1e-6, 0].map(showShare), ["100.0 %", "41.2 %", "0.1 %", "0.0 %"]);
});

test("an overlay lies between image and colours", () => {
  const image = new Uint8Array(36).fill(100);
  assert.equal([...overlay(image, MAP, CLASSES, 0)], [...image]);
  assert.equal([...overlay(image, MAP, CLASSES, 1).subarray(9, 15)], [10, 20, 30, 200, 100, 0]);
  assert.equal([...overlay(image, MAP, CLASSES, 0.25).subarray(9, 15)], [78, 80, 83, 125, 100, 75]);
});

const at = ({ width, data }: { width: number; data: Uint8Array }, x: number, y: number): number[] => {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
};

test("a colour map has the classes' colours and a legend of those that occur, the largest first", () => {
  const map = colorMap(MAP, CLASSES);
  for (let y = 0; y < 3; y++) assert.equal(at(map, 3, y), [...CLASSES.palette[y === 1 ? 1 : 0]]);
  assert.equal(at(map, 3, 3), [255, 255, 255], "below the picture");
  assert.is(map.height, 2 * LINE + 8);
  assert.equal([at(map, 4 + 4, 4), at(map, 4 + 4, 4 + LINE)], [[10, 20, 30], [200, 100, 0]], "swatches");
  const hasText = (top: number): boolean => {
    return Array.from({ length: LINE * map.width }, (_, i) => at(map, i % map.width, top + Math.floor(i / map.width)))
      .some((color) => String(color) === "0,0,0");
  };
  assert.equal([hasText(4), hasText(4 + LINE)], [true, true]);
});

test("the text grows with the picture", () => {
  const large = { width: 600, height: 600, classes: new Uint8Array(360000) };
  const { width, height } = colorMap(large, CLASSES);
  assert.is(height, 600);
  assert.is(width - 600, 4 * (3 * 4 + 7 + ("road".length + 1 + "100.0 %".length) * ADVANCE));
});

/** What is drawn, as text. */
function draw(text: string): string[] {
  const canvas = { width: 6 * text.length, height: 9, data: new Uint8Array(6 * text.length * 27) };
  drawText(canvas, text, { left: 0, top: 0, scale: 1, color: [1, 1, 1] });
  return Array.from({ length: 9 }, (_, y) => {
    return Array.from({ length: canvas.width }, (_, x) => (at(canvas, x, y)[0] ? "#" : ".")).join("");
  });
}

test("letters look like letters", () => {
  assert.equal(draw("Ty"), [
    "#####.......", "..#.........", "..#...#...#.", "..#...#...#.", "..#...#...#.", "..#...#...#.", "..#....####.",
    "..........#.", ".......###..",
  ]);
});

test("every character of every class has a glyph of its own", () => {
  const characters = new Set(DATASET_NAMES.flatMap((name) => datasetLayout(name).spec.classNames.join("").split("")));
  const unknown = String(draw("\u0001"));
  const seen = new Map<string, string>();
  for (const character of [...characters, ..."0123456789.%"]) {
    const picture = String(draw(character));
    assert.is.not(picture, unknown, `"${character}" has no glyph`);
    assert.not(seen.has(picture), `"${character}" looks like "${seen.get(picture)}"`);
    seen.set(picture, character);
  }
});

test.run();
