/** `npm run doctor`: what kernels run on here, and what keeps them from running, or from running fast. */
import { describe } from "../device/capabilities.ts";
import { FEATURES, LIMITS, diagnose, showLimit } from "../device/diagnosis.ts";
import type { Finding } from "../device/diagnosis.ts";
import { gatherFacts } from "../device/facts.node.ts";
import type { Facts } from "../device/facts.node.ts";
import type { OpenDevice } from "../device/open.node.ts";
import { relu } from "../ops/activation.ts";
import { Gpu } from "../runtime/gpu.ts";
import { kernelsOnDisk } from "../runtime/source.node.ts";
import { Tensor } from "../tensor/tensor.ts";
import { runMain } from "./main.ts";
import { parseOptions } from "./options.ts";

const COMMAND = {
  call: "npm run doctor --",
  summary: "Says what kernels run on here, what is missing, what that costs and what mends it. Changes nothing.",
  options: {
    adapter: { value: "NAME", help: "Part of the name of the adapter to look at. Default: the one that commands use." },
    json: { help: "Prints all of it as one JSON object (npm run --silent doctor -- --json)." },
  },
  notes: "Exit code 0: kernels compute what they should; 1: they cannot run, or compute something else.",
} as const;

/** Whether a kernel came to the right result. */
interface Trial {
  readonly isRight: boolean;
  readonly milliseconds: number;
  /** What went wrong. */
  readonly problem: string | null;
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(COMMAND, args);
  if (!options) return 0;
  const { facts, opened } = await gatherFacts(options.adapter);
  const trial = opened && (await tryKernel(opened));
  const findings = [...(trial && !trial.isRight ? [wrongResult(trial)] : []), ...diagnose(facts)];
  const isWell = !findings.some(({ level }) => level === "fatal");
  if (options.json) console.log(JSON.stringify({ isWell, trial, findings, ...facts }, null, 2));
  else console.log(inWords(facts, trial, findings));
  return isWell ? 0 : 1;
}

async function tryKernel(opened: OpenDevice): Promise<Trial> {
  const begun = performance.now();
  try {
    const gpu = new Gpu({ device: opened.device, kernels: kernelsOnDisk });
    using _ = gpu.arena();
    const result = await relu(Tensor.from(gpu, [-1, 0, 2], [3])).data();
    opened.check();
    const isRight = [...result].join() === "0,0,2";
    const problem = isRight ? null : `relu of -1, 0, 2 came out as ${[...result].join(", ")}`;
    return { isRight, problem, milliseconds: performance.now() - begun };
  } catch (error) {
    return { isRight: false, problem: (error as Error).message, milliseconds: performance.now() - begun };
  } finally {
    opened.close();
  }
}

function wrongResult({ problem }: Trial): Finding {
  return {
    ...{ level: "fatal", what: `a kernel did not compute what it should: ${problem}` },
    ...{ costs: "no result here can be trusted", mend: "a newer driver, or another adapter (--adapter NAME)" },
  };
}

const WORDS = { fatal: "CANNOT RUN", slow: "SLOWER THAN NEED BE", minor: "WORTH KNOWING" } as const;

function inWords(facts: Facts, trial: Trial | null, findings: readonly Finding[]): string {
  const { platform, arch, cores, node, glibc, dawn, adapters, adapter, limits } = facts;
  const { cards, vulkanDrivers, environment } = facts;
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const rows: readonly (readonly [string, string])[] = [
    ["machine", `${platform}-${arch}, ${cores} cores${glibc === null ? "" : `, glibc ${glibc}`}`],
    ["Node", node],
    [
      "Dawn",
      dawn === null ? "not installed" : `npm package webgpu ${dawn}${facts.dawnProblem ? ", does not load" : ""}`,
    ],
    ["graphics cards", cards.join(", ") || (platform === "linux" ? "none seen" : "")],
    ["Vulkan drivers", vulkanDrivers.join(", ") || (platform === "linux" ? "none" : "")],
    ["environment", variables.join(" ")],
    ["adapters", adapters.map(({ backend, name }) => `${name} (${backend})`).join(", ") || "none"],
    ["in use", adapter ? describe(adapter) : "none"],
    ["backend", facts.backend ?? ""],
    ["driver", adapter?.driver ?? ""],
    ["trial", trial?.isRight ? `a kernel computed what it should, ${trial.milliseconds.toFixed(0)} ms` : ""],
  ];
  const features = FEATURES.map(({ name }) => [name, adapter?.features.includes(name) ? "yes" : "no"] as const);
  const shown = LIMITS.map(({ name, inBytes }) => [name, showLimit(limits[name] ?? NaN, inBytes)] as const);
  const all = adapter ? `all: ${adapter.features.join(" ")}` : "";
  return [
    lines(rows.filter(([, value]) => value !== "")),
    ...(adapter ? [`Features\n${lines(features, "  ")}\n  ${all}`, `Limits\n${lines(shown, "  ")}`] : []),
    ...findings.map(({ level, what, costs, mend }) => {
      return `${WORDS[level]}: ${what}\n  costs: ${costs}\n  mend:  ${mend.replaceAll("\n", "\n         ")}`;
    }),
    findings.length === 0 ? "Nothing is missing." : "",
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function lines(rows: readonly (readonly [string, string])[], indent = ""): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${indent}${name.padEnd(width + 2)}${value}`).join("\n");
}

await runMain(main);
