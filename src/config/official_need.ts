import { UserError } from "../errors.ts";

/** @throws UserError naming an option of an official configuration whose value is not among the supported ones */
export function need<T>(path: string, found: T, supported: readonly T[]): void {
  if (supported.includes(found)) return;
  const choices = supported.map((choice) => JSON.stringify(choice)).join(", ");
  throw new UserError(`official configuration: ${path} is ${JSON.stringify(found)}, supported are ${choices}`);
}
