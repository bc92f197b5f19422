/** Between PyTorch's order of axes, in which fixtures are stored, and ours. */
import { sizeOf, stridesOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import type { TypedData } from "../tensor/tensor.ts";

/** Row-major numbers in the memory of the host. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: TypedData;
}

export interface Layout {
  /** From PyTorch's order into ours. */
  into(array: HostArray): HostArray;
  /** The inverse. */
  from(array: HostArray): HostArray;
}

/** Both orders are the same. */
export const plain: Layout = { into: (array) => array, from: (array) => array };

/** [n, c, ...] with the channels last: [n, ..., c]. Arrays of fewer than two axes stay as they are. */
export const channelsLast: Layout = {
  into: (array) => permute(array, rotate(array.shape.length, 1)),
  from: (array) => permute(array, rotate(array.shape.length, -1)),
};

/** Weights of a convolution: OIHW and HWIO. */
export const convolutionWeight: Layout = {
  into: (array) => (array.shape.length === 4 ? permute(array, [2, 3, 1, 0]) : array),
  from: (array) => (array.shape.length === 4 ? permute(array, [3, 2, 0, 1]) : array),
};

/** One image without the axis of the batch: [c, h, w] and [1, h, w, c]. */
const singleImage: Layout = {
  into: ({ shape, data }) => channelsLast.into({ shape: [1, ...shape], data }),
  from(array) {
    const { shape, data } = channelsLast.from(array);
    return { shape: shape.slice(1), data };
  },
};

/** What an operation on images takes: [n, c, h, w], or [c, h, w] where PyTorch allows it. */
export function imageLayout({ shape }: HostArray): Layout {
  return shape.length === 3 ? singleImage : channelsLast;
}

/** Keeps axis 0 and rotates the others by one place. */
function rotate(rank: number, by: 1 | -1): number[] {
  const axes = Array.from({ length: Math.max(rank - 1, 0) }, (_, i) => i + 1);
  if (by === 1) axes.push(...axes.splice(0, 1));
  else axes.unshift(...axes.splice(-1));
  return rank === 0 ? [] : [0, ...axes];
}

function permute({ shape, data }: HostArray, axes: readonly number[]): HostArray {
  const steps = stridesOf(shape);
  const target = axes.map((axis) => shape[axis]);
  const index = new Array<number>(axes.length).fill(0);
  const out = new (data.constructor as Float32ArrayConstructor)(sizeOf(target));
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from];
    for (let k = axes.length - 1; k >= 0; k--) {
      from += steps[axes[k]];
      if (++index[k] < target[k]) break;
      from -= steps[axes[k]] * target[k];
      index[k] = 0;
    }
  }
  return { shape: target, data: out };
}
