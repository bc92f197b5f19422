/** Text in pictures, without fonts of the system: a bitmap font of our own, for names of classes and numbers. */
import type { Rgb } from "../data/dataset.ts";

/** Pixels from one character to the next, and from one line to the next, at scale 1. */
export const ADVANCE = 6;
export const LINE = 12;

/** Five pixels wide. */
const COLUMNS = 5;
/** From the top of capitals to their foot; two more rows are below the line. */
export const CAPITAL = 7;

/**
 * Per character, from top to bottom, one digit to the base 32 for each row, whose highest bit is the leftmost pixel;
 * what is left out at the end is empty.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  ...{ A: "ehhvhhh", B: "uhhuhhu", C: "ehggghe", D: "uhhhhhu", E: "vgguggv", F: "vgguggg", G: "ehgnhhe" },
  ...{ H: "hhhvhhh", I: "e44444e", J: "72222ic", K: "hikokih", L: "ggggggv", M: "hrllhhh", N: "hhpljhh" },
  ...{ O: "ehhhhhe", P: "uhhuggg", Q: "ehhhlid", R: "uhhukih", S: "fgge11u", T: "v444444", U: "hhhhhhe" },
  ...{ V: "hhhhha4", W: "hhhllla", X: "hha4ahh", Y: "hha4444", Z: "v1248gv" },
  ...{ a: "00e1fhf", b: "ggmphhu", c: "00egghe", d: "11djhhf", e: "00ehvge", f: "698s888", g: "00fhhhf1e" },
  ...{ h: "ggmphhh", i: "40c444e", j: "2062222ic", k: "ggikoki", l: "c44444e", m: "00qllll", n: "00mphhh" },
  ...{ o: "00ehhhe", p: "00mphhugg", q: "00djhhf11", r: "00mpggg", s: "00fge1u", t: "88s8896", u: "00hhhjd" },
  ...{ v: "00hhha4", w: "00hhlla", x: "00ha4ah", y: "00hhhhf1e", z: "00v248v" },
  ...{ 0: "ehjlphe", 1: "4c4444e", 2: "eh1248v", 3: "v2421he", 4: "26aiv22", 5: "vgu11he", 6: "68guhhe" },
  ...{ 7: "v124888", 8: "ehhehhe", 9: "ehhf12c" },
  ...{ " ": "", ".": "00000cc", ",": "00000c48", "-": "000e", "'": "448", "(": "2488842", ")": "8422248" },
  ...{ "/": "01248g", "&": "cik8lid", "%": "op248j3", ":": "0cc0cc", ";": "0cc0c48", _: "000000v", "+": "044v44" },
  "?": "eh12404",
};

/** An RGB picture to draw into. */
export interface Canvas {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`. */
  readonly data: Uint8Array;
}

/** Fills the rectangle, which lies within the canvas. */
export function fillRect(
  { width, data }: Canvas,
  { left, top, width: columns, height: rows }: { left: number; top: number; width: number; height: number },
  color: Rgb,
): void {
  for (let y = top; y < top + rows; y++) {
    for (let x = left; x < left + columns; x++) data.set(color, (y * width + x) * 3);
  }
}

/** Writes from `left`, `top` (of capitals) on; every pixel of a character is a square of `scale`. It has to fit in. */
export function drawText(
  canvas: Canvas,
  text: string,
  { left, top, scale, color }: { left: number; top: number; scale: number; color: Rgb },
): void {
  [...text].forEach((character, i) => {
    [...(GLYPHS[character] ?? GLYPHS["?"])].forEach((digit, row) => {
      const bits = parseInt(digit, 32);
      for (let column = 0; column < COLUMNS; column++) {
        if (((bits >> (COLUMNS - 1 - column)) & 1) === 0) continue;
        const place = { left: left + (i * ADVANCE + column) * scale, top: top + row * scale };
        fillRect(canvas, { ...place, width: scale, height: scale }, color);
      }
    });
  });
}
