import { test } from "uvu";
import * as assert from "uvu/assert";
import { slidingWindows, viewsOf } from "../../src/train/inference.ts";

test("windows of the official sliding inference", () => {
  const starts = (size: number, crop: number): number[] => slidingWindows(size, crop, 341).map(([start]) => start);
  assert.equal(starts(2048, 512), [0, 341, 682, 1023, 1364, 1536]);
  assert.equal(starts(1024, 512), [0, 341, 512]);
  assert.equal(starts(683, 512), [0, 171]);
  assert.is(starts(1792, 1024).length * starts(3584, 512).length, 44);
  assert.equal(slidingWindows(100, 512, 341), [[0, 100]], "an image smaller than the window is one window");
});

test("views: every scale, each followed by its mirror image", () => {
  const of = (scales: number[], flip: boolean): string[] =>
    viewsOf({ scales, flip }).map(({ scale, mirrored }) => `${scale}${mirrored ? " mirrored" : ""}`);
  assert.equal(of([1], false), ["1"]);
  assert.equal(of([0.5, 2], true), ["0.5", "0.5 mirrored", "2", "2 mirrored"]);
});

test.run();
