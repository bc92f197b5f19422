/** `npm run bench:peers`: the same layers in TensorFlow.js and jax-js, on the same adapter in the same run. */
import { openForCommand } from "../../src/cli/device.ts";
import { runMain } from "../../src/cli/main.ts";
import { writeFileAtomic } from "../../src/io/files.node.ts";
import { Clock } from "../clock.ts";
import { workloadTitle } from "../options.ts";
import { compare } from "./compare.ts";
import { compareSteps } from "./compare_steps.ts";
import { compareEvaluations } from "./evaluation.ts";
import { installPeers } from "./install.ts";
import { openJax } from "./jax.ts";
import { readOptions } from "./options.ts";
import { ComparisonTable, evaluationLines, means, stepLine, toJson, verdict } from "./report.ts";
import type { ComparedRow, PeerName } from "./report.ts";
import { openTensorFlow } from "./tfjs.ts";

async function main(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  if (!options) return;
  const { workloads, torch, adapter, json } = options;
  const { gpu, check, close, info, adapter: inWords } = await openForCommand({ adapter, profile: false, variants: {} });
  const opened = [{ close }];
  try {
    installPeers();
    const tfjs = await openTensorFlow(adapter);
    opened.push(tfjs);
    const jax = await openJax(adapter);
    opened.push(jax);
    console.log(inWords);
    if (torch) console.log(`torch ${torch.version} on ${torch.device}`);
    console.log();

    const names: PeerName[] = torch ? ["tfjs", "jax", "torch"] : ["tfjs", "jax"];
    const clock = new Clock(gpu);
    const table = new ComparisonTable(workloads, names);
    const rows: ComparedRow[] = [];
    if (workloads.length > 0) console.log(table.header());
    for (const workload of workloads) {
      const row = await compare(gpu, clock, workload, { tfjs, jax });
      check();
      const ms = torch?.ms.get(workloadTitle(workload));
      rows.push(ms === undefined ? row : { ...row, peers: { ...row.peers, torch: { ms } } });
      console.log(table.row(rows.at(-1)!, workload.label));
    }
    const sections = rows.length > 0 ? [table.footnotes(), means(rows, names), verdict(rows)] : [];
    for (const lines of sections) if (lines.length > 0) console.log(`\n${lines.join("\n")}`);

    const step = options.step ? await compareSteps(gpu, tfjs) : null;
    check();
    if (step) console.log(`\n${stepLine(step)}`);
    const evaluation = options.evaluation ? await compareEvaluations(gpu, adapter) : null;
    check();
    if (evaluation) console.log(`\n${evaluationLines(evaluation).join("\n")}`);
    if (json !== undefined) await writeFileAtomic(json, toJson(info, { rows, step, evaluation }));
  } finally {
    for (const device of opened) device.close();
  }
}

await runMain(main);
