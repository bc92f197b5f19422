/** Checkpoints as files; see checkpoint.ts. */
import { readFileBytes, writeFileAtomic } from "../io/files.node.ts";
import { parseStateFile } from "../io/state_file.node.ts";
import { asWeights, requireCheckpoint } from "./checkpoint.ts";
import type { Checkpoint, Weights } from "./checkpoint.ts";

/** Writes the bytes under each of the paths, whole or not at all. */
export async function writeCheckpoint(bytes: Uint8Array, paths: readonly string[]): Promise<void> {
  for (const path of paths) await writeFileAtomic(path, bytes);
}

/**
 * Reads a checkpoint; puts it on no device.
 *
 * @throws UserError naming the file when it cannot be read, is damaged, or is not one of these checkpoints
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  return requireCheckpoint(await readWeights(path));
}

/**
 * Reads one of these checkpoints or, as weights alone, a state_dict: a safetensors file or one of `torch.save`, such as
 * the official checkpoints are. Puts nothing on a device.
 *
 * @throws UserError naming the file when it cannot be read, is damaged, or is neither
 */
export async function readWeights(path: string): Promise<Weights | Checkpoint> {
  return asWeights(parseStateFile(await readFileBytes(path, "checkpoint"), `checkpoint ${path}`), path);
}
