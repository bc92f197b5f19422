import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { encodePng } from "../../src/io/png.node.ts";
import { pseudoRandom } from "./mutate.ts";

/** Label ids as they stand in Cityscapes files, void among them. */
const IDS = [0, 7, 8, 11, 21, 23, 26, 33];

export function save(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

export const cityscapesPaths = (root: string, split: string, city: string, name: string) => ({
  image: join(root, "leftImg8bit", split, city, `${name}_leftImg8bit.png`),
  label: join(root, "gtFine", split, city, `${name}_gtFine_labelIds.png`),
});

/** Writes one image and its label in the official layout: noise, and a label of blocks, both from `seed`. */
export function saveScene(root: string, split: string, city: string, name: string, seed = 0, width = 24, height = 16) {
  const random = pseudoRandom(seed);
  const colors = Uint8Array.from({ length: width * height * 3 }, () => random() * 256);
  const blocks = Array.from({ length: 64 }, () => IDS[Math.floor(random() * IDS.length)]);
  const ids = Uint8Array.from({ length: width * height }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    return blocks[(Math.floor(y / 4) * 8 + Math.floor(x / 4)) % 64];
  });
  const { image, label } = cityscapesPaths(root, split, city, name);
  save(image, encodePng({ width, height, channels: 3, data: colors }));
  save(label, encodePng({ width, height, channels: 1, data: ids }));
}

/** A JPEG of noise. */
export async function photo(width = 24, height = 16): Promise<Uint8Array> {
  const random = pseudoRandom(1);
  const data = Uint8Array.from({ length: width * height * 3 }, () => random() * 256);
  return sharp(data, { raw: { width, height, channels: 3 } }).jpeg().toBuffer();
}
