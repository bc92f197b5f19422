/** Reading many tensors at once: a state dict has hundreds of small ones, and every read back waits for the device. */
import { Tensor } from "../tensor/tensor.ts";

/** Staging copies stay below this, so that reading a large model does not need its memory twice. */
const MAX_BATCH_BYTES = 32 << 20;

/** Values of f32 tensors, in order. */
export async function readTensors(tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const values: Float32Array[] = [];
  for (let first = 0; first < tensors.length;) {
    let size = tensors[first].size;
    let end = first + 1;
    while (end < tensors.length && (size + tensors[end].size) * 4 <= MAX_BATCH_BYTES) size += tensors[end++].size;
    values.push(...(await readBatch(tensors.slice(first, end), size)));
    first = end;
  }
  return values;
}

async function readBatch(tensors: readonly Tensor[], size: number): Promise<Float32Array[]> {
  const packed = Tensor.empty(tensors[0].gpu, [size]).keep();
  let offset = 0;
  const offsets = tensors.map((tensor) => {
    tensor.gpu.copy(tensor, packed, tensor.size * 4, 0, offset * 4);
    offset += tensor.size;
    return offset - tensor.size;
  });
  const all = (await packed.data()) as Float32Array;
  packed.dispose();
  return tensors.map((tensor, i) => all.slice(offsets[i], offsets[i] + tensor.size));
}
