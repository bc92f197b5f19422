/** The frame around every command. */
import { UserError } from "../errors.ts";
import { DeviceLostError } from "../device/watch.ts";
import { describeSystemError } from "../io/files.node.ts";
import { jsonLine } from "../train/progress.ts";
import { asksForJson } from "./options.ts";

/** Exit code for what the user can put right: options, files, data. */
const USER_ERROR = 2;
const FAILURE = 1;

/**
 * Runs a command with the arguments after the script's name. What it returns is the exit code, 0 for nothing. A
 * UserError ends in its message alone and code 2, any other error in its stack and code 1: on stderr, or with
 * --log json as an object on stdout.
 */
export async function runMain(main: (args: readonly string[]) => Promise<number | void>): Promise<void> {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0); // a reader that has seen enough, such as `head`, is no error
    process.stderr.write(`error: cannot write to standard output: ${describeSystemError(error)}\n`);
    process.exit(USER_ERROR);
  });
  process.on("uncaughtException", (error) => process.exit(sayError(error)));
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    process.exitCode = sayError(error);
  }
}

/** Returns the exit code. */
function sayError(error: unknown): number {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const isExpected = error instanceof UserError || error instanceof DeviceLostError;
  const exitCode = error instanceof UserError ? USER_ERROR : FAILURE;
  if (asksForJson(process.argv.slice(2))) {
    process.stdout.write(jsonLine("error", { text: message, exitCode, stack: isExpected ? undefined : stack }));
  } else {
    if (process.stdout.isTTY) process.stdout.write("\r\x1b[K"); // progress may stand there
    process.stderr.write(`error: ${isExpected ? message : stack}\n`);
  }
  return exitCode;
}
