/** `npm run bench:peers`: the same layers in TensorFlow.js and jax-js, on the same adapter in the same run. */
import { openForCommand } from "../../src/cli/device.ts";
import { runMain } from "../../src/cli/main.ts";
import { writeFileAtomic } from "../../src/io/files.node.ts";
import type { Gpu } from "../../src/runtime/gpu.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { Clock } from "../clock.ts";
import { workloadTitle } from "../options.ts";
import { compare } from "./compare.ts";
import { compareSteps } from "./compare_steps.ts";
import { compareEvaluations } from "./evaluation.ts";
import { installPeers } from "./install.ts";
import { openJax } from "./jax.ts";
import { readOptions } from "./options.ts";
import { ComparisonTable, evaluationLines, floorLines, means, stepLine, toJson, verdict } from "./report.ts";
import type { ComparedRow, PeerName } from "./report.ts";
import { openTensorFlow } from "./tfjs.ts";

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (!options) return;
  const { workloads, torch, adapter, json, output } = options;
  const { gpu, check, close, info, adapter: inWords } = await openForCommand({ adapter, profile: false, variants: {} });
  const opened = [{ close }];
  try {
    installPeers();
    const tfjs = await openTensorFlow(adapter);
    opened.push(tfjs);
    const jax = await openJax(adapter);
    opened.push(jax);
    const besides = torch ? `\ntorch ${torch.version} on ${torch.device}` : "";
    output.print(`${inWords}${besides}\n`, { adapter: info });

    const names: PeerName[] = torch ? ["tfjs", "jax", "torch"] : ["tfjs", "jax"];
    const clock = new Clock(gpu);
    const dispatchMs = workloads.length > 0 ? await measureDispatch(gpu, clock) : NaN;
    const table = new ComparisonTable(workloads, names);
    const rows: ComparedRow[] = [];
    if (workloads.length > 0) output.print(table.header(), null);
    const show = output.task("comparing and timing", "rows");
    for (const [i, workload] of workloads.entries()) {
      show(i, workloads.length);
      const row = await compare(gpu, clock, workload, { tfjs, jax });
      check();
      const ms = torch?.ms.get(workloadTitle(workload));
      rows.push(ms === undefined ? row : { ...row, peers: { ...row.peers, torch: { ms } } });
      output.print(table.row(rows.at(-1)!, workload.label), rows.at(-1)!);
    }
    const all = [table.footnotes(), means(rows, names), verdict(rows), floorLines(rows, names, dispatchMs)];
    const sections = rows.length > 0 ? all : [];
    for (const lines of sections) if (lines.length > 0) output.print(`\n${lines.join("\n")}`, { text: lines });

    if (options.step) output.show("comparing a training step");
    const step = options.step ? await compareSteps(gpu, tfjs) : null;
    check();
    if (step) output.print(`\n${stepLine(step)}`, { step });
    if (options.evaluation) output.show("comparing an evaluation");
    const evaluation = options.evaluation ? await compareEvaluations(gpu, adapter) : null;
    check();
    if (evaluation) output.print(`\n${evaluationLines(evaluation).join("\n")}`, { evaluation });
    if (json !== undefined) await writeFileAtomic(json, toJson(info, { rows, step, evaluation }));
  } finally {
    for (const device of opened) device.close();
  }
}

/** What the adapter takes for a dispatch that has next to nothing to do. */
async function measureDispatch(gpu: Gpu, clock: Clock): Promise<number> {
  using _arena = gpu.arena();
  const [x, y] = [Tensor.zeros(gpu, [1]), Tensor.empty(gpu, [1])];
  const options = { elements: 1, params: { count: 1 }, constants: { OP: 0 } };
  return (await clock.measure(() => gpu.run("activation.forward", { x, y }, options))).minMs;
}

await runMain(main);
