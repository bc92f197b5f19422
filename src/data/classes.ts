import type { Rgb } from "./dataset.ts";

/** What classes are called and shown as, in forms short enough to be checked by eye. */

/** Names by train id, from a list with commas. */
export function namesOf(list: string): string[] {
  return list.split(",").map((name) => name.trim());
}

/** Names and colours by train id, from a list such as `wall 787878, chest of drawers 0633ff`. */
export function namesAndColors(list: string): { classNames: string[]; palette: Rgb[] } {
  const entries = namesOf(list).map((entry) => /^(.+) (..)(..)(..)$/.exec(entry)!);
  return {
    classNames: entries.map(([, name]) => name),
    palette: entries.map(([, , ...rgb]) => rgb.map((hex) => parseInt(hex, 16)) as unknown as Rgb),
  };
}

/**
 * The colours of Pascal VOC's development kit for as many ids as one likes: of the id's bits, counted from the lowest,
 * bits 0, 3, 6, ... are those of red, the next ones of green, then blue, each from the highest bit down.
 */
export function vocColors(count: number): Rgb[] {
  return Array.from({ length: count }, (_, id) => {
    const channel = (first: number): number => {
      return [0, 1, 2].reduce((value, i) => value | (((id >> (first + 3 * i)) & 1) << (7 - i)), 0);
    };
    return [channel(0), channel(1), channel(2)] as const;
  });
}
