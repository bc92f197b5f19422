/** The drawing of the roofline, read back. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { LogScale } from "../../bench/log_scale.ts";
import type { Row } from "../../bench/report.ts";
import type { Adapter } from "../../bench/results.ts";
import { FAMILIES, rooflineSvg } from "../../bench/roofline.ts";
import { workloads } from "../../bench/sets.ts";

const adapter: Adapter = {
  vendor: "v",
  architecture: "a",
  device: "d",
  description: 'card <1> & "co"',
  isSoftware: true,
  features: [],
  driver: "",
  processor: "2 x Processor",
};
const peak = { gflops: 100, gbps: 10 };

function row(name: string, op: string, gflops: number, gbps: number, pass: Row["pass"] = "forward"): Row {
  const percentOfPeak = 100 * Math.max(gflops / peak.gflops, gbps / peak.gbps);
  const times = { medianMs: 1, minMs: 1, samplesMs: [1] };
  return { name, op, pass, shape: { n: 2, kernel: [3, 3] }, variant: "tiled", ...times, gflops, gbps, percentOfPeak };
}

interface Tag {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** What is inside, without the tags of children. */
  text: string;
}

/** Tags of well-formed XML in the order of their beginning; throws for any other text. */
function parse(xml: string): Tag[] {
  const tags: Tag[] = [];
  const open: Tag[] = [];
  let rest = xml;
  while (rest !== "") {
    const [all, close, name, list, empty, words] = /^(?:<(\/?)([\w]+)((?: [\w:-]+="[^"<]*")*)(\/?)>|([^<]+))/.exec(rest)!;
    rest = rest.slice(all.length);
    if (words !== undefined) {
      assert.not.match(words, /&(?!(amp|lt|gt|quot);)/);
      if (open.length > 0) open.at(-1)!.text += decode(words);
    } else if (close) {
      assert.is(open.pop()?.name, name);
    } else {
      const pairs = [...list.matchAll(/ ([\w:-]+)="([^"]*)"/g)].map(([, key, value]) => [key, decode(value)]);
      const tag = { name, attributes: Object.fromEntries(pairs), text: "" };
      tags.push(tag);
      if (!empty) open.push(tag);
    }
  }
  assert.equal(open, []);
  return tags;
}

function decode(text: string): string {
  const characters: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return text.replace(/&(\w+);/g, (_, name: string) => characters[name]);
}

/** Dots by the name of their row: the place, the family, and the words of the title. */
function dots(tags: readonly Tag[]) {
  return new Map(
    tags.flatMap(({ name, attributes }, i) => {
      if (name !== "circle") return [];
      assert.is(tags[i + 1].name, "title");
      const words = tags[i + 1].text;
      const dot = { x: Number(attributes.cx), y: Number(attributes.cy), family: attributes.class, words };
      return [[words.split(" ")[0], dot] as const];
    }),
  );
}

const rows = [
  row("ceiling", "conv2d", 100, 1),
  row("slope", "relu", 2, 10),
  row("half", "conv2d", 50, 1, "backwardWeight"),
  row("slow", "add", 1e-5, 1e-4),
  row("a<b>&\"c'\u0001", "matmul", 10, 1),
  row("copy", "concat", 0, 10),
  row("halfcopy", "argmax", 0, 5),
];
const svg = rooflineSvg({ adapter, peak, rows });
const tags = parse(svg);

test("every row is a dot with a title of its own", () => {
  const all = dots(tags);
  assert.is(all.size, rows.length);
  assert.is(all.get("half")!.words, "half conv2d backwardWeight\nn 2, kernel 3x3\nvariant tiled: 50.0 GFLOP/s, 1.00 GB/s, 50.0 % of the roof");
  assert.ok(all.has("a<b>&\"c'"), "names are escaped, and lose what XML cannot hold");
});

test("rows at the peaks lie on the roof, slower ones below it in proportion", () => {
  const all = dots(tags);
  const [start, ridge, end] = tags
    .find(({ name }) => name === "polyline")!
    .attributes.points.split(" ")
    .map((corner) => corner.split(",").map(Number));
  assert.is(ridge[1], end[1]);
  const [ceiling, half, slope] = ["ceiling", "half", "slope"].map((name) => all.get(name)!);
  assert.is(ceiling.y, ridge[1]);
  const onLine = start[1] + ((slope.x - start[0]) * (ridge[1] - start[1])) / (ridge[0] - start[0]);
  assert.ok(Math.abs(slope.y - onLine) < 0.05, `${slope.y}, the roof there is at ${onLine}`);
  const decade = (slope.y - ceiling.y) / Math.log10(100 / 2);
  assert.ok(Math.abs((half.y - ceiling.y) / Math.log10(2) - decade) < 0.1);
  assert.ok(ceiling.x > half.x && half.x > slope.x, "by flop per byte");
});

test("what is too slow lies on the lower edge, and it says so", () => {
  const [lowest] = [...dots(tags).values()].filter(({ words }) => words.startsWith("slow"));
  const others = ["ceiling", "slope", "half"].map((name) => dots(tags).get(name)!.y);
  assert.ok(others.every((y) => y < lowest.y));
  const words = tags.map(({ text }) => text).join("\n");
  assert.match(words, "on the lower edge: 1 row");
  assert.not.match(rooflineSvg({ adapter, peak, rows: rows.slice(0, 3) }), "lower edge");
});

test("rows without arithmetic have a strip of their own, by what they move", () => {
  const [copy, half, slow] = ["copy", "halfcopy", "slow"].map((name) => dots(tags).get(name)!);
  assert.ok(copy.y === half.y && copy.y > slow.y, "below the plot");
  const roof = tags.find(({ name, attributes }) => name === "line" && attributes.class === "roof")!;
  assert.ok(Math.abs(Number(roof.attributes.x1) - copy.x) < 0.02 && half.x < copy.x);
  assert.not.match(rooflineSvg({ adapter, peak, rows: rows.slice(0, 3) }), "without arithmetic");
  parse(rooflineSvg({ adapter, peak, rows: rows.slice(-2) })); // and nothing above
});

test("the legend counts the families that are there, and every family has a colour on light and on dark", () => {
  const words = tags.map(({ text }) => text);
  for (const entry of ["convolution (1)", "its weight gradient (1)", "matrix product (1)", "other passes (3)"]) {
    assert.ok(words.includes(entry), entry);
  }
  assert.not.ok(words.some((text) => text.startsWith("optimiser")));
  const style = tags.find(({ name }) => name === "style")!.text;
  const [light, dark] = style.split("@media (prefers-color-scheme: dark)");
  FAMILIES.forEach((_, i) => [light, dark].forEach((part) => assert.match(part, `.f${i} { fill: #`)));
});

test("adapter and processor are in the caption, and nothing is fetched from elsewhere", () => {
  const words = tags.map(({ text }) => text);
  assert.ok(words.includes('card <1> & "co"') && words.includes("on 2 x Processor"));
  assert.equal(svg.match(/https?:[^"]*|url\(|<script|<image|href/g), ["http://www.w3.org/2000/svg"]);
});

test("the ops of all rows have a family", () => {
  const other = workloads("small").filter((row) => FAMILIES.findIndex(({ has }) => has({ op: row.op.name, pass: row.pass })) === FAMILIES.length - 1);
  const streams = ["adaptive_avg_pool2d", "add", "concat", "dropout", "gelu", "max_pool2d", "relu", "scale", "sum"];
  assert.equal([...new Set(other.map(({ op }) => op.name))].sort(), streams);
});

test("logarithmic axes have the powers of ten, or finer ticks where those are few", () => {
  assert.equal(new LogScale([0.05, 200], [0, 100]).ticks(), [0.1, 1, 10, 100]);
  assert.equal(new LogScale([0.9, 12], [0, 100]).ticks(), [1, 2, 5, 10]);
  const scale = new LogScale([1, 100], [200, 0]);
  assert.equal([1, 10, 100].map((value) => Math.round(scale.at(value))), [200, 100, 0]);
});

test.run();
