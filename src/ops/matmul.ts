import type { Tune } from "../runtime/programs.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import type { Shape } from "../tensor/shape.ts";
import { apply, defineOp } from "./define.ts";
import { ndarray } from "./ndarray.ts";
import { addTo, sumSlabs } from "./accumulate.ts";
import { panelProduct } from "./matmul.panel.ts";
import { toFour } from "./panels.ts";
import { excerpt, fits, place, unitsPerPart } from "./parts.ts";
import { GEMM_VARIANTS, TILE, blockedPlan, gemmChoice, splitCount } from "./variants.ts";
import type { Product } from "./variants.ts";
import { insert, window } from "./window.ts";

/** Which operands are stored transposed. */
export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

interface Dimensions {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** Sizes of the product of two shapes, or PyTorch's complaint about them. */
function dimensions(a: readonly number[], b: readonly number[], { transposeA, transposeB }: MatmulOptions): Dimensions {
  if (a.length !== b.length || (a.length !== 2 && a.length !== 3)) {
    throw new Error(`matmul takes two matrices or two batches of them; got shapes ${showShape(a)} and ${showShape(b)}`);
  }
  const [m, k] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const [inner, n] = transposeB ? [b.at(-1)!, b.at(-2)!] : [b.at(-2)!, b.at(-1)!];
  const batch = a.length === 3 ? a[0] : 1;
  if (k !== inner || (a.length === 3 && b[0] !== batch)) {
    throw new Error(
      `mat1 and mat2 shapes cannot be multiplied (${a.join("x")} and ${b.join("x")}` +
        `${transposeA ? ", the first transposed" : ""}${transposeB ? ", the second transposed" : ""})`,
    );
  }
  return { batch, m, n, k };
}

/** The product without recording it: also the gradients of the recorded one. */
function product(a: Tensor, b: Tensor, options: MatmulOptions): Tensor {
  const { gpu } = a;
  const { batch, m, n, k } = dimensions(a.shape, b.shape, options);
  const shape = a.shape.length === 3 ? [batch, m, n] : [m, n];
  if (k === 0) return Tensor.zeros(gpu, shape);
  if (!fits(gpu, ...Object.values(paddedSizes(a, b, options)))) {
    const parts = productByParts(a, b, options);
    if (parts) return parts;
  }
  const { variant, tune } = gemmChoice(gpu, productOf(a.shape, b.shape, options));
  const { transposeA = false, transposeB = false } = options;
  if (variant === "panel") return panelProduct(a, b, null, { batch, m, n, k, transposeA, transposeB }, shape, tune);
  if (variant === "blocked") return blockedProduct(a, b, options, tune);
  const across = Math.ceil(n / TILE.cols);
  const down = Math.ceil(m / TILE.rows);
  const splits = splitCount(gpu, across * down * batch, k);
  const y = Tensor.empty(gpu, [splits, ...shape]);
  gpu.run("matmul", { a, b, y }, {
    grid: [across, down, batch * splits],
    params: { m, n, k, batch, splits },
    constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
  });
  return sumSlabs(y, shape);
}

/** Numbers of elements, with last axes that the kernels pad. */
function paddedSizes(a: Tensor, b: Tensor, options: MatmulOptions) {
  const { batch, m, n } = dimensions(a.shape, b.shape, options);
  const padded = ({ shape }: Tensor): number => sizeOf(shape.slice(0, -1)) * toFour(shape.at(-1)!);
  return { a: padded(a), b: padded(b), y: batch * (options.transposeA ? toFour(m) : m) * toFour(n) };
}

const inFours = (count: number): number => (count < 4 ? count : count - (count % 4));

/** The same of what the kernels cannot see as a whole, cut along an axis of the largest of the three; null: no such. */
function productByParts(a: Tensor, b: Tensor, options: MatmulOptions): Tensor | null {
  const { gpu } = a;
  const { batch, m, n, k } = dimensions(a.shape, b.shape, options);
  const { transposeA = false, transposeB = false } = options;
  const axesOfA = transposeA ? (["k", "m"] as const) : (["m", "k"] as const);
  const axesOfB = transposeB ? (["n", "k"] as const) : (["k", "n"] as const);
  const lengths = { m, n, k, batch };
  const padded = paddedSizes(a, b, options);
  const largest = Math.max(...Object.values(padded));
  const axes = largest === padded.y ? (["m", "n"] as const) : largest === padded.a ? axesOfA : axesOfB;
  // In front where a few places of it fit: those of a and b then need no copies.
  const placesOf = (name: keyof typeof lengths): number => unitsPerPart(gpu, lengths[name], largest / lengths[name]);
  const long = axes.filter((name) => lengths[name] > 1);
  const axis = batch > 1 ? "batch" : (long.find((name) => placesOf(name) >= 4) ?? long.at(-1));
  if (axis === undefined) return null;
  const y = Tensor.zeros(gpu, [batch, m, n]);
  const matrices = [a.view([batch, ...a.shape.slice(-2)]), b.view([batch, ...b.shape.slice(-2)])];
  const most = inFours(placesOf(axis));
  for (let first = 0; first < lengths[axis]; first += most) {
    const count = Math.min(most, lengths[axis] - first);
    const parts = matrices.map((x, i) => {
      const dim = ["batch", ...(i === 0 ? axesOfA : axesOfB)].indexOf(axis);
      if (dim < 0) return x.view(x.shape);
      const size = x.size / lengths[axis];
      return dim === 2 ? window(x, 2, -first, count) : excerpt(x, first * size, x.shape.with(dim, count));
    });
    const part = product(parts[0], parts[1], options);
    if (axis === "n") insert(part, y, 2, first);
    else if (axis === "k") addTo(part.view(part.shape), y, 0);
    else place(part.view(part.shape), y, (first * y.size) / lengths[axis]);
    [...parts, part].forEach((tensor) => tensor.release());
  }
  const result = y.view(a.shape.length === 3 ? y.shape : [m, n]);
  [...matrices, y].forEach((tensor) => tensor.release());
  return result;
}

/** The same by the kernels for GPUs. */
function blockedProduct(a: Tensor, b: Tensor, options: MatmulOptions, tune: Tune): Tensor {
  const { batch, m, n, k } = dimensions(a.shape, b.shape, options);
  const { transposeA = false, transposeB = false } = options;
  const { tiles, splits } = blockedPlan(a.gpu, productOf(a.shape, b.shape, options), tune);
  const shape = [...a.shape.slice(0, -2), m, n];
  const y = Tensor.empty(a.gpu, [splits, ...shape]);
  a.gpu.run("matmul_blocked", { a, b, y }, {
    grid: [...tiles, batch * splits],
    params: { m, n, k, batch, splits },
    constants: { TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
    tune,
  });
  return sumSlabs(y, shape);
}

function productOf(a: Shape, b: Shape, options: MatmulOptions): Product {
  const { batch, m, n, k } = dimensions(a, b, options);
  return { kernel: "matmul", lengths: [a.at(-1)!, b.at(-1)!, n], rows: m, cols: n, slices: batch, depth: k };
}

const matmulOp = defineOp<readonly [Tensor, Tensor], MatmulOptions>({
  name: "matmul",
  variants: GEMM_VARIANTS,
  variant: (gpu, [a, b], options) => gemmChoice(gpu, productOf(a!, b!, options)).variant,
  forward(ctx, [a, b], options) {
    ctx.save(a, b);
    return product(a, b, options);
  },
  backward(ctx, dy, [a, b], { transposeA: ta = false, transposeB: tb = false }) {
    const [wantA, wantB] = ctx.needsGrad;
    const da = !wantA ? null : ta ? product(b, dy, { transposeA: tb, transposeB: true }) : product(dy, b, { transposeB: !tb });
    const db = !wantB ? null : tb ? product(dy, a, { transposeA: true, transposeB: ta }) : product(a, dy, { transposeA: !ta });
    return [da, db];
  },
  reference([a, b], options) {
    const { batch, m, n, k } = dimensions(a!.shape, b!.shape, options);
    const y = ndarray(a!.shape.length === 3 ? [batch, m, n] : [m, n]);
    for (let i = 0; i < batch; i++) {
      for (let row = 0; row < m; row++) {
        for (let col = 0; col < n; col++) {
          let total = 0;
          for (let d = 0; d < k; d++) {
            const x = a!.data[i * m * k + (options.transposeA ? d * m + row : row * k + d)];
            total += x * b!.data[i * k * n + (options.transposeB ? col * k + d : d * n + col)];
          }
          y.data[(i * m + row) * n + col] = total;
        }
      }
    }
    return y;
  },
  samples: [
    { inputs: [[1, 1], [1, 1]], options: {} },
    { inputs: [[17, 9], [9, 67]], options: {} },
    { inputs: [[9, 17], [9, 5]], options: { transposeA: true } },
    { inputs: [[18, 7], [65, 7]], options: { transposeB: true } },
    { inputs: [[11, 3], [6, 11]], options: { transposeA: true, transposeB: true } },
    { inputs: [[3, 5, 8], [3, 8, 2]], options: {}, note: "batch" },
    { inputs: [[2, 700, 2], [2, 700, 3]], options: { transposeA: true }, note: "split inner dimension" },
    { inputs: [[13, 20], [20, 68]], options: {}, note: "whole vectors" },
    { inputs: [[7, 12], [7, 4]], options: { transposeA: true }, note: "whole vectors" },
    { inputs: [[66, 20], [4, 20]], options: { transposeB: true }, note: "whole vectors" },
    { inputs: [[2, 20, 8], [2, 12, 20]], options: { transposeA: true, transposeB: true }, note: "whole vectors" },
    { inputs: [[518, 4], [518, 4]], options: { transposeA: true }, note: "whole vectors, split inner dimension" },
    { inputs: [[3, 516], [4, 516]], options: { transposeB: true }, note: "whole vectors, split inner dimension" },
  ],
});

/**
 * op(a)·op(b) over the last two axes: [m, k]·[k, n] or [batch, m, k]·[batch, k, n], operands stored transposed where the
 * options say so.
 *
 * @throws Error with PyTorch's message where the shapes do not fit
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  return apply(matmulOp, [a, b], options);
}
