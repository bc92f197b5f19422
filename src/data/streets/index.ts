/** The dataset `streets`: generated scenes as PNG files in the official Cityscapes layout. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../../errors.ts";
import { writeFileAtomic } from "../../io/files.node.ts";
import { encodePng } from "../../io/png.node.ts";
import { listFolder } from "../dataset.ts";
import { SceneRandom } from "./random.ts";
import { renderScene } from "./scene.ts";

/** Raise it with every change that alters pixels, so that existing copies are made anew. */
const GENERATOR_VERSION = 2;

const MARKER = "streets.json";
const SPLITS = ["train", "val"] as const;
const FOLDERS = ["leftImg8bit", "gtFine"] as const;
type Split = (typeof SPLITS)[number];

/** Invented cities, so that no file can be taken for one of Cityscapes; the splits share none. */
const CITIES: Readonly<Record<Split, readonly string[]>> = {
  train: ["alderby", "birchfield", "cedarton", "dogwood"],
  val: ["elmstead"],
};

export interface StreetsOptions {
  /** Folder that receives `leftImg8bit`, `gtFine` and, when all is written, `streets.json`. */
  readonly root: string;
  readonly seed?: number;
  /** Height and width of the images in pixels. */
  readonly size?: readonly [height: number, width: number];
  /** Number of scenes per split. A scene depends on seed, split and index only, not on how many there are. */
  readonly train?: number;
  readonly val?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

interface Recipe {
  readonly version: number;
  readonly seed: number;
  readonly height: number;
  readonly width: number;
  readonly train: number;
  readonly val: number;
}

/**
 * Generates the dataset unless exactly this one is already there, complete.
 *
 * @returns whether anything was generated
 * @throws UserError as `generateStreets` does
 */
export async function ensureStreets(options: StreetsOptions): Promise<boolean> {
  const found = await readFile(join(options.root, MARKER), "utf8").catch(() => undefined);
  if (found === describe(recipeOf(options))) return false;
  await generateStreets(options);
  return true;
}

/**
 * Writes the scenes. The same options give the same pixels on every machine. Each file appears whole or not at all, and
 * the marker comes last, so an interrupted generation is recognised and done again.
 *
 * @throws UserError for options out of range, a folder that holds other images, or a disk that refuses
 */
export async function generateStreets(options: StreetsOptions): Promise<void> {
  const recipe = recipeOf(options);
  const { root, onProgress } = options;
  await refuseForeignImages(root);
  await rm(join(root, MARKER), { force: true });
  const total = recipe.train + recipe.val;
  const written = new Set<string>();
  let done = 0;
  let writing: Promise<unknown> = Promise.resolve();
  for (const split of SPLITS) {
    for (let index = 0; index < recipe[split]; index++) {
      const scene = encodeScene(recipe, split, index);
      await writing;
      // The disk works on one scene while the next is drawn.
      writing = Promise.all(scene.map(({ path, bytes }) => writeFileAtomic(join(root, path), bytes)));
      for (const { path } of scene) written.add(path);
      onProgress?.(++done, total);
    }
  }
  await writing;
  await removeLeftovers(root, written);
  await writeFileAtomic(join(root, MARKER), describe(recipe));
}

function recipeOf({ seed = 0, size = [128, 256], train = 160, val = 40 }: StreetsOptions): Recipe {
  const [height, width] = size;
  const check = (name: string, value: number, low: number, high: number) => {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new UserError(`streets: ${name} is ${value}; it must be a whole number from ${low} to ${high}`);
    }
  };
  check("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  check("the height", height, 32, 4096);
  check("the width", width, 32, 4096);
  check("the number of train scenes", train, 1, 999999);
  check("the number of val scenes", val, 1, 999999);
  return { version: GENERATOR_VERSION, seed, height, width, train, val };
}

/** The marker's whole text: a copy is up to date when it is equal. */
function describe(recipe: Recipe): string {
  return `${JSON.stringify(recipe, null, 2)}\n`;
}

/** The two files of a scene, with paths below the root. */
function encodeScene({ seed, height, width }: Recipe, split: Split, index: number) {
  const frame = renderScene(new SceneRandom(seed, SPLITS.indexOf(split), index), [height, width]);
  const cities = CITIES[split];
  const city = cities[index % cities.length];
  const sequence = Math.floor(index / cities.length).toString().padStart(6, "0");
  const name = `${city}_${sequence}_000019`;
  const png = (channels: 1 | 3, data: Uint8Array) => encodePng({ width, height, channels, data });
  return [
    { path: join("leftImg8bit", split, city, `${name}_leftImg8bit.png`), bytes: png(3, frame.image) },
    { path: join("gtFine", split, city, `${name}_gtFine_labelIds.png`), bytes: png(1, frame.labels) },
  ];
}

/** Nothing of another dataset may be mixed with the scenes or be taken for leftovers of them. */
async function refuseForeignImages(root: string): Promise<void> {
  for (const type of FOLDERS) {
    for (const split of await listFolder(join(root, type))) {
      const ours: readonly string[] = Object.hasOwn(CITIES, split) ? CITIES[split as Split] : [];
      const foreign = (await listFolder(join(root, type, split))).find((city) => !ours.includes(city));
      if (foreign === undefined) continue;
      throw new UserError(
        `${join(root, type, split, foreign)} does not belong to the generated streets; give them a folder of their own`,
      );
    }
  }
}

/** Removes scenes of an earlier generation with more or other images, and what an interrupted one left behind. */
async function removeLeftovers(root: string, written: ReadonlySet<string>): Promise<void> {
  for (const type of FOLDERS) {
    for (const split of SPLITS) {
      for (const city of CITIES[split]) {
        const folder = join(type, split, city);
        const leftovers = (await listFolder(join(root, folder))).filter((file) => !written.has(join(folder, file)));
        for (const file of leftovers) await rm(join(root, folder, file), { force: true });
      }
    }
  }
}
