import { noGrad } from "../autograd/tape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { showShape } from "../tensor/shape.ts";
import { sum } from "./accumulate.ts";
import { apply, defineOp } from "./define.ts";
import { matmul } from "./matmul.ts";
import { ndarray } from "./ndarray.ts";
import { excerpt, inParts, place } from "./parts.ts";

/** Of `attention`. */
export interface AttentionOptions {
  /** Factor for the products q·k, such as d^-0.5. */
  readonly scale: number;
  /** Bytes of scores held at once, backward holding them and their gradients; default: 16 MiB, but of 64 queries at least. */
  readonly scoreBytes?: number;
}

/** Queries whose scores are held at once: all queries of several images, or some of one. */
interface Chunk {
  readonly image: number;
  readonly images: number;
  readonly first: number;
  readonly rows: number;
}

/** Measured on a CPU adapter, where 1 MiB takes a fifth longer and all from 2 to 32 MiB are alike. */
const DEFAULT_SCORE_BYTES = 2 ** 24;
/** Fewer queries at a time make products too flat, and of an image of many megapixels more of them than drivers bear. */
const DEFAULT_LEAST_ROWS = 64;

const attentionOp = defineOp<readonly [Tensor, Tensor, Tensor], AttentionOptions>({
  name: "attention",
  forward(ctx, [q, k, v], options) {
    const { gpu } = q;
    const [n, p] = q.shape;
    const out = Tensor.empty(gpu, [n, p, v.shape[2]]);
    const statistics = Tensor.empty(gpu, [n, p, 2]);
    for (const chunks of chunksOf(q, k, options)) {
      using _images = gpu.arena();
      const [keys, values] = [k, v].map((x) => imagesOf(x, chunks[0]));
      for (const chunk of chunks) {
        using _scratch = gpu.arena();
        const scores = product(queriesOf(q, chunk), keys, { transposeB: true });
        gpu.run("attention.probabilities", { scores, statistics }, {
          elements: chunk.images * chunk.rows,
          ...kernelOptions(chunk, q, k, options),
        });
        place(product(scores, values), out, startOf(out, chunk));
      }
    }
    ctx.save(q, k, v, out);
    ctx.own(statistics);
    return out;
  },
  backward(ctx, dy, [q, k, v], options) {
    const [, , , out, statistics] = ctx.saved;
    const { gpu } = q;
    const [n, p] = q.shape;
    const [dq, dk, dv] = [q, k, v].map((x, i) => (ctx.needsGrad[i] ? Tensor.empty(gpu, x.shape) : null));
    const deltas = Tensor.empty(gpu, [n, p]);
    inParts(n * p, [out, dy], [deltas], ([output, d_output], [deltas], rows) => {
      gpu.run("attention.row_products", { output, d_output, deltas }, {
        elements: rows,
        params: { rows, keys: k.shape[1], first_row: 0, channels: v.shape[2] },
        constants: { SCALE: options.scale },
      });
    });
    for (const chunks of chunksOf(q, k, options)) {
      using _images = gpu.arena();
      const [keys, values] = [k, v].map((x) => imagesOf(x, chunks[0]));
      let dkSum: Tensor | null = null;
      let dvSum: Tensor | null = null;
      for (const chunk of chunks) {
        using _scratch = gpu.arena();
        const qPart = queriesOf(q, chunk);
        const dyPart = queriesOf(dy, chunk);
        const scores = product(qPart, keys, { transposeB: true });
        const dScores = product(dyPart, values, { transposeB: true });
        const saved = { saved_statistics: statistics, saved_deltas: deltas };
        gpu.run("attention.gradients", { scores, d_scores: dScores, ...saved }, {
          elements: chunk.images * chunk.rows * Math.ceil(k.shape[1] / 4),
          ...kernelOptions(chunk, q, k, options),
        });
        if (dq) place(product(dScores, keys), dq, startOf(dq, chunk));
        if (dk) dkSum = accumulate(dkSum, product(dScores, qPart, { transposeA: true }));
        if (dv) dvSum = accumulate(dvSum, product(scores, dyPart, { transposeA: true }));
      }
      if (dk) place(dkSum!, dk, startOf(dk, { ...chunks[0], first: 0 }));
      if (dv) place(dvSum!, dv, startOf(dv, { ...chunks[0], first: 0 }));
      dkSum?.dispose();
      dvSum?.dispose();
    }
    deltas.release();
    return [dq, dk, dv];
  },
  reference([q, k, v], { scale }) {
    const [n, p, d] = q!.shape;
    const [, s, channels] = v!.shape;
    const out = ndarray([n, p, channels]);
    for (let row = 0; row < n * p; row++) {
      const image = Math.floor(row / p);
      const scores = Array.from({ length: s }, (_, key) => {
        let dot = 0;
        for (let i = 0; i < d; i++) dot += q!.data[row * d + i] * k!.data[(image * s + key) * d + i];
        return scale * dot;
      });
      const highest = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - highest));
      const total = exponentials.reduce((a, b) => a + b, 0);
      for (let c = 0; c < channels; c++) {
        out.data[row * channels + c] = exponentials.reduce(
          (mix, e, key) => mix + (e / total) * v!.data[(image * s + key) * channels + c],
          0,
        );
      }
    }
    return out;
  },
  samples: [
    { inputs: [[1, 1, 1], [1, 1, 1], [1, 1, 1]], options: { scale: 1 } },
    { inputs: [[2, 7, 5], [2, 9, 5], [2, 9, 3]], options: { scale: 5 ** -0.5 } },
    { inputs: [[2, 7, 5], [2, 9, 5], [2, 9, 3]], options: { scale: 0.7, scoreBytes: 3 * 9 * 4 }, note: "3 rows" },
    { inputs: [[3, 2, 4], [3, 5, 4], [3, 5, 6]], options: { scale: 1, scoreBytes: 4 * 5 * 4 }, note: "2 images" },
    { inputs: [[1, 3, 2], { shape: [1, 4, 2], values: () => 1 }, [1, 4, 5]], options: { scale: 2 }, note: "equal keys" },
    {
      inputs: [[1, 5, 3], { shape: [1, 6, 3], values: (i) => 30 * Math.sin(i) }, [1, 6, 2]],
      options: { scale: 1 },
      note: "peaks",
    },
  ],
});

/** All queries in chunks of which the scores fit: one list of chunks per group of images that share their chunks. */
function chunksOf(q: Tensor, k: Tensor, { scoreBytes }: AttentionOptions): Chunk[][] {
  const [n, p] = q.shape;
  const rowBytes = 4 * k.shape[1];
  const limit = Math.min(scoreBytes ?? Math.max(DEFAULT_SCORE_BYTES, DEFAULT_LEAST_ROWS * rowBytes), q.gpu.maxBinding);
  const rowsAtOnce = Math.min(n * p, Math.floor(limit / rowBytes));
  if (rowsAtOnce < 1) {
    throw new Error(
      `attention: the scores of one query over ${k.shape[1]} keys take ${rowBytes} bytes and the limit is ${limit}. ` +
        "Use a lower resolution or raise scoreBytes.",
    );
  }
  const imagesAtOnce = Math.max(1, Math.floor(rowsAtOnce / p));
  return every(imagesAtOnce, n).map((image) =>
    every(rowsAtOnce, p).map((first) => ({
      image,
      images: Math.min(imagesAtOnce, n - image),
      first,
      rows: Math.min(rowsAtOnce, p - first),
    })),
  );
}

/** 0, step, 2 step ... below end. */
function every(step: number, end: number): number[] {
  return Array.from({ length: Math.ceil(end / step) }, (_, i) => i * step);
}

function kernelOptions({ image, images, first, rows }: Chunk, q: Tensor, k: Tensor, { scale }: AttentionOptions) {
  return {
    params: { rows: images * rows, keys: k.shape[1], first_row: image * q.shape[1] + first, channels: 0 },
    constants: { SCALE: scale },
  };
}

const product = (...args: Parameters<typeof matmul>): Tensor => noGrad(() => matmul(...args));

/** The rows of a chunk of queries, of [n, p, c]. */
function queriesOf(x: Tensor, chunk: Chunk): Tensor {
  return excerpt(x, startOf(x, chunk), [chunk.images, chunk.rows, x.shape[2]]);
}

/** The images of a chunk, of [n, s, c]. */
function imagesOf(x: Tensor, { image, images }: Chunk): Tensor {
  return excerpt(x, startOf(x, { image, first: 0 }), [images, x.shape[1], x.shape[2]]);
}

/** The element of [n, rows, c] that a chunk begins at. */
function startOf(x: Tensor, { image, first }: Pick<Chunk, "image" | "first">): number {
  return (image * x.shape[1] + first) * x.shape[2];
}

/** running + part, in memory that outlives the chunk. */
function accumulate(running: Tensor | null, part: Tensor): Tensor {
  const total = running ? sum(running, part) : part;
  running?.dispose();
  return total.keep();
}

/**
 * softmax(scale · q·kᵀ)·v per image: every query position takes a mixture of the values, exactly. The [p, s] scores
 * exist for a chunk of queries at a time, in backward too, which computes them again from two numbers per query.
 *
 * @param q [n, p, d] @param k [n, s, d] @param v [n, s, dv]
 * @returns [n, p, dv]
 *
 * @throws Error where the shapes do not fit each other
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Tensor {
  const fits =
    [q, k, v].every((x) => x.shape.length === 3 && x.size > 0 && x.shape[0] === q.shape[0]) &&
    q.shape[2] === k.shape[2] &&
    k.shape[1] === v.shape[1];
  if (!fits) {
    throw new Error(
      `attention takes q [n, p, d], k [n, s, d] and v [n, s, dv]; ` +
        `got ${showShape(q.shape)}, ${showShape(k.shape)} and ${showShape(v.shape)}`,
    );
  }
  return apply(attentionOp, [q, k, v], options);
}
