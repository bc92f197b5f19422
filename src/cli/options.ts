/** Command line options: declared once, parsed by node:util, described by --help. */
import { parseArgs } from "node:util";
import { UserError } from "../errors.ts";
import { ProgressLine } from "../train/progress.ts";
import type { OutputOptions } from "../train/progress.ts";

export interface Option {
  /** What the value stands for in the help text; flags have none. */
  readonly value?: string;
  /** May be given several times. */
  readonly multiple?: boolean;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;

export interface Command<O extends Options> {
  /** How it is called, such as `npm run eval --`. */
  readonly call: string;
  readonly summary: string;
  readonly options: O;
  /** What arguments besides the options stand for; where absent there are none. */
  readonly operands?: string;
  /** Ends the help text. */
  readonly notes?: string;
}

export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { value: string }
    ? O[K] extends { multiple: true }
      ? readonly string[]
      : string | undefined
    : boolean;
};

/** What a command with operands gets besides. */
export interface Operands {
  readonly operands: readonly string[];
}

/**
 * Values by option name, and of a command that has operands those; null when help was asked for, which is printed then.
 *
 * @throws UserError naming an option that is unknown, lacks its value or has one too many
 */
export function parseOptions<const O extends Options>(
  command: Command<O> & { readonly operands: string },
  args: readonly string[],
): (Values<O> & Operands) | null;
export function parseOptions<const O extends Options>(command: Command<O>, args: readonly string[]): Values<O> | null;
export function parseOptions(command: Command<Options>, args: readonly string[]): object | null {
  const entries = Object.entries(command.options);
  const config = Object.fromEntries(
    entries.map(([name, { value, multiple = false }]) => {
      return [name, { type: value === undefined ? ("boolean" as const) : ("string" as const), multiple }];
    }),
  );
  const { values, positionals } = parse([...args], config, entries.map(([name]) => name));
  if (values.help === true) {
    process.stdout.write(helpText(command));
    return null;
  }
  if (positionals.length > 0 && command.operands === undefined) {
    throw new UserError(`unexpected argument "${positionals[0]}": values follow an option, as in --set optim.lr=0.02`);
  }
  const defaults = entries.map(([name, { value, multiple }]) => {
    return [name, value === undefined ? false : multiple ? [] : undefined];
  });
  const operands = command.operands === undefined ? {} : { operands: positionals };
  return { ...Object.fromEntries(defaults), ...values, ...operands };
}

type ParseConfig = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>["options"]>;

function parse(args: string[], options: ParseConfig, names: readonly string[]) {
  try {
    return parseArgs({ args, options: { ...options, help: { type: "boolean" } }, allowPositionals: true });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!code?.startsWith("ERR_PARSE_ARGS")) throw cause;
    const unknown = /^Unknown option '(.*?)'/.exec(message)?.[1];
    const known = [...names, "help"].map((name) => `--${name}`).join(", ");
    if (unknown) throw new UserError(`unknown option ${unknown}; there are ${known}`);
    const dash = / is ambiguous/.test(message) ? ": a value that begins with a dash is given as in --option=-1" : "";
    throw new UserError(message.split(/\.\s/, 1)[0].replaceAll("'", "") + dash, { cause });
  }
}

/** A whole number given as the value of an option; undefined where it was not given. */
export function wholeNumber(
  name: string,
  text: string | undefined,
  least: number,
  most = Infinity,
): number | undefined {
  if (text === undefined) return undefined;
  const number = text.trim() === "" ? NaN : Number(text);
  if (Number.isSafeInteger(number) && number >= least && number <= most) return number;
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new UserError(`--${name} is "${text}", expected a whole number ${range}`);
}

/** Whether the arguments have --log json: known before they are parsed, since errors in them are objects then too. */
export function asksForJson(args: readonly string[]): boolean {
  const { values } = parseArgs({ args: [...args], options: { log: { type: "string" } }, strict: false });
  return values.log === "json";
}

/** How a command speaks: part of the options of every one that takes time. */
export const OUTPUT_OPTIONS = {
  quiet: { help: "Prints results and errors only." },
  log: { value: "FORMAT", help: "text, or json: an object per line, errors too (npm run --silent ...). Default: text." },
} as const;

/**
 * What those options ask for.
 *
 * @throws UserError for a format that does not exist
 */
export function outputOptions({ quiet, log = "text" }: { quiet: boolean; log?: string }): OutputOptions {
  if (log !== "text" && log !== "json") throw new UserError(`--log is "${log}", expected text or json`);
  return { format: log, quiet };
}

/** Where a command with these options says what it does; errors as of `outputOptions`. */
export function openOutput(options: { quiet: boolean; log?: string }): ProgressLine {
  return new ProgressLine(process.stdout, outputOptions(options));
}

const WIDTH = 100;

function helpText({ call, summary, operands, options, notes }: Command<Options>): string {
  const all = { ...options, help: { help: "Print this text." } as Option };
  const rows = Object.entries(all).map(([name, { value, multiple, help }]) => {
    return [`  --${name}${value ? ` ${value}` : ""}`, multiple ? `${help} May be repeated.` : help] as const;
  });
  const indent = Math.max(...rows.map(([left]) => left.length)) + 2;
  const lines = rows.map(([left, help]) => {
    const [first, ...rest] = wrap(help, WIDTH - indent);
    return [left.padEnd(indent) + first, ...rest.map((text) => " ".repeat(indent) + text)].join("\n");
  });
  const end = notes ? `\n${notes}\n` : "";
  const usage = `${spelled(call)} [options]${operands ? ` ${operands}` : ""}`;
  return `${summary}\n\nUsage: ${usage}\n\n${lines.join("\n")}\n${spelled(end)}`;
}

/** How commands, `npm run NAME --`, are called here: in the package they are those of its `bin`. */
export function spelled(text: string): string {
  return import.meta.url.endsWith(".ts") ? text : text.replace(/npm run (\S+) --/g, "npx mcibi-webgpu $1");
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== "" && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines;
}
