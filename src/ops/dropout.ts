import { Tensor } from "../tensor/tensor.ts";
import { broadcastShapes, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { arithmetic, broadcastTo } from "./broadcast.ts";
import { apply, defineOp } from "./define.ts";
import { forEachIndex, ndarray } from "./ndarray.ts";
import type { NdArray } from "./ndarray.ts";
import { inParts } from "./parts.ts";
import { philox4x32 } from "../random.ts";
import { broadcastStrides } from "./strides.ts";

/** Of `dropout`. */
export interface DropoutOptions {
  /** Probability of dropping, 0..1. */
  readonly p: number;
  /** Unsigned 32-bit numbers. The same pair gives the same mask: let `offset` count the calls. */
  readonly seed: number;
  readonly offset: number;
  /** One draw per image and channel of x [n, ..., c] (torch's Dropout2d) instead of one per element. */
  readonly perChannel?: boolean;
  /** Uses this mask of zeros and ones, which x's shape broadcasts with, instead of drawing one. */
  readonly mask?: Tensor;
}

type Settings = Required<Omit<DropoutOptions, "mask">>;

const keepFactor = (p: number): number => (p === 1 ? 0 : 1 / (1 - p));
const threshold = (p: number): number => Math.min(Math.floor(p * 2 ** 32), 2 ** 32 - 1);

function maskShape(shape: Shape, perChannel: boolean): Shape {
  return perChannel ? shape.map((n, axis) => (axis === 0 || axis === shape.length - 1 ? n : 1)) : shape;
}

/** The factors that x is multiplied with: 0 or 1 / (1 - p). */
function factors(x: Tensor, given: Tensor | null, { p, seed, offset, perChannel }: Settings): Tensor {
  if (given) return broadcastTo(given, given.shape, keepFactor(p));
  const mask = Tensor.empty(x.gpu, maskShape(x.shape, perChannel));
  const draw = { seed, offset, threshold: threshold(p), keep: keepFactor(p) };
  inParts(mask.size, [], [mask], (_, [mask], count, first) => {
    x.gpu.run("dropout", { mask }, { elements: Math.ceil(count / 4), params: { count, block: first / 4, ...draw } });
  }, 4);
  return mask;
}

function referenceFactors(x: NdArray, given: NdArray | null, { p, seed, offset, perChannel }: Settings): NdArray {
  if (given) return { shape: given.shape, data: given.data.map((m) => m * keepFactor(p)) };
  const mask = ndarray(maskShape(x.shape, perChannel));
  mask.data.forEach((_, i) => {
    const word = philox4x32([Math.floor(i / 4), 0, offset, 0], [seed, 0])[i % 4];
    mask.data[i] = word < threshold(p) ? 0 : keepFactor(p);
  });
  return mask;
}

const settings: Settings = { p: 0.5, seed: 1, offset: 0, perChannel: false };

const dropoutOp = defineOp<readonly [Tensor, Tensor | null], Settings>({
  name: "dropout",
  forward(ctx, [x, given], options) {
    const mask = factors(x, given, options);
    ctx.own(mask);
    return arithmetic("mul", x, mask);
  },
  backward: (ctx, dy) => [arithmetic("mul", dy, ctx.saved[0]), null],
  reference([x, given], options) {
    const mask = referenceFactors(x!, given, options);
    const strides = broadcastStrides(mask.shape, x!.shape);
    const out = ndarray(x!.shape);
    forEachIndex(x!.shape, (index, flat) => {
      out.data[flat] = x!.data[flat] * mask.data[index.reduce((place, n, axis) => place + n * strides[axis], 0)];
    });
    return out;
  },
  samples: [
    { inputs: [[1], null], options: settings },
    { inputs: [[2, 3, 5, 7], null], options: { ...settings, p: 0.1, seed: 0xdeadbeef, offset: 0xfffffff1 } },
    { inputs: [[2, 3, 5, 7], null], options: { ...settings, perChannel: true, offset: 3 }, note: "per channel" },
    { inputs: [[9], null], options: { ...settings, p: 1 }, note: "all dropped" },
    { inputs: [[9], null], options: { ...settings, p: 0 }, note: "all kept" },
    { inputs: [[2, 3, 5], { shape: [2, 1, 5], values: (i) => i % 2 }], options: settings, note: "given mask" },
  ],
});

/**
 * x with a share p of its elements (or channels) set to zero and the others multiplied by 1 / (1 - p).
 * The draw depends on seed, offset and the element's index alone. With p = 0 this is x itself.
 *
 * @throws Error for p outside [0, 1], seed or offset that are no u32, and a mask that does not fit
 */
export function dropout(x: Tensor, options: DropoutOptions): Tensor {
  const { p, seed, offset, perChannel = false, mask = null } = options;
  if (!(p >= 0 && p <= 1)) throw new Error(`dropout probability has to be between 0 and 1, but got ${p}`);
  for (const [name, value] of Object.entries({ seed, offset })) {
    if (value >>> 0 !== value) throw new Error(`dropout: ${name} must be an unsigned 32-bit integer, got ${value}`);
  }
  if (mask && !sameShape(broadcastShapes(x.shape, mask.shape), x.shape)) {
    throw new Error(`dropout: a mask of shape ${showShape(mask.shape)} does not fit x of shape ${showShape(x.shape)}`);
  }
  if (p === 0 || sizeOf(x.shape) === 0) return x;
  return apply(dropoutOp, [x, mask], { p, seed, offset, perChannel });
}
