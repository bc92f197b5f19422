/** Two-step reductions shared by the normalisation layers: blocks in parallel, then their results in order. */
import { excerpt, inParts, place } from "./parts.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Sets of numbers within a tensor: member m of group g lies at g·groupStride + m·memberStride. */
export interface Groups {
  readonly groups: number;
  readonly members: number;
  readonly groupStride: number;
  readonly memberStride: number;
}

export interface Moments {
  readonly mean: Tensor;
  /** Biased: divided by the number of members. */
  readonly variance: Tensor;
}

/** Running statistics that take in the batch's, the variance unbiased: new = (1 - momentum)·old + momentum·batch. */
export interface Running {
  readonly mean: Tensor;
  readonly var: Tensor;
  readonly momentum: number;
}

export interface Blocks {
  /** Members per block, and how many blocks that makes. */
  readonly block: number;
  readonly blocks: number;
}

const INVOCATIONS = 16384; // enough to fill a GPU
const MAX_BLOCKS = 256; // one invocation walks through the blocks of a group
const MIN_BLOCK = 32; // shorter ones cost more to combine than they gain

/** How to cut each of `groups` sums over `members` numbers into blocks that are summed at the same time. */
export function planBlocks(groups: number, members: number): Blocks {
  const wanted = Math.min(MAX_BLOCKS, Math.ceil(INVOCATIONS / Math.max(groups, 1)));
  const block = Math.max(MIN_BLOCK, Math.ceil(members / wanted));
  return { block, blocks: Math.ceil(members / block) };
}

/**
 * Mean and biased variance of every group, each [groups], in `out` where given; updates `running` where given. What is
 * too large to be seen at a time has to be [members, groups].
 */
export function moments(
  x: Tensor,
  layout: Groups,
  running: Running | null = null,
  out: Moments | null = null,
): Moments {
  const { gpu } = x;
  const { groups, members, groupStride, memberStride } = layout;
  const { block, blocks } = planBlocks(groups, members);
  const momentum = running?.momentum ?? 0;
  const params = { groups, members, group_stride: groupStride, member_stride: memberStride, block, blocks, momentum };
  const partials = Tensor.empty(gpu, [blocks, groups, 2]);
  const { mean, variance } = out ?? { mean: Tensor.empty(gpu, [groups]), variance: Tensor.empty(gpu, [groups]) };
  inParts(members, [x], [], ([x], _, count, first) => {
    const part = { ...params, members: count, blocks: Math.ceil(count / block) };
    const own = excerpt(partials, (first / block) * groups * 2, [part.blocks, groups, 2]);
    if (groupStride === 1 && groups % 4 === 0 && memberStride % 4 === 0) {
      const elements = (part.blocks * groups) / 4;
      gpu.run("moments.partial_vec4", { x4: x, partials_out: own }, { elements, params: part });
    } else {
      gpu.run("moments.partial", { x, partials_out: own }, { elements: part.blocks * groups, params: part });
    }
    place(own, partials, (first / block) * groups * 2);
  }, block);
  if (running) {
    const buffers = { partials, mean, variance, running_mean: running.mean, running_var: running.var };
    gpu.run("moments.combine_running", buffers, { elements: groups, params });
  } else {
    gpu.run("moments.combine", { partials, mean, variance }, { elements: groups, params });
  }
  partials.release();
  return { mean, variance };
}

/** Both sums over the blocks of `pairs` ([blocks, groups, 2]), each [groups]. Frees `pairs`. */
export function sumPairs(pairs: Tensor): readonly [Tensor, Tensor] {
  const { gpu } = pairs;
  const [blocks, groups] = pairs.shape;
  const first = Tensor.empty(gpu, [groups]);
  const second = Tensor.empty(gpu, [groups]);
  gpu.run("sum_pairs", { pairs, first, second }, { elements: groups, params: { blocks, groups } });
  pairs.release();
  return [first, second];
}
