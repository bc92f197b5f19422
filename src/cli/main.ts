/** The frame around every command. */
import { UserError } from "../errors.ts";
import { DeviceLostError } from "../device/watch.ts";

/** Exit code for what the user can put right: options, files, data. */
const USER_ERROR = 2;
const FAILURE = 1;

/**
 * Runs a command with the arguments after the script's name. What it returns is the exit code, 0 for nothing. A
 * UserError ends in its message alone and code 2, any other error in its stack and code 1.
 */
export async function runMain(main: (args: readonly string[]) => Promise<number | void>): Promise<void> {
  // A reader that has seen enough, such as `head`, is no error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(0);
  });
  try {
    process.exitCode = (await main(process.argv.slice(2))) ?? 0;
  } catch (error) {
    const isExpected = error instanceof UserError || error instanceof DeviceLostError;
    process.stderr.write(`error: ${isExpected ? error.message : ((error as Error).stack ?? String(error))}\n`);
    process.exitCode = error instanceof UserError ? USER_ERROR : FAILURE;
  }
}
