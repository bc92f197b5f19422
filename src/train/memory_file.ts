/**
 * Memories as files: safetensors with one tensor [K, F, C] under its name in the state dict, and in the metadata the
 * classes that it is of. Checkpoints and official weights hold the same.
 */
import type { DatasetSpec } from "../data/dataset.ts";
import { UserError } from "../errors.ts";
import { readFileBytes } from "../io/files.node.ts";
import { serializeSafetensors } from "../io/safetensors.ts";
import { parseStateFile } from "../io/state_file.node.ts";
import { showShape } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";

export const MEMORY_NAME = "memory_module.memory";
const FORMAT = "mcibi-webgpu memory 1";

export interface StoredMemory {
  readonly path: string;
  /** [K, F, C]. */
  readonly shape: Shape;
  readonly values: Float32Array;
  /** Null where the file does not say. */
  readonly classNames: readonly string[] | null;
}

/**
 * The bytes of a file; the same memory gives the same ones.
 *
 * @param source how it was made, for whoever finds it
 */
export function serializeMemory(
  { shape, values }: Pick<StoredMemory, "shape" | "values">,
  { name: dataset, classNames }: DatasetSpec,
  source: Readonly<Record<string, string | number>>,
): Uint8Array {
  const subject = JSON.stringify({ dataset, classNames });
  const metadata = { format: FORMAT, subject, source: JSON.stringify(source) };
  return serializeSafetensors([[MEMORY_NAME, { shape, data: values }]], metadata);
}

/** @throws UserError naming the file when it cannot be read, is damaged, or has no memory */
export async function readMemory(path: string): Promise<StoredMemory> {
  const { metadata, tensors } = parseStateFile(await readFileBytes(path, "memory"), `memory ${path}`);
  const tensor = tensors.get(MEMORY_NAME);
  if (!tensor || tensor.shape.length !== 3) {
    const found = tensor ? `${MEMORY_NAME} has shape ${showShape(tensor.shape)}` : `there is no tensor ${MEMORY_NAME}`;
    throw new UserError(`memory ${path}: ${found}, expected [classes, slots, channels]`);
  }
  const values = Float32Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  if (!values.every(Number.isFinite)) throw new UserError(`memory ${path}: holds numbers that are not finite`);
  return { path, shape: tensor.shape, values, classNames: namesIn(metadata.subject, path) };
}

function namesIn(subject: string | undefined, path: string): readonly string[] | null {
  if (subject === undefined) return null;
  try {
    return (JSON.parse(subject) as { classNames: string[] }).classNames;
  } catch (cause) {
    throw new UserError(`memory ${path}: the metadata field "subject" is damaged`, { cause });
  }
}

/** @throws UserError where it is for another network or for other classes */
export function requireFitting({ path, shape, classNames }: StoredMemory, wanted: Shape, spec: DatasetSpec): void {
  if (String(shape) !== String(wanted)) {
    throw new UserError(
      `memory ${path} has shape ${showShape(shape)}, expected ${showShape(wanted)}: ` +
        "the classes, memory.featsPerClass, model.featsChannels",
    );
  }
  if (classNames === null || String(classNames) === String(spec.classNames)) return;
  throw new UserError(
    `memory ${path} is of the classes ${classNames.slice(0, 3).join(", ")}, ..., not of those of ${spec.name}`,
  );
}
