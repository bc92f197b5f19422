/** Which kernels and tiles serve a row. */
import type { Choice, Decision } from "../src/runtime/choice.ts";
import type { Gpu } from "../src/runtime/gpu.ts";
import type { Workload } from "./workload.ts";

/** Records a pass and lists the choices made by it, the first one of every kernel and class of shapes. */
export function decisionsOf(gpu: Gpu, record: () => unknown): Decision[] {
  gpu.decisions = [];
  record();
  const made = gpu.decisions;
  gpu.decisions = null;
  return [...new Map(made.map((decision) => [`${decision.kernel} ${decision.shape}`, decision])).values()];
}

export function sameChoice(a: Choice, b: Choice): boolean {
  const ids = Object.keys(a.tune);
  return a.kernel === b.kernel && ids.every((id) => a.tune[id] === b.tune[id]);
}

/** The variant of the op's own kernel; "auto" where it has none. */
export function variantServing({ op, reduced }: Workload, decisions: readonly Decision[]): string {
  const own = reduced && decisions.find(({ kernel }) => kernel.startsWith(op.name));
  return own ? variantOf(own.kernel, own.choice) : "auto";
}

/** The same with the constants that are not those of the heuristics, such as "panel LANES=4". */
export function describeDecisions(workload: Workload, decisions: readonly Decision[]): string {
  const tiles = decisions.filter(({ choice, heuristic }) => !sameChoice(choice, heuristic));
  return [variantServing(workload, decisions), ...tiles.flatMap(({ choice }) => describeTile(choice))].join(" ");
}

/** A choice in place of a kernel: "panel LANES=4", or the constants alone where the kernel is the same. */
export function describeChoice(kernel: string, choice: Choice): string {
  return [...(kernel === choice.kernel ? [] : [variantOf(kernel, choice)]), ...describeTile(choice)].join(" ") || "tiled";
}

function variantOf(kernel: string, choice: Choice): string {
  return choice.kernel === kernel ? "tiled" : choice.kernel.slice(kernel.length + 1);
}

function describeTile({ tune }: Choice): string[] {
  return Object.entries(tune).map(([id, value]) => `${id}=${value}`);
}
