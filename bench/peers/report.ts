/** Ratios to the peers: what each row says, what they say together, and whether that is what was aimed at. */
import type { AdapterReport } from "../../src/device/capabilities.ts";
import type { Pass, Workload } from "../workload.ts";
import type { ComparedStep } from "./compare_steps.ts";
import type { ComparedEvaluation } from "./evaluation.ts";
import type { PeerResult } from "./peer.ts";

export const PEERS = { tfjs: "TF.js", jax: "jax-js", torch: "torch" } as const;
export type PeerName = keyof typeof PEERS;

export interface ComparedRow {
  readonly name: string;
  readonly op: string;
  readonly pass: Pass;
  readonly shape: Readonly<Record<string, unknown>>;
  readonly ms: number;
  readonly gflops: number;
  readonly peers: Readonly<Partial<Record<PeerName, PeerResult>>>;
}

/** Of the geometric mean over the rows, and of every single row. */
export const TARGETS = { tfjs: 5, jax: 4 } as const;
export const LEAST_RATIO = 2.5;

/** How many times as long the peer takes; null where it has no time. */
export function ratio(row: ComparedRow, peer: PeerName): number | null {
  const result = row.peers[peer];
  return result && "ms" in result ? result.ms / row.ms : null;
}

/** NaN of nothing. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

const GROUPS = {
  "convolution forward": ({ op, pass }: ComparedRow) => op === "conv2d" && pass === "forward",
  "convolution input gradient": ({ op, pass }: ComparedRow) => op === "conv2d" && pass === "backwardInput",
  "convolution weight gradient": ({ op, pass }: ComparedRow) => op === "conv2d" && pass === "backwardWeight",
  "matrix products": ({ op }: ComparedRow) => op === "matmul",
  "all rows": () => true,
} as const;

const WIDTH = 10;

/** Lines of a table whose columns fit these workloads; reasons for missing ratios are numbered, for footnotes. */
export class ComparisonTable {
  readonly #peers: readonly PeerName[];
  readonly #name: number;
  readonly #label: number;
  readonly #reasons: string[] = [];

  constructor(workloads: readonly Workload[], peers: readonly PeerName[]) {
    this.#peers = peers;
    this.#name = Math.max(...workloads.map(({ name }) => name.length));
    this.#label = Math.max(...workloads.map(({ label }) => label.length));
  }

  header(): string {
    return this.#line("name", "pass", "shape", ["ms", "GFLOP/s", ...this.#peers.map((peer) => `${PEERS[peer]} x`)]);
  }

  row(row: ComparedRow, label: string): string {
    const ratios = this.#peers.map((peer) => this.#cell(row, peer));
    const pass = row.op === "matmul" ? `matmul ${row.pass}` : row.pass;
    return this.#line(row.name, pass, label, [row.ms.toPrecision(3), row.gflops.toFixed(1), ...ratios]);
  }

  footnotes(): string[] {
    return this.#reasons.map((reason, i) => `[${i + 1}] ${reason}`);
  }

  #cell(row: ComparedRow, peer: PeerName): string {
    const value = ratio(row, peer);
    if (value !== null) return value.toFixed(2);
    const result = row.peers[peer];
    if (!result) return "-";
    const reason = `${PEERS[peer]}: ${(result as { cannot: string }).cannot}`;
    if (!this.#reasons.includes(reason)) this.#reasons.push(reason);
    return `cannot [${this.#reasons.indexOf(reason) + 1}]`;
  }

  #line(name: string, pass: string, label: string, numbers: readonly string[]): string {
    const words = [name.padEnd(this.#name), pass.padEnd(21), label.padEnd(this.#label)];
    return [...words, ...numbers.map((text) => text.padStart(WIDTH))].join("  ");
  }
}

/** Geometric means by kind of row, with how many rows there are in each. */
export function means(rows: readonly ComparedRow[], peers: readonly PeerName[]): string[] {
  const title = 28;
  const header = ["geometric means".padEnd(title), ...peers.map((peer) => PEERS[peer].padStart(14))].join("");
  const lines = Object.entries(GROUPS).map(([name, isMember]) => {
    const cells = peers.map((peer) => {
      const ratios = ratiosTo(rows.filter(isMember), peer);
      return ratios.length === 0 ? "-" : `${geometricMean(ratios).toFixed(2)} of ${String(ratios.length).padStart(3)}`;
    });
    return name.padEnd(title) + cells.map((cell) => cell.padStart(14)).join("");
  });
  return [header, ...lines];
}

/** What was aimed at and what was reached, peer by peer. */
export function verdict(rows: readonly ComparedRow[]): string[] {
  return Object.entries(TARGETS).flatMap(([key, target]) => {
    const peer = key as keyof typeof TARGETS;
    const times = ratiosTo(rows, peer);
    if (times.length === 0) return [];
    const mean = geometricMean(times);
    const below = times.filter((value) => value < LEAST_RATIO).length;
    const share = `${below} of ${times.length} rows below ${LEAST_RATIO}`;
    const worst = Math.min(...times);
    const { name, op, pass } = rows.find((row) => ratio(row, peer) === worst)!;
    const lowest = `the worst ${worst.toFixed(2)}, ${name} ${op} ${pass}`;
    return [
      `${PEERS[peer]}: ${mean.toFixed(2)} in the geometric mean, target ${target}: ${reached(mean >= target)}`,
      `${PEERS[peer]}: ${share}, target 0: ${reached(below === 0)}; ${lowest}`,
    ];
  });
}

/** Of the ratios below the least one, how many nothing could lift: to a peer that takes few dispatches of nothing. */
export function floorLines(rows: readonly ComparedRow[], peers: readonly PeerName[], dispatchMs: number): string[] {
  const low = peers.flatMap((peer) =>
    rows.flatMap((row) => {
      const times = ratio(row, peer);
      return times !== null && times < LEAST_RATIO ? [times * row.ms] : [];
    }),
  );
  const bound = low.filter((peerMs) => peerMs < LEAST_RATIO * dispatchMs).length;
  const needs = `are to a peer that needs less than ${LEAST_RATIO} times that`;
  const empty = `a dispatch of one number takes ${(1000 * dispatchMs).toFixed(0)} us`;
  return [`${empty}: of ${low.length} ratios below ${LEAST_RATIO}, ${bound} ${needs}`];
}

export function stepLine({ ms, peers: { tfjs } }: ComparedStep): string {
  const ours = `training step of a slim ResNet-18 FCN: ${ms.toFixed(1)} ms`;
  if ("cannot" in tfjs) return `${ours}; ${PEERS.tfjs} not timed: ${tfjs.cannot}`;
  const times = tfjs.ms / ms;
  const aim = `target ${TARGETS.tfjs}: ${reached(times >= TARGETS.tfjs)}`;
  return `${ours}, ${PEERS.tfjs} ${tfjs.ms.toFixed(1)} ms: ${times.toFixed(2)} times, ${aim}`;
}

/** One line of ours, and one for each way of ONNX Runtime. */
export function evaluationLines({ ms, peers }: ComparedEvaluation): string[] {
  const names = { cpu: "ONNX Runtime, CPU, 2 threads", webgpu: "ONNX Runtime, WebGPU" } as const;
  const theirs = Object.entries(peers).map(([key, result]) => {
    const name = names[key as keyof typeof peers];
    if ("cannot" in result) return `  ${name} not timed: ${result.cannot}`;
    return `  ${name} ${result.ms.toFixed(1)} ms: ${(result.ms / ms).toFixed(2)} times`;
  });
  return [`evaluation of tiny, from 2 images of 128x256 to their logits: ${ms.toFixed(1)} ms`, ...theirs];
}

/** What one run has compared; null for what it left out. */
export interface Comparison {
  readonly rows: readonly ComparedRow[];
  readonly step: ComparedStep | null;
  readonly evaluation: ComparedEvaluation | null;
}

export function toJson(adapter: AdapterReport, { rows, step, evaluation }: Comparison): string {
  return `${JSON.stringify({ adapter, rows, step, evaluation }, null, 2)}\n`;
}

function ratiosTo(rows: readonly ComparedRow[], peer: PeerName): number[] {
  return rows.flatMap((row) => ratio(row, peer) ?? []);
}

const reached = (isReached: boolean): string => (isReached ? "reached" : "missed");
