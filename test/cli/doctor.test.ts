import { test } from "uvu";
import * as assert from "uvu/assert";
import { sharedDevice } from "../support/gpu.ts";
import { runCommand } from "../support/command.ts";

const { info } = await sharedDevice();

test("names the adapter, its driver and what it can do, after a trial; as JSON the same", async () => {
  const [words, json] = await Promise.all([runCommand("doctor", []), runCommand("doctor", ["--json"])]);
  assert.equal([words.code, json.code], [0, 0], words.stdout + words.stderr);
  for (const text of [info.description, "backend", "subgroups", "maxBufferSize", "a kernel computed what it should"]) {
    assert.match(words.stdout, text);
  }
  const report = JSON.parse(json.stdout);
  assert.ok(report.isWell && report.trial.isRight);
  assert.equal(report.adapter, info);
  assert.ok(report.adapters.length > 0 && report.backend.length > 0 && report.limits.maxBufferSize > 0);
  if (info.isSoftware)
    assert.ok(report.findings.some(({ what }: { what: string }) => what === "shaders run on the CPU"));
});

test("an adapter that does not exist is an option to put right", async () => {
  const { code, stderr } = await runCommand("doctor", ["--adapter", "no such one"]);
  assert.is(code, 2);
  assert.match(stderr, 'adapter "no such one" was not found');
});

const onLinux = process.platform === "linux" ? test : test.skip;

onLinux("without any adapter it says so, and what keeps drivers from being seen", async () => {
  const { code, stdout } = await runCommand("doctor", ["--json"], { VK_DRIVER_FILES: "/nonexistent" });
  assert.is(code, 1);
  const { isWell, adapter, adapters, trial, findings } = JSON.parse(stdout);
  assert.equal([isWell, adapter, adapters, trial], [false, null, [], null]);
  assert.is(findings[0].what, "no WebGPU adapter was found");
  assert.match(findings[0].mend, 'unset VK_DRIVER_FILES, which is "/nonexistent"');
});

test("where Dawn does not load it says so, in words and as JSON", async () => {
  const environment = { NODE_OPTIONS: `--import=${new URL("../support/no_dawn.mjs", import.meta.url).href}` };
  const [words, json] = await Promise.all([[], ["--json"]].map((args) => runCommand("doctor", args, environment)));
  assert.equal([words.code, json.code, words.stderr], [1, 1, ""]);
  assert.match(words.stdout, "CANNOT RUN: Dawn, WebGPU for Node, could not be loaded on");
  assert.match(words.stdout, "not for this system");
  assert.is(JSON.parse(json.stdout).isWell, false);
});

test.run();
