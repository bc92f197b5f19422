/** What all commands share: options, and how errors end a process. */
import { parseArgs } from "node:util";
import type { ParseArgsConfig } from "node:util";
import { UserError } from "../errors.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/**
 * The options of the command line; there are no positional arguments.
 *
 * @throws UserError for unknown options and missing values, with the usage below it
 */
export function parseOptions<const O extends Options>(options: O, usage: string) {
  try {
    return parseArgs({ options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    throw new UserError(`${(cause as Error).message}\n\n${usage}`);
  }
}

/** Runs a command. What it returns is the exit code; a UserError is printed alone and gives 2, any other error 1. */
export async function runMain(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.exitCode = error instanceof UserError ? 2 : 1;
    console.error(error instanceof UserError ? error.message : error);
  }
}
