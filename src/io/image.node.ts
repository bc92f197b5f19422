import sharp from "sharp";
import { UserError } from "../errors.ts";
import { readFileBytes } from "./files.node.ts";

/** Interleaved 8-bit RGB, `[height, width, 3]`. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/**
 * Decodes a JPEG or PNG photograph to 8-bit sRGB: gray becomes three equal channels, 16 bits become 8,
 * transparency is dropped, the orientation tag is not applied (labels would not turn with it).
 *
 * @throws UserError naming the file when it cannot be read or decoded
 */
export async function decodeRgb(path: string): Promise<RgbImage> {
  const bytes = await readFileBytes(path, "image");
  try {
    const pipeline = sharp(bytes).toColourspace("srgb").removeAlpha().raw({ depth: "uchar" });
    const { data, info } = await pipeline.toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
    return { width: info.width, height: info.height, data };
  } catch (cause) {
    throw new UserError(`cannot decode image ${path}: ${(cause as Error).message}; expected a PNG or JPEG`, { cause });
  }
}
