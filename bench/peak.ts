/** What the adapter can do at best, measured: multiply-adds per second and bytes through memory per second. */
import type { Gpu } from "../src/runtime/gpu.ts";
import { Tensor } from "../src/tensor/tensor.ts";
import type { Clock } from "./clock.ts";

export interface Peak {
  readonly gflops: number;
  readonly gbps: number;
}

/** Multiply-adds per iteration and invocation, as in peak_fma.wgsl. */
const FMA_KERNELS = { "peak_fma.scalar": 192, "peak_fma.vector": 256 } as const;

/** Larger than the caches of either kind of adapter. */
const COPY_BYTES = { software: 2 ** 26, gpu: 2 ** 28 };
/** How many vectors an invocation copies: adapters differ in what they like best. */
const COPIES_EACH = [1, 4, 16, 64];
const MAX_GROUPS = 65535;

export async function measurePeak(gpu: Gpu, clock: Clock): Promise<Peak> {
  return { gflops: await measureArithmetic(gpu, clock), gbps: await measureCopy(gpu, clock) };
}

async function measureArithmetic(gpu: Gpu, clock: Clock): Promise<number> {
  using _arena = gpu.arena();
  const grid = gpu.capabilities.isSoftware ? 64 : 4096;
  const iterations = 128;
  const invocations = grid * 64;
  const operands = Tensor.from(gpu, [0.999, 0.001], [2]);
  const out = Tensor.empty(gpu, [invocations]);
  let best = 0;
  for (const kernel of Object.keys(FMA_KERNELS) as (keyof typeof FMA_KERNELS)[]) {
    const { minMs } = await clock.measure(() => gpu.run(kernel, { operands, out }, { grid, params: { iterations } }));
    best = Math.max(best, (2 * invocations * iterations * FMA_KERNELS[kernel]) / minMs / 1e6);
  }
  return best;
}

async function measureCopy(gpu: Gpu, clock: Clock): Promise<number> {
  using _arena = gpu.arena();
  const { isSoftware, maxStorageBinding } = gpu.capabilities;
  const bytes = Math.min(isSoftware ? COPY_BYTES.software : COPY_BYTES.gpu, maxStorageBinding);
  const count = Math.floor(bytes / 16);
  const source = Tensor.zeros(gpu, [count, 4]);
  const copied = Tensor.empty(gpu, [count, 4]);
  let best = 0;
  for (const each of COPIES_EACH) {
    const grid = Math.min(Math.ceil(count / (64 * each)), MAX_GROUPS);
    const { minMs } = await clock.measure(() => gpu.run("peak_copy", { source, copied }, { grid, params: { count } }));
    best = Math.max(best, (2 * count * 16) / minMs / 1e6);
  }
  return best;
}
