/** What metrics.jsonl holds, and the panels, for TensorBoard. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { eventFileStart, eventRecord } from "../io/events.ts";
import type { EventImage, EventValues } from "../io/events.ts";
import { describeSystemError } from "../io/files.node.ts";
import { loadSharp } from "../io/image.node.ts";

/** What readers know event files by. */
export const EVENT_FILES = /^events\.out\.tfevents\./;

/** Pixels across: files hold the panels of every evaluation. */
const MOST_WIDTH = 1600;

let files = 0;

/** One file per session of a run: readers take them in the order of their names, which begin with the time. */
export class EventLog {
  readonly #path: string;
  #start: Uint8Array | null;

  /**
   * Writes nothing yet.
   *
   * @param firstStep what earlier sessions recorded from there on is void
   */
  constructor(folder: string, firstStep: number) {
    const seconds = now();
    this.#path = join(folder, `events.out.tfevents.${Math.floor(seconds)}.${process.pid}.${files++}`);
    this.#start = eventFileStart(seconds, firstStep);
  }

  /** @param values numbers by name, in groups of any depth; what else there is is left out */
  scalars(step: number, prefix: string, values: Readonly<Record<string, unknown>>): Promise<void> {
    return this.#append(step, { scalars: Object.fromEntries(numbersOf(values, prefix)) });
  }

  /** A picture, reduced where it is large. */
  async image(step: number, tag: string, png: Uint8Array): Promise<void> {
    const sharp = await loadSharp();
    const reduced = sharp(png).resize({ width: MOST_WIDTH, withoutEnlargement: true }).png();
    const { data, info } = await reduced.toBuffer({ resolveWithObject: true });
    const image: EventImage = { width: info.width, height: info.height, png: data };
    await this.#append(step, { images: { [tag]: image } });
  }

  async #append(step: number, values: EventValues): Promise<void> {
    const record = eventRecord(now(), step, values);
    const bytes = this.#start ? Buffer.concat([this.#start, record]) : record;
    this.#start = null;
    await appendFile(this.#path, bytes).catch((cause: unknown) => {
      throw new UserError(`cannot write ${this.#path}: ${describeSystemError(cause)}`, { cause });
    });
  }
}

function numbersOf(values: object, prefix: string): [string, number][] {
  return Object.entries(values).flatMap(([name, value]: [string, unknown]): [string, number][] => {
    if (typeof value === "number") return [[`${prefix}/${name}`, value]];
    return typeof value === "object" && value !== null ? numbersOf(value, `${prefix}/${name}`) : [];
  });
}

const now = (): number => Date.now() / 1000;
