/** Reading the parameters of cases that are no calls of a function. */
import type { FixtureCase, Params } from "./fixture.ts";
import { Skip } from "./runner.ts";

/**
 * The parameters of a case as what the caller takes them for.
 *
 * @param names all parameters that the caller heeds or that only describe the case
 * @throws Skip naming one that is not among them and has a value
 */
export function paramsOf<T extends object>(item: FixtureCase, names: readonly string[]): T {
  refuseOthers(item.op, item.params, names);
  return item.params as T;
}

export function refuseOthers(what: string, params: Params, names: readonly string[]): void {
  const other = Object.entries(params).find(([name, value]) => value !== null && !names.includes(name));
  if (other) throw new Skip(`option ${other[0]}=${JSON.stringify(other[1])} of ${what}`);
}
