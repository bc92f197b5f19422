import { Writable } from "node:stream";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "../../src/cli/options.ts";
import { UserError } from "../../src/errors.ts";
import { ProgressLine } from "../../src/train/progress.ts";
import type { OutputOptions } from "../../src/train/progress.ts";
import { assertRejects } from "../support/throws.ts";

/** What a command says that evaluates three images. */
function said(options: OutputOptions, isTTY = false): string {
  let text = "";
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString();
      done();
    },
  });
  const output = new ProgressLine(
    Object.assign(stream, { isTTY, columns: 60 }) as unknown as NodeJS.WriteStream,
    options,
  );
  output.log("\nthree images");
  const show = output.task("evaluating val", "images");
  for (let done = 1; done <= 3; done++) show(done, 3);
  output.print("\nscores", null);
  output.print("\nmIoU 0.5", { meanIou: 0.5, undefinedOne: NaN });
  return text;
}

test("as text: a line for people, rewritten on a terminal", () => {
  const plain = "\nthree images\nevaluating val: 1 of 3 images\n\nscores\n\nmIoU 0.5\n";
  assert.is(said({}), plain);
  const terminal = said({}, true);
  assert.match(terminal, /\r\x1b\[Kevaluating val: 2 of 3 images \| ETA 0:00\r\x1b\[K/);
  assert.match(terminal, /3 of 3 images\r\x1b\[K\nscores\n\nmIoU 0.5\n$/);
});

test("as JSON: objects alone, on a terminal too, with the end of the work in any case", () => {
  for (const isTTY of [false, true]) {
    const objects = said({ format: "json" }, isTTY)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    for (const object of objects) assert.ok(object.seconds > 0);
    assert.equal(
      objects.map(({ seconds, secondsLeft, ...rest }) => rest),
      [
        { kind: "log", text: "three images" },
        { kind: "progress", task: "evaluating val", done: 1, total: 3 },
        { kind: "progress", task: "evaluating val", done: 3, total: 3 },
        { kind: "result", meanIou: 0.5, undefinedOne: null },
      ],
    );
    assert.equal(
      objects.slice(1, 3).map(({ secondsLeft }) => secondsLeft),
      [null, 0],
    );
  }
});

test("quiet: the result alone, in either form", () => {
  assert.is(said({ quiet: true }), "\nscores\n\nmIoU 0.5\n");
  assert.is(said({ quiet: true }, true), "\nscores\n\nmIoU 0.5\n");
  assert.is(JSON.parse(said({ quiet: true, format: "json" })).meanIou, 0.5);
});

test("options: a format that does not exist is refused", async () => {
  const command = { call: "x", summary: "x", options: OUTPUT_OPTIONS };
  openOutput(parseOptions(command, ["--quiet", "--log", "json"])!);
  const wrong = parseOptions(command, ["--log", "yaml"])!;
  await assertRejects(() => openOutput(wrong), UserError, '--log is "yaml", expected text or json');
});

test.run();
