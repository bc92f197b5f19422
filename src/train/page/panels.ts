/** Sample panels as pictures inside the page. */
import { stat } from "node:fs/promises";
import { loadSharp } from "../../io/image.node.ts";
import { PANEL_GAP } from "../panels.ts";
import type { PanelFile } from "./record.ts";

export interface SamplePart {
  readonly name: string;
  /** A data: URL. */
  readonly url: string;
  readonly width: number;
  readonly height: number;
}

export interface Sample {
  readonly name: string;
  readonly parts: readonly SamplePart[];
}

/** Pixels across; larger pictures are reduced. */
const MOST_WIDTH = 512;
/** Photographs bear losses; colours that stand for classes do not. */
const PHOTOGRAPHS: readonly string[] = ["image", "confidence"];

/** Reads panels, keeping what has not changed since for the next time. */
export class Samples {
  readonly #known = new Map<string, { readonly version: string; readonly sample: Sample }>();

  /**
   * Files that are no panels are left out.
   *
   * @throws UserError where there are files, and not the package that decodes them
   */
  async read(files: readonly PanelFile[]): Promise<Sample[]> {
    if (files.length > 0) await loadSharp();
    const samples: Sample[] = [];
    for (const file of files) {
      const { mtimeMs, size } = await stat(file.path).catch(() => ({ mtimeMs: 0, size: 0 }));
      const version = `${mtimeMs} ${size}`;
      const known = this.#known.get(file.path);
      const sample = known?.version === version ? known.sample : await split(file).catch(() => null);
      if (!sample) continue;
      this.#known.set(file.path, { version, sample });
      samples.push(sample);
    }
    return samples;
  }
}

async function split({ name, path, parts }: PanelFile): Promise<Sample> {
  const sharp = await loadSharp();
  const { data, info } = await sharp(path).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const { width: total, height, channels } = info;
  const width = (total + PANEL_GAP) / parts.length - PANEL_GAP;
  if (!Number.isInteger(width) || width < 1) throw new Error(`${total} pixels are no ${parts.length} parts`);
  const cut = parts.map(async (part, i) => {
    const isPhotograph = PHOTOGRAPHS.includes(part);
    const picture = await sharp(data, { raw: { width: total, height, channels } })
      .extract({ left: i * (width + PANEL_GAP), top: 0, width, height })
      .resize({ width: Math.min(width, MOST_WIDTH), kernel: isPhotograph ? "lanczos3" : "nearest" })
      .webp(isPhotograph ? { quality: 82 } : { lossless: true })
      .toBuffer({ resolveWithObject: true });
    const url = `data:image/webp;base64,${picture.data.toString("base64")}`;
    return { name: part, url, width: picture.info.width, height: picture.info.height };
  });
  return { name, parts: await Promise.all(cut) };
}
