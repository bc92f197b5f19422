import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseOptions, wholeNumber } from "../../src/cli/options.ts";
import { buildModel } from "../../src/config/model.ts";
import { UserError } from "../../src/errors.ts";
import { encodePng } from "../../src/io/png.node.ts";
import { serializeSafetensors } from "../../src/io/safetensors.ts";
import { RandomState } from "../../src/nn/random_state.ts";
import { loadWeights } from "../../src/train/checkpoint.ts";
import { readCheckpoint } from "../../src/train/checkpoint.node.ts";
import { RunFolder } from "../../src/train/run_folder.ts";
import { runCommand } from "../support/command.ts";
import { cityscapesPaths, save, saveScene } from "../support/datasets.ts";
import { testGpu } from "../support/gpu.ts";
import { assertRejects } from "../support/throws.ts";
import { TINY_SETTINGS, TemporaryFolder, runTiny, saveTinyDataset, tinyConfig } from "../support/tiny_run.ts";

const temporary = new TemporaryFolder();
const root = temporary.join("data");
saveTinyDataset(root);
saveScene(root, "test", "cc", "cc_000000_000019");

/** Datasets with one bad file each: a label with an undefined value, one of another size, an image that is none. */
const damaged = temporary.join("damaged");
saveTinyDataset(damaged);
const badLabel = cityscapesPaths(damaged, "train", "aa", "aa_000004_000019").label;
save(badLabel, encodePng({ width: 48, height: 32, channels: 1, data: new Uint8Array(48 * 32).fill(77) }));
const odd = temporary.join("odd");
saveTinyDataset(odd);
const oddLabel = cityscapesPaths(odd, "train", "aa", "aa_000003_000019").label;
save(oddLabel, encodePng({ width: 48, height: 16, channels: 1, data: new Uint8Array(48 * 16) }));
const broken = temporary.join("broken");
saveTinyDataset(broken);
const brokenImage = cityscapesPaths(broken, "train", "aa", "aa_000007_000019").image;
writeFileSync(brokenImage, "not a picture");

const full = temporary.join("full");
mkdirSync(full);
writeFileSync(`${full}/file`, "");
const foreign = temporary.join("foreign.safetensors");
writeFileSync(foreign, serializeSafetensors([["x", { shape: [1], data: Float32Array.of(1) }]]));
const never = temporary.join("never");
let runs = 0;

const settings = TINY_SETTINGS.flatMap((setting) => ["--set", setting]);
const on = (folder: string): string[] => {
  const place = ["--dataset", "cityscapes", "--root", folder, "--run", `${never}${runs++}`];
  return [...place, ...settings, "--set", "train.saveEvery=0"];
};

type Case = readonly [command: string, args: readonly string[], ...parts: readonly string[]];

const CASES: readonly Case[] = [
  ["train", ["--bogus"], "--bogus", "--preset"],
  ["train", ["--epochs"], "--epochs", "missing"],
  ["train", ["stray"], '"stray"'],
  ["train", ["--epochs", "1.5"], "--epochs", '"1.5"'],
  ["train", ["--set", "optim.rate=1"], "optim.rate", "weightDecay"],
  ["train", ["--set", "optim.lr=fast"], "optim.lr", '"fast"'],
  ["train", ["--set", "model.host=unet"], "model.host", "unet"],
  ["train", ["--preset", "huge"], '"huge"', "tiny"],
  ["train", ["--variant", "conv2d=fast"], "conv2d=fast", "conv2d=tiled|panel|blocked"],
  ["train", ["--run", full], full, "--resume"],
  ["train", ["--set", "data.workers=9999"], "data.workers is 9999", "1 to 256"],
  ["train", ["--set", "data.size=99999,99999"], "data.size is 99999,99999", "at most 2^28 pixels"],
  ["train", ["--resume", never], `${never}/config.json`],
  ["train", ["--resume", never, "--seed", "1"], "--seed", "--resume"],
  ["train", ["--resume", never, "--recompute"], "--recompute", "--resume"],
  ["train", ["--weights", foreign, "--pretrained", foreign], "--pretrained and --weights"],
  ["train", ["--reinit-classifiers"], "--reinit-classifiers", "--weights"],
  ["train", ["--pretrained", never], never, "no such file"],
  ["train", ["--verbose"], "--verbose", "--pretrained"],
  ["train", ["--dataset", "kitti"], '"kitti"', "camvid"],
  ["train", on(temporary.join("nowhere")), temporary.join("nowhere"), "no such file"],
  ["train", on(damaged), badLabel, "77"],
  ["train", on(odd), oddLabel, "48x16", "48x32"],
  ["train", on(broken), brokenImage],
  ["train", [...on(root), "--set", "train.batchSize=11"], "10 images", "11"],
  ["train", [...on(root), "--split", "test"], "cityscapes test", "without labels"],
  ["eval", [], "--checkpoint"],
  ["eval", ["--checkpoint", temporary.join("none.safetensors")], temporary.join("none.safetensors"), "no such file"],
  ["eval", ["--checkpoint", `${full}/file`], `${full}/file`, "0 bytes"],
  ["eval", ["--checkpoint", foreign], foreign, "--preset", "tiny"],
  ["eval", ["--checkpoint", foreign, "--panels", "x"], "--panels", '"x"'],
  ["eval", ["--checkpoint", foreign, "--format", "index"], "--format", "--save"],
  ["eval", ["--checkpoint", foreign, "--save", never, "--format", "jpg"], '"jpg"', "cityscapes-server"],
  ["eval", ["--checkpoint", foreign, "--json", full], `cannot write ${full}`, "it is a folder"],
  ["demo", ["--port", "65536"], '"65536"', "from 0 to 65535"],
  ["demo", ["--port", "-1"], "--port", "begins with a dash"],
  ["export", [], "--checkpoint"],
  ["export", ["--checkpoint", foreign], foreign, "mcibi-webgpu checkpoint"],
  ["export", ["--checkpoint", foreign, "--format", "pickle"], '"pickle"', "onnx, safetensors, half"],
  ["export", ["--checkpoint", foreign, "--size", "64"], '"64"', "height,width or dynamic"],
  ["export", ["--checkpoint", foreign, "--size", "64,0"], '"0"', "at least 1"],
  ["export", ["--checkpoint", foreign, "--format", "safetensors", "--size", "64,64"], "--size", "onnx"],
];

/** As many processes at once as machines have cores at least. */
const AT_ONCE = 2;

for (let i = 0; i < CASES.length; i += AT_ONCE) {
  const group = CASES.slice(i, i + AT_ONCE);
  test(group.map(([command, args]) => `${command} ${args[0] ?? ""} ${args[1] ?? ""}`).join(", "), async () => {
    const results = await Promise.all(group.map(([command, args]) => runCommand(command, args)));
    results.forEach(({ code, stderr }, j) => {
      const [command, args, ...parts] = group[j];
      const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: max"));
      assert.is(code, 2, `${command} ${args.join(" ")}: exit code ${code}\n${stderr}`);
      assert.is(lines.length, 1, `one line, not\n${stderr}`);
      assert.match(lines[0], /^error: /);
      for (const part of parts) assert.ok(lines[0].includes(part), `"${part}" is not in: ${lines[0]}`);
    });
    assert.equal(readdirSync(temporary.path).filter((name) => name.startsWith("never")), [], "nothing is left behind");
  });
}

test("with --log json, stdout is objects alone, and the last one says what went wrong", async () => {
  const notPicture = `${full}/file.png`;
  writeFileSync(notPicture, "not a picture");
  const cases: readonly (readonly [...Case, kinds: string])[] = [
    ["train", ["--log=json", "--bogus"], "unknown option --bogus", "error"],
    ["report", [full, "--log", "json", "--quiet"], `${full} is not the folder of a run`, "error"],
    ["predict", ["--log", "json", notPicture, "--out", never], "none of the inputs", "log warning error"],
  ];
  for (const [command, args, text, kinds] of cases) {
    const { code, stdout, stderr } = await runCommand(command, args);
    const objects = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.is(objects.map(({ kind }) => kind).join(" "), kinds);
    const { seconds, text: said, ...last } = objects.at(-1)!;
    assert.ok((seconds as number) > 0);
    assert.match(said as string, text);
    assert.equal(last, { kind: "error", exitCode: 2 });
    assert.is(code, 2);
    assert.not.match(stderr, /error|skipped/);
  }
});

test("help names every option and costs nothing", async () => {
  for (const command of ["train", "eval"]) {
    const { code, stdout, stderr } = await runCommand(command, ["--help"]);
    assert.is(code, 0);
    assert.is(stderr, "");
    for (const option of ["--dataset", "--root", "--set", "--adapter", "--help"]) assert.match(stdout, option);
  }
});

test("options: values, flags, repetition, defaults", () => {
  const name = { value: "X", help: "" };
  const options = { name, many: { ...name, multiple: true }, flag: { help: "" } };
  const command = { call: "x", summary: "", options } as const;
  assert.equal(parseOptions(command, []), { name: undefined, many: [], flag: false });
  const args = ["--many", "a=1", "--many=b", "--flag", "--name", "n"];
  assert.equal({ ...parseOptions(command, args) }, { name: "n", many: ["a=1", "b"], flag: true });
  const withOperands = { ...command, operands: "FILE..." } as const;
  assert.equal(parseOptions(withOperands, ["a", "--flag", "--", "-b"])!.operands, ["a", "-b"]);
  assert.equal(parseOptions(withOperands, [])!.operands, []);
  assert.is(wholeNumber("n", undefined, 1), undefined);
  assert.is(wholeNumber("n", "12", 1), 12);
  for (const text of ["0", "", "1e99", "x"]) assert.throws(() => wholeNumber("n", text, 1), /--n is/);
});

test("checkpoints of another shape, other classes or another run are refused by name", async () => {
  const gpu = await testGpu();
  const folder = new RunFolder(temporary.join("small"));
  await runTiny(gpu, { config: tinyConfig(root), folder, stopAfter: 1 });
  const checkpoint = await readCheckpoint(folder.last);
  const wider = tinyConfig(root, "model.featsChannels=12");
  const model = buildModel(wider, 19, new RandomState(0)).initialize(gpu, 0);
  const wrong = "bottleneck.0.weight has shape [8, 24, 3, 3], expected [12, 36, 3, 3]";
  await assertRejects(() => loadWeights(model, checkpoint), UserError, folder.last, wrong);
  model.dispose();

  const camvid = temporary.join("camvid");
  for (const part of ["images", "labels"]) {
    const channels = part === "images" ? 3 : 1;
    const data = new Uint8Array(48 * 32 * channels);
    save(`${camvid}/${part}/val/a.png`, encodePng({ width: 48, height: 32, channels, data }));
  }
  const args = ["--checkpoint", folder.last, "--dataset", "camvid", "--root", camvid];
  const classes = await runCommand("eval", args);
  assert.is(classes.code, 2);
  assert.match(classes.stderr, folder.last);
  assert.match(classes.stderr, "19 classes of cityscapes");

  const blind = ["--checkpoint", folder.last, "--root", root, "--split", "test"];
  const unscored = await runCommand("eval", blind);
  assert.is(unscored.code, 2);
  assert.match(unscored.stderr, "without labels");
  assert.match(unscored.stderr, "--save");
  const saved = await runCommand("eval", [...blind, "--save", temporary.join("saved")]);
  assert.is(saved.code, 0, saved.stderr);
  assert.match(saved.stdout, `predictions of 1 images in ${temporary.join("saved")}`);
  assert.not.match(saved.stdout, "mIoU");
  assert.equal(readdirSync(temporary.join("saved")), ["cc_000000_000019_leftImg8bit.png"]);

  const other = new RunFolder(temporary.join("other"));
  await other.create({ config: tinyConfig(root, "optim.lr=0.5"), adapter: "", variants: {} });
  mkdirSync(`${other.path}/checkpoints`);
  copyFileSync(folder.last, other.last);
  const mixed = await runCommand("train", ["--resume", other.path]);
  assert.is(mixed.code, 2);
  assert.match(mixed.stderr, "optim.lr is 0.05 in the checkpoint, 0.5 in config.json");
});

test.after(() => temporary[Symbol.dispose]());

test.run();
