/** One row of the comparison. */
import type { SampleInput } from "../../src/ops/define.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { sumsDiffer } from "../check.ts";
import { measureInTurn } from "../clock.ts";
import type { Clock, Contestant } from "../clock.ts";
import { operands, prepare } from "../workload.ts";
import type { Prepared, Workload } from "../workload.ts";
import type { Operands, Peer, PeerPass, PeerResult } from "./peer.ts";
import type { ComparedRow, PeerName } from "./report.ts";

type Timed = Readonly<Record<"tfjs" | "jax", Peer>>;

/** Times the pass of everyone whose result is ours. */
export async function compare(gpu: Gpu, clock: Clock, workload: Workload, peers: Timed): Promise<ComparedRow> {
  const passes: PeerPass[] = [];
  try {
    using _arena = gpu.arena();
    const ours = prepare(gpu, workload, workload.problem);
    const want = (await ours.record().find((tensor) => tensor !== null)!.data()) as Float32Array;
    const given = await operandsOf(workload, ours);
    const contestants: Contestant[] = [{ clock, record: ours.record }];
    const results: Partial<Record<PeerName, PeerResult>> = {};
    const running: PeerName[] = [];
    for (const [name, peer] of Object.entries(peers) as ["tfjs" | "jax", Peer][]) {
      try {
        const pass = await peer.prepare(workload, given);
        passes.push(pass);
        const got = await pass.result();
        peer.check();
        const problem = sumsDiffer(got, want, "ours", workload.problem.depth!);
        if (problem) throw new Error(`computes something else: ${problem}`);
        contestants.push({ clock: peer.clock, record: pass.record });
        running.push(name);
      } catch (error) {
        results[name] = { cannot: firstLine((error as Error).message) };
      }
    }
    const [{ minMs: ms }, ...theirs] = await measureInTurn(contestants);
    running.forEach((name, i) => (results[name] = { ms: theirs[i].minMs }));
    for (const peer of Object.values(peers)) peer.check();
    const { name, op, pass, shape } = workload;
    return { name, op: op.name, pass, shape, ms, gflops: workload.flops / ms / 1e6, peers: results };
  } finally {
    for (const pass of passes) pass.dispose();
    await gpu.trim();
  }
}

async function operandsOf({ problem }: Workload, { dy }: Prepared): Promise<Operands> {
  const [x, w] = operands(problem) as Float32Array[];
  const [{ shape: ofX }, { shape: ofW }] = problem.inputs as SampleInput[];
  return {
    inputs: [
      { data: x, shape: ofX },
      { data: w, shape: ofW },
    ],
    dy: dy && { data: (await dy.data()) as Float32Array, shape: dy.shape },
  };
}

const firstLine = (text: string): string => text.split("\n", 1)[0];
