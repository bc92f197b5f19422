import type { Tensor } from "../tensor/tensor.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { inParts } from "./parts.ts";
import { vectorDispatch } from "./variants.ts";

export interface SgdOptions {
  readonly lr: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  /** True on the first step of this parameter: the gradient is copied into the buffer, whatever the buffer holds. */
  readonly first: boolean;
}

/** One step of torch.optim.SGD: changes `param` and, with momentum, its buffer in place. Not recorded. */
export function sgdStep(param: Tensor, grad: Tensor, momentumBuffer: Tensor | null, options: SgdOptions): void {
  const { lr, momentum = 0, weightDecay = 0, dampening = 0, nesterov = false, first } = options;
  if (!(lr >= 0)) throw new Error(`Invalid learning rate: ${lr}`);
  if (!(momentum >= 0)) throw new Error(`Invalid momentum value: ${momentum}`);
  if (!(weightDecay >= 0)) throw new Error(`Invalid weight_decay value: ${weightDecay}`);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw new Error("Nesterov momentum requires a momentum and zero dampening");
  }
  if (momentum > 0 && momentumBuffer === null) throw new Error(`momentum ${momentum} needs a momentum buffer`);
  for (const other of [grad, momentumBuffer]) {
    if (other && !sameShape(other.shape, param.shape)) {
      throw new Error(`parameter of shape ${showShape(param.shape)} with gradient or buffer of ${showShape(other.shape)}`);
    }
  }
  inParts(param.size, [grad], [param, momentumBuffer], ([grad], [param, buffer]) => {
    const isVec4 = param.size % 4 === 0;
    const count = isVec4 ? param.size / 4 : param.size;
    const params = { count, lr, weightDecay, momentum, dampening, first: first ? 1 : 0 };
    const walk = isVec4 ? vectorDispatch(param.gpu, "sgd_vec4", count) : { elements: Math.ceil(count / 4) };
    const call = { params, ...walk };
    if (momentum === 0) {
      param.gpu.run(isVec4 ? "sgd_vec4.plain" : "sgd.plain", { param, grad }, call);
    } else {
      const constants = { NESTEROV: nesterov };
      const buffers = { param, grad, buffer: buffer! };
      param.gpu.run(isVec4 ? "sgd_vec4.momentum" : "sgd.momentum", buffers, { ...call, constants });
    }
  });
}
