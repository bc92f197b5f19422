import { constants, existsSync } from "node:fs";
import { access, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { UserError } from "../errors.ts";

let writes = 0;

/**
 * Writes a file so that it appears whole or not at all: into a temporary file beside it, flushed to the disk, then
 * renamed over the target. Creates missing parent folders.
 *
 * @throws UserError naming the path when the file system refuses; nothing is left behind then
 */
export async function writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.${writes++}.tmp`);
  try {
    await createFolder(folder);
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new UserError(`cannot write ${path}: ${describeSystemError(cause)}`, { cause });
  }
}

/**
 * Creates a folder and those above it, where they are missing.
 *
 * @param what what the folder is to the user, for the error: "run folder"
 * @throws UserError naming the path when the file system refuses
 */
export async function createFolder(path: string, what = "folder"): Promise<void> {
  try {
    await makeFolders(path);
  } catch (cause) {
    throw new UserError(`cannot create ${what} ${path}: ${describeSystemError(cause)}`, { cause });
  }
}

/** Node's own way never ends where a file system, such as /proc, refuses new names by saying that they do not exist. */
async function makeFolders(path: string): Promise<void> {
  if (await isFolder(path)) return;
  const parent = dirname(path);
  if (parent !== path) await makeFolders(parent);
  await mkdir(path).catch(async (error: unknown) => {
    if (!(await isFolder(path))) throw error; // else somebody was faster
  });
}

function isFolder(path: string): Promise<boolean> {
  return stat(path).then((found) => found.isDirectory(), () => false);
}

/**
 * Makes sure that results can be written, before time is spent on them; creates nothing.
 *
 * @param path undefined where none are wanted
 * @param kind what the path will be; of a folder, files below it
 * @throws UserError naming the path
 */
export async function requireWritable(path: string | undefined, kind: "file" | "folder"): Promise<void> {
  if (path === undefined) return;
  const refusal = (code: string): Error => new UserError(`cannot write ${path}: ${describeSystemError({ code })}`);
  if (kind === "file" && (await isFolder(path))) throw refusal("EISDIR");
  let folder = kind === "file" ? dirname(path) : path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  if (!(await isFolder(folder))) throw refusal("ENOTDIR");
  await access(folder, constants.W_OK).catch(({ code }: NodeJS.ErrnoException) => {
    throw refusal(code!);
  });
}

/**
 * Reads a whole file.
 *
 * @param what what the file is to the user, for the error: "checkpoint", "label image"
 * @throws UserError naming the path and the reason
 */
export async function readFileBytes(path: string, what: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new UserError(`cannot read ${what} ${path}: ${describeSystemError(cause)}`, { cause });
  }
}

/** The rename itself lives in the folder: without this a power cut may undo it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === "win32") return; // Windows cannot open a folder for this.
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "a file of that name is in the way",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
};

/** The reason behind a Node file-system error in words, without the system call and the path that Node adds. */
export function describeSystemError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return (code && REASONS[code]) ?? message;
}
