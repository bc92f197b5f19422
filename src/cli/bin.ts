#!/usr/bin/env node
/** `npx mcibi-webgpu COMMAND`: the commands of this folder, for projects that have installed the package. */
import { fileURLToPath } from "node:url";

const COMMANDS: Readonly<Record<string, string>> = {
  train: "trains on a dataset, evaluates, prints the scores of every class",
  eval: "scores a checkpoint, saves predictions",
  predict: "segments pictures, folders, patterns; without any, a sample",
  demo: "serves a page that segments, trains and measures in a browser",
  report: "writes the page of a run, or one that compares several",
  analyze: "measures and draws how well a network keeps the classes apart",
  ablate: "trains and scores the method with and without its parts",
  memory: "makes initial rows of a memory from a network's features",
  export: "writes a checkpoint for other programs, ONNX among them",
  verify: "runs recorded results of PyTorch through the kernels",
  doctor: "says what kernels run on here, and what is missing",
};

const name = process.argv[2] ?? "--help";
if (Object.hasOwn(COMMANDS, name)) {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const command = new URL(`./${name}${extension}`, import.meta.url);
  process.argv.splice(1, 2, fileURLToPath(command)); // as if it had been started by itself
  await import(command.href);
} else if (["--help", "-h", "help"].includes(name)) {
  const lines = Object.entries(COMMANDS).map(([command, help]) => `  ${command.padEnd(9)}${help}\n`);
  process.stdout.write(`Usage: mcibi-webgpu COMMAND [options]\n\n${lines.join("")}\nEach takes --help.\n`);
} else {
  const names = Object.keys(COMMANDS).join(", ");
  process.stderr.write(`error: there is no command "${name}", expected one of ${names}; see --help\n`);
  process.exitCode = 2;
}
