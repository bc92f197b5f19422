/** From maps and labels to an analysis and its drawings. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { analyze } from "../../src/analysis/analysis.ts";
import type { AnalysisOptions } from "../../src/analysis/analysis.ts";
import { RepresentationMeter } from "../../src/analysis/representations.ts";
import type { FeatureMap } from "../../src/analysis/representations.ts";
import { datasetLayout } from "../../src/data/open.ts";
import { analysisDrawings, analysisTables } from "../../src/train/analysis_report.ts";

const IGNORE = 255;
const spec = { ...datasetLayout("camvid").spec, numClasses: 3, classNames: ["a & b", "c", "d"] };
const map = (channels: number, ...values: number[]): FeatureMap => {
  return { height: 2, width: 2, channels, data: Float32Array.from(values) };
};
/** 4x4, of which the cells of a 2x2 map have their centres at (1, 1), (1, 3), (3, 1), (3, 3): 0, 1, ignored, 0. */
const label = {
  ...{ height: 4, width: 4 },
  label: [[9, 9, 9, 9], [9, 0, 9, 1], [9, 9, 9, 9], [9, IGNORE, 9, 0]].flat(),
};
const base: AnalysisOptions = { memory: null, memoryLevel: "R", numClasses: 3, seed: 0 };

function measured(): RepresentationMeter {
  const meter = new RepresentationMeter({ numClasses: 3, samplesPerClass: 10, seed: 0 });
  const features = map(2, 0, 0, 4, 3, 50, 50, 2, 0);
  const weights = map(3, 0, 0, 0, 1000, 0, 0, 7, 8, 9, 0, 0, 0);
  meter.add(new Map([["R", features], ["R_aug", map(1, 1, 2, 3, 1)]]), weights, label);
  return meter;
}

test("cells have the class at their centre; ignored ones and unknown classes count nowhere", () => {
  const { levels, entropy, memory } = analyze(measured(), base);
  assert.is(memory, null);
  const [first, second] = levels;
  assert.equal([first.name, first.channels, second.name, second.channels], ["R", 2, "R_aug", 1]);
  assert.equal(first.scatter.classes.map(({ count }) => count), [2, 1, 0]);
  assert.ok(Math.abs(first.scatter.ratio! - 6) < 1e-12);
  assert.is(second.scatter.ratio, null); // nothing within: both cells of class 0 are alike
  assert.equal(entropy!.classes, [1, 0, null]);
  assert.equal(first.pca.points.map((point) => point.label), [0, 0, 1]);
  assert.is(second.pca.points[0].y, 0); // one channel has one axis
});

test("rows of the memory lie on the projection of R alone; empty slots nowhere", () => {
  const rows = { count: 3, channels: 2, data: Float64Array.of(1, 0, 0, 0, 2, 2) };
  const { levels, memory } = analyze(measured(), { ...base, memory: { rows, slotsPerClass: 1 } });
  assert.equal(memory!.emptySlots, [1]);
  assert.ok(Math.abs(memory!.meanOffClass! - Math.SQRT1_2) < 1e-12);
  assert.equal(memory!.closest!.slots, [0, 2]);
  assert.equal(levels.map((level) => level.pca.memory.map((row) => row.label)), [[0, 2], []]);
  assert.is(levels[0].tsne.points.length + levels[0].tsne.memory.length, 5);
  const several = { count: 6, channels: 1, data: Float64Array.of(1, 1, -1, 0, 2, 3) };
  const pairs = { rows: several, slotsPerClass: 2 };
  const two = analyze(measured(), { ...base, memoryLevel: "R_aug", memory: pairs }).memory!;
  assert.equal(two.labels, [0, 0, 1, 1, 2, 2]);
  assert.equal(two.meanOffClass, (2 * -1 + 4 * 1 + 2 * -1) / 8);
});

test("the drawings are whole, self-contained XML in both grounds, whatever there is to draw", () => {
  const memory = { rows: { count: 3, channels: 2, data: Float64Array.of(1, 0, 0, 0, 2, 2) }, slotsPerClass: 1 };
  const empty = new RepresentationMeter({ numClasses: 3, samplesPerClass: 10, seed: 0 });
  empty.add(new Map([["R", map(2, 0, 0, 0, 0, 0, 0, 0, 0)]]), null, { ...label, label: Array(16).fill(IGNORE) });
  const cases = [
    { meter: measured(), options: { ...base, memory }, more: ["memory-cosine", "entropy"] },
    { meter: measured(), options: base, more: ["entropy"] },
    { meter: empty, options: base, more: [] },
  ];
  for (const { meter, options, more } of cases) {
    const analysis = analyze(meter, options);
    const drawings = analysisDrawings(analysis, spec, "x < y");
    assert.equal([...drawings.keys()], ["separation", "projection", ...more].map((name) => `${name}.svg`));
    for (const [name, svg] of drawings) {
      assert.match(svg, "prefers-color-scheme: dark", name);
      assert.match(svg, "x &lt; y");
      assert.not.match(svg, /NaN|Infinity|undefined(?! *<)/, name);
      assert.not.match(svg.replace("http://www.w3.org/2000/svg", ""), /https?:|href|url\(/);
      const open: string[] = [];
      for (const [, closing, tag, , selfClosing] of svg.matchAll(/<(\/?)([a-z]+)((?:[^<>"]|"[^"<>]*")*?)(\/?)>/g)) {
        if (closing) assert.is(open.pop(), tag, name);
        else if (!selfClosing) open.push(tag);
      }
      assert.equal(open, [], name);
    }
    const tables = analysisTables(analysis, spec, ["a note"]);
    assert.match(tables, "a & b");
    assert.match(tables, /a note$/);
  }
});

test.run();
