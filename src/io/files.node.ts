import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
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
    await mkdir(folder, { recursive: true });
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
