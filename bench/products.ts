/** Workloads of the matrix-product family: convolutions and matrix products, each with its two gradients. */
import { conv2dGeometry } from "../src/ops/conv2d.geometry.ts";
import type { Conv2dGeometry } from "../src/ops/conv2d.geometry.ts";
import { registry } from "../src/ops/define.ts";
import type { Pair, Shape } from "../src/tensor/shape.ts";
import "../src/ops/conv2d.ts";
import "../src/ops/matmul.ts";
import type { ConvShape } from "./network.ts";
import { bytesOf } from "./workload.ts";
import type { Pass, Problem, Workload } from "./workload.ts";

/** `batch` products of op(a) [m, k] and op(b) [k, n]; the fields are those of the benchmark's JSON. */
export interface MatmulShape {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

const PASSES: readonly Pass[] = ["forward", "backwardInput", "backwardWeight"];

/** Channels, or rows and columns, of the problems for the f64 reference: odd, and still many finite differences. */
const FEW = 5;
/** Pixels along an axis of a reduced map without long window: 9 x 9 is more than one tile, and no multiple of one. */
const SHORT = 9;
/** Rows, columns and terms of a reduced matrix product: likewise, and whole vectors of four. */
const MANY = 132;

const needsGradIn = (pass: Pass) => [pass === "backwardInput", pass === "backwardWeight"];

export function convolutionPasses(name: string, shape: ConvShape): Workload[] {
  const [x, w] = operandShapes(shape);
  const { n, oh, ow } = geometry(shape);
  const reduced = reduceMap(shape);
  const few = (channels: number): number => Math.min(channels / shape.groups, FEW) * shape.groups;
  const small = { ...reduced, inChannels: few(shape.inChannels), outChannels: few(shape.outChannels) };
  return PASSES.map((pass) => ({
    name,
    op: registry.get("conv2d")!,
    pass,
    needsGrad: [...needsGradIn(pass), false],
    shape: { ...shape },
    label: convolutionLabel(shape),
    flops: 2 * n * oh * ow * shape.outChannels * depthOf(shape, "forward"),
    bytes: bytesOf(x, w, [n, oh, ow, shape.outChannels]),
    problem: convolution(shape, pass),
    reduced: convolution(reduced, pass),
    small: convolution(small, pass),
  }));
}

function convolutionLabel({ n, h, w, inChannels, outChannels, kernel, stride, dilation }: ConvShape): string {
  const beside = (letter: string, [y, x]: Pair): string =>
    y === 1 && x === 1 ? "" : ` ${letter}${y === x ? y : `${y}x${x}`}`;
  const window = `${kernel.join("x")}${beside("s", stride)}${beside("d", dilation)}`;
  return `${n}x${h}x${w}x${inChannels} ${window} -> ${outChannels}`;
}

/** The whole image becomes as small as it can be with every tap of the window inside it somewhere, and outside. */
function reduceMap(shape: ConvShape): ConvShape {
  const shorten = (length: number, axis: 0 | 1): number => {
    const reach = (shape.dilation[axis] * (shape.kernel[axis] - 1)) / 2;
    return Math.min(length, Math.max(Math.ceil(reach) + 1 + shape.stride[axis], SHORT * shape.stride[axis]));
  };
  return { ...shape, n: 1, h: shorten(shape.h, 0), w: shorten(shape.w, 1) };
}

function convolution(shape: ConvShape, pass: Pass): Problem {
  const { stride, padding, dilation, groups } = shape;
  const inputs = [...operandShapes(shape).map((operand) => ({ shape: operand })), null];
  return { inputs, options: { stride, padding, dilation, groups }, depth: depthOf(shape, pass) };
}

function depthOf(shape: ConvShape, pass: Pass): number {
  const { n, oh, ow, kernel, inChannels, outChannels, groups } = geometry(shape);
  if (pass === "backwardWeight") return n * oh * ow;
  return (kernel[0] * kernel[1] * (pass === "forward" ? inChannels : outChannels)) / groups;
}

function operandShapes({ n, h, w, inChannels, outChannels, kernel, groups }: ConvShape): [Shape, Shape] {
  return [
    [n, h, w, inChannels],
    [kernel[0], kernel[1], inChannels / groups, outChannels],
  ];
}

function geometry(shape: ConvShape): Conv2dGeometry {
  return conv2dGeometry(...operandShapes(shape), null, shape);
}

/** The gradient of a is the pass `backwardInput`, that of b is `backwardWeight`: products as well, of the same cost. */
export function matmulPasses(name: string, shape: MatmulShape, passes: readonly Pass[] = PASSES): Workload[] {
  const { batch, m, n, k } = shape;
  const atMost = (limit: number): MatmulShape => ({
    ...shape,
    batch: Math.min(batch, 2),
    m: Math.min(m, limit),
    n: Math.min(n, limit),
    k: Math.min(k, limit),
  });
  const depths = { forward: "k", backwardInput: "n", backwardWeight: "m" } as const;
  const product = (sizes: MatmulShape, pass: Pass): Problem => ({ ...matrices(sizes), depth: sizes[depths[pass]] });
  return passes.map((pass) => ({
    name,
    op: registry.get("matmul")!,
    pass,
    needsGrad: needsGradIn(pass),
    shape: { ...shape },
    label: `${batch > 1 ? `${batch} of ` : ""}${m}x${k} . ${k}x${n}`,
    flops: 2 * batch * m * n * k,
    bytes: bytesOf([batch, m, k], [batch, k, n], [batch, m, n]),
    problem: product(shape, pass),
    reduced: product(atMost(MANY), pass),
    small: product(atMost(FEW), pass),
  }));
}

function matrices({ batch, m, n, k, transposeA, transposeB }: MatmulShape): Problem {
  const a = transposeA ? [batch, k, m] : [batch, m, k];
  const b = transposeB ? [batch, n, k] : [batch, k, n];
  return { inputs: [{ shape: a }, { shape: b }], options: { transposeA, transposeB } };
}
