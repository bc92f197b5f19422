import { test } from "uvu";
import * as assert from "uvu/assert";
import { addCounts, emptyConfusion, scores } from "../../src/train/metrics.ts";
import type { Confusion, Scores } from "../../src/train/metrics.ts";
import { percent, scoreTable } from "../../src/train/report.ts";
import { assertResults, hasFixtures, readFixture } from "../support/fixtures.ts";

/** Counted pixel by pixel; labels outside the classes do not count. */
function count(classes: number, label: ArrayLike<number>, prediction: ArrayLike<number>, into: Confusion): Confusion {
  const more = new Uint32Array(classes * classes);
  for (let i = 0; i < label.length; i++) {
    if (label[i] >= 0 && label[i] < classes) more[label[i] * classes + prediction[i]]++;
  }
  addCounts(into, more);
  return into;
}

function small(): Confusion {
  return count(4, [0, 0, 1, 1, 2, 255], [0, 1, 1, 1, 0, 2], emptyConfusion(4));
}

test("six pixels by hand: ignored ones, a class that is never found, one that does not occur", () => {
  const s = scores(small());
  assert.equal([...s.iou], [1 / 3, 2 / 3, 0, NaN]);
  assert.is(s.meanIou, 1 / 3);
  assert.is(s.pixelAccuracy, 3 / 5);
  assert.equal([...s.accuracy], [1 / 2, 1, 0, NaN]);
  assert.is(s.meanAccuracy, 1 / 2);
  assert.equal([...s.precision], [1 / 2, 2 / 3, NaN, NaN]);
});

test("a number in the place of NaN, in what was computed with NaN", () => {
  const s = scores(small(), { nanToNum: -1 });
  assert.equal([...s.precision], [1 / 2, 2 / 3, -1, -1]);
  assert.equal([...s.fscore], [1 / 2, 4 / 5, -1, -1]);
  assert.is(scores(emptyConfusion(2), { nanToNum: -1 }).pixelAccuracy, -1);
});

test("a class that is only predicted scores 0 and counts", () => {
  const s = scores(count(3, [0, 0], [0, 2], emptyConfusion(3)));
  assert.equal([...s.iou], [1 / 2, NaN, 0]);
  assert.is(s.meanIou, 1 / 4);
});

test("counts beyond 32 bits stay exact", () => {
  const confusion = emptyConfusion(1);
  for (let i = 0; i < 3; i++) addCounts(confusion, [2 ** 32 - 1]);
  assert.is(confusion.counts[0], 3 * (2 ** 32 - 1));
});

test("the table shows every class, the means, and a dash where nothing is known", () => {
  const lines = scoreTable(["road", "sky", "car", "tram"], small()).split("\n");
  const row = (name: string): string[] => lines.find((line) => line.startsWith(name))!.trim().split(/\s+/);
  assert.equal(lines[0].trim().split(/\s+/), ["class", "IoU", "dice", "precision", "recall", "pixels"]);
  assert.equal(row("road"), ["road", "33.33", "50.00", "50.00", "50.00", "40.00"]);
  assert.equal(row("sky"), ["sky", "66.67", "80.00", "66.67", "100.00", "40.00"]);
  assert.equal(row("car"), ["car", "0.00", "0.00", "-", "0.00", "20.00"]);
  assert.equal(row("tram"), ["tram", "-", "-", "-", "-", "0.00"]);
  assert.equal(row("mean"), ["mean", "33.33", "43.33", "58.33", "50.00", "100.00"]);
  assert.is(new Set(lines.map((line) => line.length)).size, 1, "the columns are aligned");
  assert.is(percent(NaN), "-");
});

const OFFICIAL: Readonly<Record<string, (s: Scores) => number | ArrayLike<number>>> = {
  ...{ iou: (s) => s.iou, accuracy: (s) => s.accuracy, precision: (s) => s.precision, recall: (s) => s.recall },
  ...{ fscore: (s) => s.fscore, dice: (s) => s.dice, all_accuracy: (s) => s.pixelAccuracy },
  ...{ miou: (s) => s.meanIou, mdice: (s) => s.meanDice, mfscore: (s) => s.meanFscore },
  ...{ area_intersect: (s) => s.intersection, area_union: (s) => s.union },
  ...{ area_pred: (s) => s.predicted, area_label: (s) => s.labelled },
};

if (hasFixtures("scores of the official code")) {
  const fixture = readFixture("pipeline/evaluation.safetensors");
  for (const item of fixture.cases) {
    test(`official evaluation: ${item.note}`, () => {
      const { num_classes: classes, images, beta, nan_to_num: nanToNum } = item.params;
      const confusion = emptyConfusion(classes);
      const data = (name: string): Int32Array => fixture.get(item, name).data as Int32Array;
      for (let i = 0; i < images; i++) count(classes, data(`gt_${i}`), data(`pred_${i}`), confusion);
      const s = scores(confusion, { beta, nanToNum: nanToNum ?? undefined });
      const results = Object.entries(OFFICIAL).map(([name, pick]) => {
        const value = pick(s);
        return [name, typeof value === "number" ? [value] : value] as const;
      });
      assertResults(item.id, fixture, item, new Map(results));
    });
  }
}

test.run();
