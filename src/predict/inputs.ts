/** From the arguments of a command to images, and to names for what is made of them. */
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, extname, join, posix, resolve } from "node:path";
import { describeSystemError } from "../io/files.node.ts";
import { isPattern, patternToRegExp, splitPattern } from "./glob.ts";

export interface Image {
  readonly path: string;
  /** Unique, below the folders of the output, without ending; folders as they are below the argument. */
  readonly name: string;
  /** Unique per folder of images, which may be the frames of a video; null for an image that was named itself. */
  readonly sequence: string | null;
}

/** What cannot be predicted, and why. */
export interface Refusal {
  readonly path: string;
  readonly reason: string;
}

export interface Inputs {
  /** In the order of the arguments, within a folder by name, numbers by value. */
  readonly images: readonly Image[];
  readonly refused: readonly Refusal[];
}

const ENDINGS = [".png", ".jpg", ".jpeg"] as const;
const KINDS = "PNG or JPEG";

/** Numbers by value, so that frame 10 follows frame 9; else and between equals by code units, the same everywhere. */
const collator = new Intl.Collator("en", { numeric: true });
const byName = (a: string, b: string): number => collator.compare(a, b) || (a < b ? -1 : 1);

/**
 * Finds images: files, those in folders at any depth, those that match patterns. Each is found once, hidden ones only
 * where they are named.
 *
 * @param args paths; a file that exists is never taken for a pattern
 * @param excluded folders that are not entered, such as those with earlier results
 */
export async function findImages(args: readonly string[], excluded: readonly string[] = []): Promise<Inputs> {
  const images: Image[] = [];
  const refused: Refusal[] = [];
  const [found, names, sequences] = [new Set<string>(), new Unique(), new Unique()];
  const refuse = (path: string, reason: string): void => void refused.push({ path, reason });

  const add = (path: string, name: string, sequence: string | null): void => {
    if (found.has(resolve(path))) return;
    found.add(resolve(path));
    images.push({ path, name: names.take(name.slice(0, name.length - extname(name).length)), sequence });
  };
  /** All images below a folder; a folder on top keeps those of several arguments apart. */
  const addFolder = async (folder: string, matches: (path: string) => boolean): Promise<number> => {
    const paths = (await walk(folder, excluded, refuse)).filter((path) => isImage(path) && matches(path));
    const own = basename(resolve(folder)) || "images"; // the root has no name
    const top = args.length > 1 ? names.take(own) : "";
    const titles = new Map<string, string>();
    for (const path of paths) {
      const inner = path.split("/").slice(0, -1).join("/");
      const title = [top, inner].filter((part) => part !== "").join("/") || own;
      if (!titles.has(inner)) titles.set(inner, sequences.take(title));
      add(join(folder, path), posix.join(top, path), titles.get(inner)!);
    }
    return paths.length;
  };

  for (const arg of args) {
    const info = await stat(arg).catch((error: unknown) => describeSystemError(error));
    if (typeof info !== "string") {
      if (info.isFile()) add(arg, basename(arg), null);
      else if (!info.isDirectory()) refuse(arg, "neither a file nor a folder");
      else if ((await addFolder(arg, () => true)) === 0) refuse(arg, `no ${KINDS} in this folder`);
    } else if (isPattern(arg)) {
      const { folder, rest } = splitPattern(arg);
      const expression = patternToRegExp(rest);
      const isThere = await stat(folder).then((base) => base.isDirectory(), () => false);
      const count = isThere ? await addFolder(folder, (path) => expression.test(path)) : 0;
      if (count === 0) refuse(arg, `no ${KINDS} matches`);
    } else {
      refuse(arg, info);
    }
  }
  return { images, refused };
}

/** Names that differ, also to a file system that does not tell small letters from capitals. */
class Unique {
  readonly #taken = new Set<string>();

  /** The name, or where it is taken the name with the first number that makes it another. */
  take(name: string): string {
    const key = (candidate: string): string => candidate.normalize().toLowerCase();
    let candidate = name;
    for (let number = 2; this.#taken.has(key(candidate)); number++) candidate = `${name}-${number}`;
    this.#taken.add(key(candidate));
    return candidate;
  }
}

const isImage = (path: string): boolean => ENDINGS.some((ending) => ending === extname(path).toLowerCase());

/** Files below a folder, with `/` between the parts of their paths; links are followed, but not in circles. */
async function walk(
  root: string,
  excluded: readonly string[],
  refuse: (path: string, reason: string) => void,
): Promise<string[]> {
  const left = new Set(excluded.map((path) => resolve(path)));
  const entered = new Set<string>();
  const files: string[] = [];
  const enter = async (inner: string): Promise<void> => {
    const folder = join(root, inner);
    try {
      const real = await realpath(folder);
      if (entered.has(real)) return;
      entered.add(real);
      for (const name of (await readdir(folder)).sort(byName)) {
        const path = inner === "" ? name : `${inner}/${name}`;
        if (name.startsWith(".") || left.has(resolve(root, path))) continue;
        const info = await stat(join(root, path)).catch(() => null); // a link to nothing
        if (info?.isDirectory()) await enter(path);
        else if (info?.isFile()) files.push(path);
      }
    } catch (error) {
      refuse(folder, describeSystemError(error));
    }
  };
  await enter("");
  return files;
}
