/** The command line of the comparison. */
import { readFileSync } from "node:fs";
import { OUTPUT_OPTIONS, openOutput, parseOptions } from "../../src/cli/options.ts";
import { UserError } from "../../src/errors.ts";
import type { ProgressLine } from "../../src/train/progress.ts";
import { parseFilter, parseSet, workloadTitle } from "../options.ts";
import { workloads } from "../sets.ts";
import type { Workload } from "../workload.ts";
import { LEAST_RATIO, TARGETS } from "./report.ts";

const COMMAND = {
  call: "npm run bench:peers --",
  summary:
    "Times convolutions, matrix products and a training step beside TensorFlow.js and jax-js on one adapter, and an " +
    "evaluation beside ONNX Runtime.",
  options: {
    set: { value: "NAME", help: "The rows of npm run bench: small (default), or full for GPUs." },
    filter: {
      value: "RE",
      help: 'Only rows whose "NAME OP PASS" this matches; besides: "training step", "evaluation".',
    },
    json: { value: "FILE", help: "Also writes adapter, rows, step and evaluation into this file." },
    torch: { value: "FILE", help: "Adds a column from what bench/peers/torch_bench.py printed." },
    adapter: { value: "NAME", help: "Part of the name of the adapter to use. Default: the fastest one." },
    ...OUTPUT_OPTIONS,
  },
  notes: `The peers are npm packages of bench/peers, installed there at the first run. Each gets a device of its own of
the same Dawn, opened like ours: without bounds checks, with all features and limits of the adapter.

Every result is compared with ours on the same operands; what differs by more than rounding is not timed. Then all
take turns, sample by sample, by the clock of npm run bench: wall time from the first submit to completion, of at
least 20 ms of repetitions; the fastest of several samples counts. "x" is how many times as long a peer takes.

TensorFlow.js runs in production mode on NHWC, gradients by the kernels that its differentiation calls. jax-js runs
compiled by jit on NCHW, the only order it has, gradients by vjp without the forward pass.

The evaluation is that of tiny with random numbers, 2 images of 128x256 from memory to their logits in memory; in ONNX
Runtime of what npm run export makes of it, natively on 2 threads of the CPU and by the WebGPU execution provider, which
waits for its device in a way that takes a core from adapters that run on the CPU.

Where there is PyTorch, python3 bench/peers/torch_bench.py ROWS.json > torch.json times the same rows; ROWS.json is what
--json of this command or of npm run bench wrote.

Targets: ${TARGETS.tfjs} times TensorFlow.js and ${TARGETS.jax} times jax-js in the geometric mean, no row below ${LEAST_RATIO}.
Exit code 0: whether they are met or not; 2: an option has to be put right.`,
} as const;

const STEP = "training step";
const EVALUATION = "evaluation";

export interface PeerOptions {
  readonly workloads: readonly Workload[];
  readonly step: boolean;
  readonly evaluation: boolean;
  readonly torch: TorchTimes | null;
  readonly adapter: string | undefined;
  readonly json: string | undefined;
  readonly output: ProgressLine;
}

/** What torch_bench.py measured, wherever that was. */
export interface TorchTimes {
  readonly version: string;
  readonly device: string;
  /** Milliseconds by the title of the row. */
  readonly ms: ReadonlyMap<string, number>;
}

interface TorchFile {
  readonly torch: string;
  readonly device: string;
  readonly rows: readonly { readonly name: string; readonly op: string; readonly pass: string; readonly ms: number }[];
}

/**
 * Null when help was asked for.
 *
 * @throws UserError naming the option that cannot be used
 */
export function readOptions(args: readonly string[]): PeerOptions | null {
  const options = parseOptions(COMMAND, args);
  if (!options) return null;
  const { set = "small", filter, torch, adapter, json } = options;
  const matches = parseFilter(filter);
  const all = workloads(parseSet(set)).filter(({ op }) => op.name === "conv2d" || op.name === "matmul");
  const selected = all.filter((workload) => matches(workloadTitle(workload)));
  const [step, evaluation] = [STEP, EVALUATION].map(matches);
  if (selected.length === 0 && !step && !evaluation) {
    const some = `such as "${workloadTitle(all[0])}"`;
    throw new UserError(`--filter ${filter}: none of the ${all.length} rows, ${some}, nor "${STEP}", "${EVALUATION}"`);
  }
  const times = torch === undefined ? null : readTorch(torch);
  return { workloads: selected, step, evaluation, torch: times, adapter, json, output: openOutput(options) };
}

/** @throws UserError for a file that torch_bench.py has not written */
function readTorch(path: string): TorchTimes {
  try {
    const { torch: version, device, rows } = JSON.parse(readFileSync(path, "utf8")) as TorchFile;
    return { version, device, ms: new Map(rows.map(({ name, op, pass, ms }) => [`${name} ${op} ${pass}`, ms])) };
  } catch (cause) {
    throw new UserError(`--torch ${path}: ${(cause as Error).message}; expected what torch_bench.py printed`);
  }
}
