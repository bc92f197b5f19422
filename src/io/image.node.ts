import { UserError } from "../errors.ts";
import { readFileBytes } from "./files.node.ts";

/** Interleaved 8-bit RGB, `[height, width, 3]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface DecodeOptions {
  /** Applies the orientation tag. Default: no, since a label would not turn with it. */
  readonly oriented?: boolean;
}

/** Keeps a forged header from asking for more memory than any real image needs. */
const MAX_PIXELS = 2 ** 28;

/**
 * The npm package sharp. A dynamic import, since projects that take kernels, runtime or autograd alone do without it.
 *
 * @throws UserError where it is not installed
 */
export async function loadSharp(): Promise<(typeof import("sharp"))["default"]> {
  try {
    return (await import("sharp")).default;
  } catch (cause) {
    const reason = (cause as Error).message.replace(/ imported from .*/, "");
    throw new UserError(
      `images are read by the npm package "sharp", which cannot be loaded: ${reason}. ` +
        "Where it is missing, `npm install sharp` brings it.",
      { cause },
    );
  }
}

/**
 * Decodes a JPEG or PNG photograph to 8-bit sRGB: gray becomes three equal channels, 16 bits become 8,
 * transparency is dropped.
 *
 * @throws UserError naming the file when it cannot be read or decoded
 */
export async function decodeRgb(path: string, { oriented = false }: DecodeOptions = {}): Promise<RgbImage> {
  const bytes = await readFileBytes(path, "image");
  const sharp = await loadSharp();
  try {
    const image = sharp(bytes, { limitInputPixels: MAX_PIXELS, autoOrient: oriented });
    const pipeline = image.toColourspace("srgb").removeAlpha().raw({ depth: "uchar" });
    const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
    return { width: info.width, height: info.height, data };
  } catch (cause) {
    const expected = `expected a PNG or JPEG of up to ${Math.floor(MAX_PIXELS / 1e6)} million pixels`;
    const [reason] = (cause as Error).message.split("\n"); // sharp repeats itself in further lines
    throw new UserError(`cannot decode image ${path}: ${reason}; ${expected}`, { cause });
  }
}

/** An 8-bit PNG, gray or RGB, `[height, width, channels]`; for photographs, which it encodes fast. */
export async function encodePicture(
  { width, height, channels, data }: { width: number; height: number; channels: 1 | 3; data: Uint8Array },
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const image = sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
  return image.toColourspace(channels === 1 ? "b-w" : "srgb").png().toBuffer();
}
