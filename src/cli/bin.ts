#!/usr/bin/env node
/** `npx mcibi-webgpu COMMAND`: the commands of this folder, for projects that have installed the package. */
import { fileURLToPath } from "node:url";

const COMMANDS = ["train", "eval", "predict", "memory", "export", "report", "doctor"];

const name = process.argv[2];
if (COMMANDS.includes(name)) {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const command = new URL(`./${name}${extension}`, import.meta.url);
  process.argv.splice(1, 2, fileURLToPath(command)); // as if it had been started by itself
  await import(command.href);
} else {
  const isHelp = name === undefined || name === "--help" || name === "help";
  const usage = `Usage: mcibi-webgpu COMMAND [options], where COMMAND is one of ${COMMANDS.join(", ")}; each takes --help\n`;
  if (isHelp) process.stdout.write(usage);
  else process.stderr.write(`error: there is no command "${name}". ${usage}`);
  process.exitCode = isHelp ? 0 : 2;
}
