/** Matrix products by the `panel` kernel, for adapters that run on the CPU. */
import type { Tune } from "../runtime/programs.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";
import { sumSlabs } from "./accumulate.ts";
import { padToFours, resizeAxis, toFour } from "./panels.ts";
import { panelTile, splitCount } from "./variants.ts";

export interface PanelProduct {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * Unrecorded op(a)·op(b) + bias. Rows of a that do not lie transposed may have any length; other last axes are padded.
 *
 * @param shape of the result: [batch, m, n] as the caller sees it
 */
export function panelProduct(
  a: Tensor,
  b: Tensor,
  bias: Tensor | null,
  size: PanelProduct,
  shape: Shape,
  tune: Tune,
): Tensor {
  const { gpu } = a;
  const { batch, m, n, k, transposeA, transposeB } = size;
  const views = [
    a.view(transposeA ? [batch, k, m] : [batch, m, k]),
    b.view(transposeB ? [batch, n, k] : [batch, k, n]),
  ];
  const left = transposeA ? padToFours(views[0]) : views[0];
  const padded = padToFours(views[1]);
  const right = transposeB ? resizeAxis(padded, 1, toFour(n)) : padded;
  const { rows, cols } = panelTile(tune);
  const grid = [Math.ceil(n / cols), Math.ceil(m / rows)] as const;
  const splits = splitCount(gpu, grid[0] * grid[1] * batch, k);
  const slabs = Tensor.empty(gpu, [splits, batch, m, n]);
  gpu.run("matmul_panel", { a: left, a_each: left, b: gpu.asTexels(right, right.size), bias: bias ?? left, y: slabs }, {
    grid: [...grid, batch * splits],
    params: { m, n, k, batch, part: Math.ceil(Math.ceil(k / 4) / splits), has_bias: bias?.size ?? 0 },
    constants: {
      ...{ TRANSPOSE_A: transposeA, TRANSPOSE_B: transposeB },
      ...{ EACH: !transposeA && k % 4 !== 0, RAGGED: n % 4 !== 0 },
    },
    tune,
  });
  [...views, left, right].forEach((tensor) => tensor.release());
  return sumSlabs(slabs, shape);
}
