import { UserError } from "../errors.ts";
import { isBackboneType, standardBackbone } from "./backbone.ts";
import type { Config } from "./config.ts";

type Field = string | number | boolean | readonly number[];
type Group = { [name: string]: Field | Group };

/**
 * Sets one field of a configuration from text: `setField(config, "optim.lr", "0.02")`. The value has to have the type
 * of the one it replaces; lists of numbers are written `512,1024` or `[512,1024]`. Another `model.backbone.type` brings
 * the fields of its standard network along. Ranges are checked by `validateConfig`.
 *
 * @throws UserError naming the path, what was found and what exists there
 */
export function setField(config: Config, path: string, value: string): void {
  if (path === "model.backbone.type" && isBackboneType(value) && value !== config.model.backbone.type) {
    config.model.backbone = standardBackbone(value);
    return;
  }
  const names = path.split(".");
  let group = config as unknown as Group;
  names.forEach((name, depth) => {
    const where = names.slice(0, depth).join(".") || "the configuration";
    if (!Object.hasOwn(group, name)) {
      throw new UserError(`--set ${path}: ${where} has no field "${name}"; it has ${Object.keys(group).join(", ")}`);
    }
    const found = group[name];
    const isLast = depth === names.length - 1;
    if (isGroup(found)) {
      if (isLast)
        throw new UserError(
          `--set ${path}: this is a group; set one of ${Object.keys(found)
            .map((key) => `${path}.${key}`)
            .join(", ")}`,
        );
      group = found;
    } else if (isLast) {
      group[name] = parseLike(found, value, path);
    } else {
      throw new UserError(`--set ${path}: ${where}.${name} is a single value (${show(found)}), it has no fields`);
    }
  });
}

/** `path=value`, as the option `--set` takes it. */
export function setFieldFromOption(config: Config, option: string): void {
  const split = option.indexOf("=");
  if (split <= 0) throw new UserError(`--set ${option}: expected path.to.field=value`);
  setField(config, option.slice(0, split), option.slice(split + 1));
}

function parseLike(old: Field, text: string, path: string): Field {
  const fail = (expected: string): never => {
    throw new UserError(`--set ${path}: found "${text}", expected ${expected} like the present ${show(old)}`);
  };
  const toNumber = (part: string): number => {
    const number = part.trim() === "" ? NaN : Number(part);
    return Number.isFinite(number) ? number : fail(typeof old === "number" ? "a number" : "a list of numbers");
  };
  if (typeof old === "string") return text;
  if (typeof old === "number") return toNumber(text);
  if (typeof old === "boolean") return text === "true" || (text === "false" ? false : fail("true or false"));
  return text
    .replace(/^\[(.*)\]$/, "$1")
    .split(",")
    .map(toNumber);
}

const isGroup = (value: Field | Group): value is Group => typeof value === "object" && !Array.isArray(value);

const show = (value: Field): string => (Array.isArray(value) ? value.join(",") : String(value));
