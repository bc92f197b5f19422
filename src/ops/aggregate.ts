import { createNode, isGradEnabled, noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";
import { argmax } from "./argmax.ts";
import { apply, defineOp, edgeOf } from "./define.ts";
import { matmul } from "./matmul.ts";
import { ndarray } from "./ndarray.ts";
import { inParts } from "./parts.ts";
import { reshape } from "./shape_ops.ts";
import { slice } from "./slice.ts";
import { softmax } from "./softmax.ts";

/** How `aggregateMemory` reads the memory. */
export interface AggregateOptions {
  /** Take the vector of the most likely class, the first of equals, instead of the expected vector. */
  readonly hard: boolean;
  /** What backward takes for the memory, asked when it runs. Default: the memory of forward, as is right. */
  readonly memoryInBackward?: () => Tensor;
}

const lookUpOp = defineOp<readonly [Tensor, Tensor], { readonly slot: number }>({
  name: "memory_lookup",
  forward(_ctx, [logits, memory], { slot }) {
    const [, slots, channels] = memory.shape;
    const classes = argmax(logits);
    const out = Tensor.empty(memory.gpu, [...classes.shape, channels]);
    inParts(classes.size, [classes], [out], ([classes], [out], pixels) => {
      memory.gpu.run("memory_lookup", { memory, classes, out }, {
        elements: out.size,
        params: { pixels, slot },
        constants: { SLOTS: slots, CHANNELS: channels },
      });
    });
    classes.release();
    return out;
  },
  reference([logits, memory], { slot }) {
    const [classes, slots, channels] = memory!.shape;
    const rows = Array.from({ length: logits!.data.length / classes }, (_, pixel) => {
      const own = logits!.data.subarray(pixel * classes, (pixel + 1) * classes);
      const row = own.indexOf(Math.max(...own)) * slots + slot;
      return [...memory!.data.subarray(row * channels, (row + 1) * channels)];
    });
    return ndarray([...logits!.shape.slice(0, -1), channels], rows.flat());
  },
  samples: [
    { inputs: [[1, 1, 1, 1], [1, 1, 1]], options: { slot: 0 } },
    { inputs: [[2, 3, 5, 7], [7, 3, 6]], options: { slot: 2 }, note: "the last slot" },
    { inputs: [{ shape: [1, 4, 3, 5], values: (i) => i % 3 }, [5, 2, 4]], options: { slot: 1 }, note: "ties" },
  ],
});

/**
 * What the memory knows about every pixel: softmax(logits)·memory[:, slot, :], the expected vector of its class
 * (METHOD.md 1.3, steps 5 and 6). The gradient goes to the logits only (METHOD.md 2.8): the memory is a constant, and
 * must not be written to before backward, which the official code does: `memoryInBackward` makes the gradient that
 * follows from that. `hard` passes no gradient at all.
 *
 * @param logits [n, h, w, K]
 * @param memory [K, F, C]
 * @param slot 0..F-1
 * @returns [n, h, w, C]
 *
 * @throws Error where the shapes do not fit each other or there is no such slot
 */
export function aggregateMemory(logits: Tensor, memory: Tensor, slot: number, options: AggregateOptions): Tensor {
  const [classes, slots, channels] = memory.shape;
  if (memory.shape.length !== 3 || logits.shape.length !== 4 || logits.shape[3] !== classes) {
    throw new Error(
      `aggregateMemory: logits of shape ${showShape(logits.shape)} do not fit a memory of shape ` +
        `${showShape(memory.shape)}; expected [n, h, w, K] and [K, F, C]`,
    );
  }
  if (!Number.isInteger(slot) || slot < 0 || slot >= slots) {
    throw new Error(`aggregateMemory: there is no slot ${slot}; the memory has ${slots} per class, counted from 0`);
  }
  const shape = [...logits.shape.slice(0, 3), channels];
  if (options.hard) return apply(lookUpOp, [logits, memory], { slot });
  const weights = reshape(softmax(logits), [logits.size / classes, classes]);
  const { memoryInBackward: later } = options;
  const mixture = later ? mixAliased(weights, memory, slot, later) : matmul(weights, rowsOf(memory, slot));
  return reshape(mixture, shape);
}

/** [K, C] of one slot: a constant, since a view has no history. */
function rowsOf(memory: Tensor, slot: number): Tensor {
  const [classes, slots, channels] = memory.shape;
  const rows = slots === 1 ? memory : slice(memory, 1, slot, slot + 1);
  return rows.view([classes, channels]);
}

/** weights·M with the gradient grad·M'ᵀ, M' being the memory that there is by then. */
function mixAliased(weights: Tensor, memory: Tensor, slot: number, later: () => Tensor): Tensor {
  const mixture = noGrad(() => matmul(weights, rowsOf(memory, slot)));
  if (!isGradEnabled() || !weights.tracksGrad) return mixture;
  const gradient = (grad: Tensor) => noGrad(() => matmul(grad, rowsOf(later(), slot), { transposeB: true }));
  mixture.node = createNode<Tensor>("memory_mixture", [edgeOf(weights)], (grad) => [gradient(grad)], [mixture]);
  return mixture;
}
