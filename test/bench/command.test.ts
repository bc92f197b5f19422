/** The command as it is called. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readOptions } from "../../bench/options.ts";
import { UserError } from "../../src/errors.ts";
import { assertRejects } from "../support/throws.ts";

const root = new URL("../../", import.meta.url);

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "bench/index.ts", ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return {
    status,
    stdout,
    errors: stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: max")),
  };
}

test("options select sets, rows and variants", () => {
  const all = readOptions([])!;
  assert.is(readOptions(["--set", "small"])!.workloads.length, all.workloads.length);
  assert.ok(readOptions(["--set", "full"])!.workloads.every(({ name }) => /^(r50|square)/.test(name)));
  const some = readOptions([
    "--filter",
    "^tiny .* matmul backwardInput$",
    "--variant",
    "conv2d=tiled",
    "--json",
    "out.json",
  ])!;
  assert.equal(
    some.workloads.map(({ name }) => name),
    ["tiny W·M aggregation", "tiny attention scores", "tiny attention context"],
  );
  assert.equal([some.variants, some.json, all.variants, all.json], [{ conv2d: "tiled" }, "out.json", {}, undefined]);
  assert.equal(some.steps, []);
  const step = readOptions(["--filter", "^tiny train step$"])!;
  assert.equal([step.workloads, step.steps.map(({ name }) => name)], [[], ["tiny"]]);
  const counts = (...args: string[]) => {
    const { workloads, steps, scaling, loader } = readOptions(args)!;
    return [workloads, steps, scaling, loader].map(({ length }) => length);
  };
  assert.equal(counts("--filter", "scaling$"), [0, 0, 5, 0]);
  assert.equal(counts("--filter", "^classes"), [0, 0, 1, 0]);
  assert.equal(counts("--filter", "tiny loader"), [0, 0, 0, 1]);
  assert.equal([some.roofline, readOptions(["--roofline", "a.svg"])!.roofline], [undefined, "a.svg"]);
});

test("options that cannot be used are named in one line", async () => {
  const cases: readonly (readonly [args: string[], ...parts: string[]])[] = [
    [["--sett", "full"], "--sett"],
    [["--set", "large"], "--set large", "small or full"],
    [["--filter", "("], "--filter (", "Unterminated group"],
    [["--filter", "nothing like it"], "--filter nothing like it: none of the"],
    [["--variant", "conv2d=magic"], "--variant conv2d=magic", "tiled|panel|blocked"],
    [["--variant", "relu=tiled"], "--variant relu=tiled"],
    [["--filter", "tiny train", "--set", "full"], "--filter tiny train"],
    [["--filter", "scaling", "--roofline", "a.svg"], "--roofline a.svg", "--filter scaling selects no kernel"],
    [["--tune", "--json", "a.json"], "--json does not go with --tune"],
    [["--tune", "--variant", "conv2d=tiled"], "--variant does not go with --tune"],
    [["--tune-out", "a.json"], "--tune-out", "--tune writes"],
    [["--tune", "--filter", "tiny train step"], "--tune: the filter selects training steps only"],
  ];
  for (const [args, ...parts] of cases) await assertRejects(() => readOptions(args), UserError, ...parts);
});

test("a run prints the adapter above the table and writes the JSON whole", () => {
  const folder = mkdtempSync(join(tmpdir(), "bench-"));
  try {
    const [json, svg] = ["rows.json", "roof.svg"].map((file) => join(folder, "new", file));
    const filter = "tiny W·M.*forward|tiny layer1 relu";
    const { status, stdout, errors } = bench("--quiet", "--filter", filter, "--json", json, "--roofline", svg);
    assert.equal([status, errors], [0, []]);
    const { adapter, peak, rows } = JSON.parse(readFileSync(json, "utf8"));
    const lines = stdout.trimEnd().split("\n");
    assert.ok(lines[0].startsWith(adapter.description), lines[0]);
    assert.match(lines[1], /^peak: [\d.]+ GFLOP\/s .* [\d.]+ GB\/s/);
    assert.equal(
      lines.slice(4, -4).map((line) => line.split(/ {2,}/)[0]),
      rows.map((row: { name: string }) => row.name),
    );
    assert.equal(lines.slice(-4), ["", `written: ${json}`, "", `written: ${svg}`]);
    assert.ok(peak.gflops > 0 && peak.gbps > 0);
    assert.equal(
      rows.map((row: Record<string, unknown>) => `${row.op} ${row.pass}`),
      ["matmul forward", "relu forward", "relu backwardInput"],
    );
    assert.equal(Object.keys(rows[0]), [
      "name",
      "op",
      "pass",
      "shape",
      "variant",
      "medianMs",
      "minMs",
      "samplesMs",
      "gflops",
      "gbps",
      "percentOfPeak",
    ]);
    assert.equal(readdirSync(join(folder, "new")).sort(), ["roof.svg", "rows.json"]);
    const drawing = readFileSync(svg, "utf8");
    assert.is(drawing.match(/<circle /g)!.length, rows.length);
    assert.ok(drawing.includes(adapter.description) && drawing.trimEnd().endsWith("</svg>"));

    const text = readFileSync(json, "utf8");
    const times = (factor: number): string => text.replace(/"minMs":([\d.e-]+)/g, (_, ms) => `"minMs":${factor * ms}`);
    const compareWith = (contents: string) => {
      writeFileSync(json, contents);
      return bench("--filter", "tiny layer1 relu", "--against", json);
    };
    const slower = compareWith(times(0.01));
    assert.is(slower.status, 1);
    assert.match(slower.stdout, new RegExp(`against ${json}: 2 rows, .* 2 slower, 0 faster beyond the noise`));
    assert.match(slower.stdout, `only in ${json}: tiny W·M aggregation matmul forward\n`);
    const faster = compareWith(times(100));
    assert.is(faster.status, 0);
    assert.match(faster.stdout, "0 slower, 2 faster");
    const foreign = compareWith(text.replace(/"device":"[^"]*"/, '"device":"other"'));
    assert.equal([foreign.status, foreign.stdout, foreign.errors.length], [2, "", 1]);
    assert.match(foreign.errors[0], 'device "other" there');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a mistake ends with its line, exit code 2 and nothing on stdout", () => {
  const { status, stdout, errors } = bench("--filter", "[");
  assert.equal([status, stdout, errors.length], [2, "", 1]);
  assert.match(errors[0], "--filter [");
});

test("--help prints the usage", () => {
  const { status, stdout, errors } = bench("--help");
  assert.equal([status, errors], [0, []]);
  const options = ["set", "filter", "json", "roofline", "against", "adapter", "variant", "recompute", "tune", "help"];
  for (const option of options.map((name) => `--${name}`))
    assert.match(stdout, option);
});

test.run();
