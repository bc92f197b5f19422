import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { describeSystemError, readFileBytes } from "../io/files.node.ts";
import type { IGNORE_INDEX } from "./label_tables.ts";
import type { FlipPairs } from "./transforms.ts";

export type Rgb = readonly [r: number, g: number, b: number];

/** What a dataset is, apart from where it lies. Plain data: it travels to worker threads. */
export interface DatasetSpec {
  readonly name: string;
  readonly numClasses: number;
  /** Indexed by train id, like `palette`. */
  readonly classNames: readonly string[];
  readonly palette: readonly Rgb[];
  readonly ignoreIndex: typeof IGNORE_INDEX;
  /** Byte in a label image -> train id, IGNORE_INDEX or UNKNOWN_LABEL (see `trainIdTable`). */
  readonly labelTable: Uint8Array;
  /** Train ids that a mirror image exchanges. */
  readonly flipPairs?: FlipPairs;
  /** The variable that holds a label in MATLAB files, and the fields that lead to it. */
  readonly labelVariable?: readonly string[];
  /** By train id, what the benchmark's server calls the class, where it does not go by train ids. */
  readonly submissionIds?: readonly number[];
}

export interface DatasetItem {
  /** Unique within the split, without extension: names output files. */
  readonly id: string;
  readonly imagePath: string;
  /** Null where the split is published without labels. */
  readonly labelPath: string | null;
}

/** The images of one split, in an order that depends on their names alone. */
export interface Dataset {
  readonly spec: DatasetSpec;
  readonly root: string;
  readonly split: string;
  /** Whether the images have labels: to train on, or to score against. */
  readonly isLabelled: boolean;
  readonly items: readonly DatasetItem[];
}

/** How to find the files of one dataset on disk. */
export interface DatasetLayout {
  readonly spec: DatasetSpec;
  /** Splits on disk; `trainval` is `train` followed by `val` wherever there are both. */
  readonly splits: readonly string[];
  /** Those of them that are published without labels. */
  readonly unlabelled?: readonly string[];
  /** Where to look when no root is given: a fixed folder, or an environment variable that names it. */
  readonly defaultRoot?: string;
  readonly rootVariable?: string;
  /** The folder that the official archive unpacks into: the root, or within the root. */
  readonly archiveFolder?: string;
  /** Pattern of a split's image files below the root, for the error message. */
  imagePattern(split: string): string;
  /** Lists one split on disk. */
  list(root: string, split: string, isLabelled: boolean): Promise<DatasetItem[]>;
}

/**
 * File names in a folder that end in one of `extensions`, sorted by code units, so that the order is the same on every
 * machine; none when the folder does not exist.
 */
export async function listFiles(folder: string, extensions: readonly string[]): Promise<string[]> {
  return (await listFolder(folder)).filter((name) => extensions.some((extension) => name.endsWith(extension)));
}

/** Names in a folder, sorted by code units; none when it does not exist. */
export async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted((a, b) => (a < b ? -1 : 1));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw new UserError(`cannot list ${folder}: ${describeSystemError(cause)}`, { cause });
  }
}

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Opens a split as described by `layout`; see `openDataset`. */
export async function openLayout(
  layout: DatasetLayout,
  { root, split, env }: { root?: string; split: string; env: Environment },
): Promise<Dataset> {
  const { spec, splits, unlabelled = [] } = layout;
  const parts = split === "trainval" ? ["train", "val"] : [split];
  if (!parts.every((part) => splits.includes(part))) {
    const all = splits.includes("val") ? [...splits, "trainval"] : splits;
    throw new UserError(`${spec.name} has no split "${split}"; choose one of ${all.join(", ")}`);
  }
  const isLabelled = !unlabelled.includes(split);
  const folder = await findRoot(layout, root, env);
  const items: DatasetItem[] = [];
  for (const part of parts) {
    const found = await layout.list(folder, part, isLabelled);
    if (found.length === 0) {
      const pattern = join(folder, layout.imagePattern(part));
      throw new UserError(`no images of ${spec.name} found: expected files like ${pattern}`);
    }
    items.push(...found);
  }
  return { spec, root: folder, split, isLabelled, items };
}

/** @throws UserError when the split has no labels */
export function requireLabels({ spec, split, isLabelled }: Dataset, purpose: string): void {
  if (!isLabelled) throw new UserError(`${spec.name} ${split} is published without labels: nothing to ${purpose}`);
}

async function findRoot(
  { spec, defaultRoot, rootVariable, archiveFolder }: DatasetLayout,
  root: string | undefined,
  env: Environment,
): Promise<string> {
  const folder = root ?? (rootVariable && env[rootVariable]) ?? defaultRoot;
  if (!folder) {
    const variable = rootVariable ? ` or set ${rootVariable}` : "";
    throw new UserError(`where is ${spec.name}? Give its folder with --root${variable}`);
  }
  const info = await stat(folder).catch((cause: unknown) => {
    throw new UserError(`dataset folder ${folder} of ${spec.name}: ${describeSystemError(cause)}`, { cause });
  });
  if (!info.isDirectory()) throw new UserError(`dataset folder ${folder} of ${spec.name} is not a folder`);
  if (archiveFolder === undefined) return folder;
  const inner = join(folder, archiveFolder);
  return (await listFolder(inner)).length > 0 ? inner : folder;
}

/** Where the files of a split lie. An id is a file's name without the suffix. */
export interface FilePairs {
  readonly imageFolder: string;
  readonly imageSuffixes: readonly string[];
  /** Places to look for an image's label, in this order; none for a split without labels. */
  readonly labels: readonly { readonly folder: string; readonly suffix: string }[];
  /** The images to take; all of them where absent. */
  readonly ids?: readonly string[];
}

/**
 * Pairs images with labels, in the order of the images' file names.
 *
 * @throws UserError naming the first listed image that is missing, the first image without a label, or two of one id
 */
export async function pairFiles({ imageFolder, imageSuffixes, labels, ids }: FilePairs): Promise<DatasetItem[]> {
  const images = await filesById(imageFolder, imageSuffixes);
  const missing = ids?.find((id) => !images.has(id));
  if (missing !== undefined) {
    throw new UserError(`image ${join(imageFolder, missing + imageSuffixes[0])} is missing: the list of ids names it`);
  }
  const places = await Promise.all(
    labels.map(async ({ folder, suffix }) => ({ folder, names: await filesById(folder, [suffix]) })),
  );
  const wanted = new Set(ids ?? images.keys());
  return [...images].filter(([id]) => wanted.has(id)).map(([id, name]) => {
    const imagePath = join(imageFolder, name);
    const place = places.find(({ names }) => names.has(id));
    if (place) return { id, imagePath, labelPath: join(place.folder, place.names.get(id)!) };
    if (labels.length === 0) return { id, imagePath, labelPath: null };
    const [{ folder, suffix }] = labels;
    throw new UserError(`image ${imagePath} has no label: expected ${join(folder, id + suffix)}`);
  });
}

async function filesById(folder: string, suffixes: readonly string[]): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for (const name of await listFiles(folder, suffixes)) {
    const id = name.slice(0, -suffixes.find((suffix) => name.endsWith(suffix))!.length);
    const other = files.get(id);
    if (other) throw new UserError(`${join(folder, other)} and ${name} beside it bear the same name; which is it?`);
    files.set(id, name);
  }
  return files;
}

/**
 * The ids in a list file, one a line.
 *
 * @throws UserError naming the file when it is missing or lists an id twice
 */
export async function readIds(path: string): Promise<string[]> {
  const text = new TextDecoder().decode(await readFileBytes(path, "list of images"));
  const ids = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const seen = new Set<string>();
  for (const id of ids) {
    if (seen.has(id)) throw new UserError(`${path} lists ${id} twice`);
    seen.add(id);
  }
  return ids;
}
