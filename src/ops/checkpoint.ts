/** Recomputation over tensors: memory for time. */
import { Part, createCheckpoint } from "../autograd/checkpoint.ts";
import { enableGrad, isGradEnabled, nextSerial } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { edgeOf } from "./define.ts";

/**
 * fn(...inputs), of which only the inputs are kept until backward, which runs `fn` again for the rest
 * (torch.utils.checkpoint). `fn` is synchronous, takes every tensor that requires gradients and is not a leaf as an
 * input, does the same both times, and keeps what must happen once (random draws, running statistics) to the first run
 * by `once` and `isRepeated` of autograd/checkpoint; the layers of nn do.
 *
 * Results, gradients and their bytes are those of fn(...inputs), except that with several inputs sums of three and more
 * gradients may be added up in another order. In-place changes that backward would report are reported.
 *
 * Where nothing is recorded, what lies between is released at once.
 */
export function checkpoint<I extends readonly Tensor[]>(fn: (...inputs: NoInfer<I>) => Tensor, ...inputs: I): Tensor {
  if (inputs.length === 0) throw new Error("checkpoint takes at least one input");
  if (!isGradEnabled()) return keepOnly(inputs[0], () => fn(...inputs));
  const part = new Part();
  const since = nextSerial();
  const output = keepOnly(inputs[0], () => part.first(() => fn(...inputs)));
  const { node } = output;
  if (node === null || node.serial < since) return output;
  output.node = createCheckpoint<Tensor>(node, {
    inputs: inputs.map((input) => (input.tracksGrad ? edgeOf(input) : null)),
    since,
    again: () => enableGrad(() => part.again(() => fn(...inputs))).node,
    owned: [output],
  });
  return output;
}

/** Releases everything that `fn` makes but its result. */
function keepOnly({ gpu }: Tensor, fn: () => Tensor): Tensor {
  let isNew: boolean;
  let result: Tensor;
  {
    using arena = gpu.arena();
    result = fn();
    if (!(result instanceof Tensor)) throw new Error("checkpoint: the function has to return one tensor at once");
    isNew = arena.disown(result);
  }
  if (isNew) gpu.own(result);
  return result;
}
