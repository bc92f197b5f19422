/** Files with the weights of a network, whoever wrote them: safetensors, or what `torch.save` makes of a state_dict. */
import { PthError, isPickle, isZip, parsePth } from "./pth.node.ts";
import type { PthValue } from "./pth.node.ts";
import { describeValue } from "./pickle.ts";
import { parseSafetensors } from "./safetensors.ts";
import type { SafetensorsData } from "./safetensors.ts";
import { TorchTensor } from "./torch_objects.ts";

export interface StateFile {
  /** Of a safetensors file; empty for others. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, without the `module.` of DataParallel. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: SafetensorsData }>;
}

/** Under one of these names checkpoints keep the state_dict beside epochs, optimisers and the like. */
const WRAPPERS = ["model", "state_dict"] as const;
const DATA_PARALLEL = "module.";
const PTH_ENDING = /\.(pth|pt|pth\.tar)$/i;

/**
 * Reads a file held in memory; its first bytes say of which kind it is.
 *
 * @param name what to call the file in errors
 * @throws PthError, SafetensorsError when it is neither, damaged, or holds no state_dict
 */
export function parseStateFile(bytes: Uint8Array, name: string): StateFile {
  if (isZip(bytes) || isPickle(bytes) || PTH_ENDING.test(name)) {
    return { metadata: {}, tensors: stateDict(parsePth(bytes, name), name) };
  }
  const { metadata, tensors } = parseSafetensors(bytes, name);
  return { metadata, tensors: withoutModule(tensors) };
}

function stateDict(value: PthValue, name: string): StateFile["tensors"] {
  const dict = unwrap(value);
  if (!(dict instanceof Map)) throw new PthError(`${name}: ${describeValue(value)}, expected a state_dict`);
  const tensors = new Map<string, { shape: readonly number[]; data: SafetensorsData }>();
  for (const [key, tensor] of dict as ReadonlyMap<PthValue, PthValue>) {
    if (typeof key !== "string" || !(tensor instanceof TorchTensor)) {
      const keys = [...dict.keys()].slice(0, 8).map(describeValue).join(", ");
      throw new PthError(
        `${name}: no state_dict: ${describeValue(key)} is ${describeValue(tensor)}, expected a tensor. ` +
          `It has ${keys}; a state_dict may stand alone or under ${WRAPPERS.join(" or ")}`,
      );
    }
    tensors.set(key, { shape: tensor.shape, data: tensor.data() });
  }
  if (tensors.size === 0) throw new PthError(`${name}: an empty dict, expected a state_dict`);
  return withoutModule(tensors);
}

/** A state_dict has no entry that is a dict, so one that is must be a wrapping. */
function unwrap(value: PthValue): PthValue {
  if (!(value instanceof Map)) return value;
  const wrapper = WRAPPERS.find((name) => value.get(name) instanceof Map);
  return wrapper ? (value.get(wrapper) as PthValue) : value;
}

function withoutModule<T>(tensors: ReadonlyMap<string, T>): ReadonlyMap<string, T> {
  const isWrapped = tensors.size > 0 && [...tensors.keys()].every((name) => name.startsWith(DATA_PARALLEL));
  if (!isWrapped) return tensors;
  return new Map([...tensors].map(([name, tensor]) => [name.slice(DATA_PARALLEL.length), tensor]));
}
