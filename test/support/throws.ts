import * as assert from "uvu/assert";

type ErrorClass = new (...args: never[]) => Error;

/** Runs `action`, which has to throw or reject with `Type` and a message that holds all of `parts`. */
export async function assertRejects(action: () => unknown, Type: ErrorClass, ...parts: string[]): Promise<void> {
  let error: unknown;
  try {
    await action();
  } catch (caught) {
    error = caught;
  }
  assert.instance(error, Type, `expected ${Type.name}, got ${error}`);
  for (const part of parts) assert.match((error as Error).message, part);
}
