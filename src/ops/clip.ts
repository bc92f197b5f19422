import { inParts } from "./parts.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Elements that one invocation adds up: few enough to keep rounding errors small. */
const SHARE = 64;

/**
 * Scales the gradients, in place, by min(1, maxNorm / (norm + 1e-6)), norm being that of all of them as one vector, of
 * order `normType` (Infinity: the largest absolute value). Returns the norm before clipping, a scalar tensor: nothing is
 * read back.
 */
export function clipGradNorm(grads: readonly Tensor[], maxNorm: number, normType = 2): Tensor {
  if (!(maxNorm >= 0)) throw new Error(`clipGradNorm: maxNorm must not be negative, got ${maxNorm}`);
  if (!(normType > 0)) throw new Error(`clipGradNorm: normType must be above 0, got ${normType}`);
  if (grads.length === 0) throw new Error("clipGradNorm: no gradients given; call it after backward");
  const { gpu } = grads[0];
  const maximum = normType === Infinity;
  const constants = { P: maximum ? 2 : normType, MAXIMUM: maximum };
  const lengths = grads.map((grad) => Math.ceil(grad.size / SHARE));
  const count = lengths.reduce((a, b) => a + b, 0);
  const sums = Tensor.empty(gpu, [count]);
  const [norm, factor] = [Tensor.empty(gpu, []), Tensor.empty(gpu, [])];
  let at = 0;
  grads.forEach((x, i) => {
    inParts(x.size, [x], [], ([x], _, count, first) => {
      gpu.run("clip.powers", { x, sums }, {
        elements: Math.ceil(count / SHARE), params: { count, share: SHARE, at: at + first / SHARE, maxNorm }, constants,
      });
    }, SHARE);
    at += lengths[i];
  });
  gpu.run("clip.norm", { parts: sums, out: norm, factor }, { params: { count, share: 0, at: 0, maxNorm }, constants });
  // Gradients may share memory, where one gradient flowed into two leaves: it is scaled once.
  for (const values of new Map(grads.map((grad) => [grad.storage, grad])).values()) {
    inParts(values.size, [], [values], (_, [values], count) => {
      gpu.run("clip.scale", { values, limit: factor }, {
        elements: Math.ceil(count / 4), params: { count, share: 0, at: 0, maxNorm }, constants,
      });
    });
  }
  sums.release();
  factor.release();
  return norm;
}
