import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../errors.ts";
import { describeSystemError } from "../io/files.node.ts";
import type { IGNORE_INDEX } from "./label_tables.ts";

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
}

export interface DatasetItem {
  /** Unique within the split, without extension: names output files. */
  readonly id: string;
  readonly imagePath: string;
  readonly labelPath: string;
}

/** The images of one split, in an order that depends on their names alone. */
export interface Dataset {
  readonly spec: DatasetSpec;
  readonly root: string;
  readonly split: string;
  readonly items: readonly DatasetItem[];
}

/** How to find the files of one dataset on disk. */
export interface DatasetLayout {
  readonly spec: DatasetSpec;
  /** Splits on disk; `trainval` is `train` followed by `val` everywhere. */
  readonly splits: readonly string[];
  /** Where to look when no root is given: a fixed folder, or an environment variable that names it. */
  readonly defaultRoot?: string;
  readonly rootVariable?: string;
  /** Pattern of the image files below the root, for the error message. */
  readonly imagePattern: string;
  /** Lists one split on disk. */
  list(root: string, split: string): Promise<DatasetItem[]>;
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
  const { spec, splits } = layout;
  const parts = split === "trainval" ? ["train", "val"] : [split];
  if (!parts.every((part) => splits.includes(part))) {
    throw new UserError(`${spec.name} has no split "${split}"; choose one of ${[...splits, "trainval"].join(", ")}`);
  }
  const folder = await findRoot(layout, root, env);
  const items: DatasetItem[] = [];
  for (const part of parts) {
    const found = await layout.list(folder, part);
    if (found.length === 0) {
      const pattern = join(folder, layout.imagePattern.replace("{split}", part));
      throw new UserError(`no images of ${spec.name} found: expected files like ${pattern}`);
    }
    items.push(...found);
  }
  return { spec, root: folder, split, items };
}

async function findRoot(
  { spec, defaultRoot, rootVariable }: DatasetLayout,
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
  return folder;
}

/**
 * Pairs image names with label names.
 *
 * @throws UserError naming the first image without a label
 */
export function pairItems(
  names: readonly { readonly id: string; readonly image: string; readonly label: string }[],
  labelNames: readonly string[],
  imageFolder: string,
  labelFolder: string,
): DatasetItem[] {
  const labels = new Set(labelNames);
  return names.map(({ id, image, label }) => {
    const imagePath = join(imageFolder, image);
    const labelPath = join(labelFolder, label);
    if (!labels.has(label)) throw new UserError(`image ${imagePath} has no label: expected ${labelPath}`);
    return { id, imagePath, labelPath };
  });
}
